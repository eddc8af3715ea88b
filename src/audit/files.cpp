#include "audit/files.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <filesystem>
#include <format>
#include <optional>

#include "audit/record.h"

namespace hawser::audit {

namespace {

constexpr std::string_view prefix = "audit-";
constexpr std::string_view suffix = ".jsonl";
constexpr std::size_t digits = 20; // of any number
constexpr std::size_t piece_bytes = 256 << 10;

std::optional<std::uint64_t> first_of(std::string_view name) {
    if (!name.starts_with(prefix) || !name.ends_with(suffix)) return {};
    name = name.substr(prefix.size(), name.size() - prefix.size() - suffix.size());
    std::uint64_t first = 0;
    const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), first);
    const bool whole = error == std::errc() && end == name.data() + name.size();
    if (name.size() != digits || !whole || first > most_records) return {};
    return first;
}

} // namespace

std::string file_name(std::uint64_t first) {
    return std::format("{}{:020}{}", prefix, first, suffix);
}

Result<std::vector<FileName>> list_files(const std::string& folder) {
    std::vector<FileName> names;
    std::error_code error;
    for (auto entry = std::filesystem::directory_iterator(folder, error);
         !error && entry != std::filesystem::directory_iterator(); entry.increment(error)) {
        std::string name = entry->path().filename();
        if (const auto first = first_of(name))
            names.push_back({.name = std::move(name), .first = *first});
    }
    if (error) return fail_errno(error.value(), "reading the audit log in " + folder);
    std::ranges::sort(names, {}, &FileName::first);
    return names;
}

Result<OpenFile> OpenFile::open(const std::string& folder, FileName name) {
    const std::string path = folder + "/" + name.name;
    const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (file < 0) return fail_errno(errno, "opening " + path);
    OpenFile opened(std::move(name), file, 0);
    struct stat status{};
    if (::fstat(file, &status) != 0) return fail_errno(errno, "looking at " + path);
    if (!S_ISREG(status.st_mode)) return fail(ErrorCode::corrupt, path + " is not a file");
    opened.size_ = static_cast<std::uint64_t>(status.st_size);
    return opened;
}

OpenFile::~OpenFile() {
    if (file_ >= 0) ::close(file_);
}

// A line that is too long is handed on in pieces: none of them is a record.
Result<void> OpenFile::read(const std::function<bool(const Line&)>& take) const {
    std::string buffer;
    Line line;
    std::uint64_t offset = 0;
    while (offset < size_) {
        const std::size_t before = buffer.size();
        buffer.resize(before + std::min<std::uint64_t>(piece_bytes, size_ - offset));
        const ssize_t got = ::pread(file_, buffer.data() + before, buffer.size() - before,
                                    static_cast<off_t>(offset));
        if (got < 0 && errno != EINTR) return fail_errno(errno, "reading " + name_.name);
        if (got == 0) return fail(ErrorCode::corrupt, name_.name + " became shorter meanwhile");
        buffer.resize(before + static_cast<std::size_t>(std::max<ssize_t>(got, 0)));
        offset += static_cast<std::uint64_t>(std::max<ssize_t>(got, 0));
        std::size_t begin = 0;
        while (true) {
            const std::size_t end = buffer.find('\n', begin);
            const bool too_long = end == std::string::npos && buffer.size() - begin > line_bytes;
            if (end == std::string::npos && !too_long) break;
            const std::size_t length = (too_long ? buffer.size() : end) - begin;
            ++line.number;
            line.text = std::string_view(buffer).substr(begin, length);
            if (!take(line)) return {};
            begin += length + (too_long ? 0 : 1);
            line.offset += length + (too_long ? 0 : 1);
        }
        buffer.erase(0, begin);
    }
    if (buffer.empty()) return {};
    ++line.number;
    line.text = buffer;
    line.whole = false;
    (void)take(line);
    return {};
}

Result<std::vector<OpenFile>> open_files(const std::string& folder) {
    Result<std::vector<FileName>> names = list_files(folder);
    if (!names) return fail(std::move(names.error()));
    std::vector<OpenFile> files;
    for (FileName& name : *names) {
        Result<OpenFile> file = OpenFile::open(folder, std::move(name));
        if (!file) return fail(std::move(file.error()));
        files.push_back(std::move(*file));
    }
    return files;
}

} // namespace hawser::audit
