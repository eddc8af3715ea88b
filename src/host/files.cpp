#include "host/files.h"

#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <utility>

#include "base/bytes.h"
#include "base/random.h"

namespace hawser::host {
namespace {

class File {
  public:
    explicit File(int descriptor) : descriptor_(descriptor) {}
    File(const File&) = delete;
    File& operator=(const File&) = delete;
    ~File() {
        if (descriptor_ >= 0) ::close(descriptor_);
    }
    [[nodiscard]] int get() const { return descriptor_; }
    // Some file systems report a failed write only here.
    int close() { return ::close(std::exchange(descriptor_, -1)); }

  private:
    int descriptor_;
};

std::string folder_of(const std::string& path) {
    const auto slash = path.rfind('/');
    if (slash == std::string::npos) return ".";
    return slash == 0 ? "/" : path.substr(0, slash);
}

Result<void> sync_folder(const std::string& folder) {
    File directory(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (directory.get() < 0) return fail_errno(errno, "opening " + folder);
    if (::fsync(directory.get()) != 0) return fail_errno(errno, "syncing " + folder);
    return {};
}

Result<void> write_all(int descriptor, std::string_view content) {
    while (!content.empty()) {
        const ssize_t written = ::write(descriptor, content.data(), content.size());
        if (written < 0 && errno == EINTR) continue;
        if (written < 0) return fail_errno(errno, "writing");
        content.remove_prefix(static_cast<std::size_t>(written));
    }
    return {};
}

// A name nobody else uses, in the same folder so that the rename stays on one file system.
std::string temporary_beside(const std::string& path) {
    std::array<std::uint8_t, 8> random;
    fill_secure_random(random);
    return path + ".tmp-" + to_hex(random);
}

Result<void> fill_file(const std::string& path, std::string_view content, mode_t mode) {
    File file(::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, mode));
    if (file.get() < 0) return fail_errno(errno, "creating");
    // The umask does not decide what is secret.
    if (::fchmod(file.get(), mode) != 0) return fail_errno(errno, "setting the mode");
    if (auto written = write_all(file.get(), content); !written) return written;
    if (::fsync(file.get()) != 0) return fail_errno(errno, "syncing");
    if (file.close() != 0) return fail_errno(errno, "closing");
    return {};
}

Result<void> make_parents(const std::string& path) {
    for (auto slash = path.find('/', 1); slash != std::string::npos;
         slash = path.find('/', slash + 1))
        if (::mkdir(path.substr(0, slash).c_str(), 0755) != 0 && errno != EEXIST)
            return fail_errno(errno, "making " + path.substr(0, slash));
    return {};
}

// The value of "KEY=value" or "KEY: value" in a small text file.
std::string value_in(const std::string& path, std::string_view key) {
    auto text = read_file(path, 64 << 10);
    if (!text) return {};
    std::string_view rest = *text;
    while (!rest.empty()) {
        const auto end = std::min(rest.find('\n'), rest.size());
        std::string_view line = rest.substr(0, end);
        rest.remove_prefix(std::min(end + 1, rest.size()));
        if (!line.starts_with(key)) continue;
        line.remove_prefix(key.size());
        const auto first = line.find_first_not_of(" \t\"");
        if (first == std::string_view::npos) return {};
        return std::string(line.substr(first, line.find_last_not_of(" \t\"") - first + 1));
    }
    return {};
}

} // namespace

Result<void> write_file(const std::string& path, std::string_view content, mode_t mode) {
    const std::string temporary = temporary_beside(path);
    auto written = fill_file(temporary, content, mode);
    if (written && ::rename(temporary.c_str(), path.c_str()) != 0)
        written = fail_errno(errno, "renaming");
    if (!written) {
        ::unlink(temporary.c_str());
        return fail(std::move(written.error()), path);
    }
    return sync_folder(folder_of(path));
}

Result<std::string> read_file(const std::string& path, std::size_t limit) {
    // Non-blocking, so that a FIFO put there cannot hold us up.
    File file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
    if (file.get() < 0) return fail_errno(errno, path);
    struct stat info{};
    if (::fstat(file.get(), &info) != 0) return fail_errno(errno, path);
    if (!S_ISREG(info.st_mode)) return fail(ErrorCode::invalid, path + ": not a regular file");
    // Files of /proc have no size: read until the end, or one byte beyond the limit.
    std::string text;
    std::array<char, 16 << 10> buffer;
    while (text.size() <= limit) {
        const ssize_t got = ::read(file.get(), buffer.data(), buffer.size());
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return fail_errno(errno, path);
        if (got == 0) return text;
        text.append(buffer.data(), static_cast<std::size_t>(got));
    }
    return fail(ErrorCode::resource_exhausted,
                path + ": longer than " + std::to_string(limit) + " bytes");
}

Result<void> remove_file(const std::string& path) {
    if (::unlink(path.c_str()) != 0 && errno != ENOENT) return fail_errno(errno, path);
    return {};
}

Result<void> ensure_directory(const std::string& path, mode_t mode) {
    if (path.empty()) return fail(ErrorCode::invalid, "a folder's path is empty");
    if (auto made = make_parents(path); !made) return made;
    if (::mkdir(path.c_str(), mode) != 0 && errno != EEXIST)
        return fail_errno(errno, "making " + path);
    File directory(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (directory.get() < 0) return fail_errno(errno, "opening " + path);
    struct stat info{};
    if (::fstat(directory.get(), &info) != 0) return fail_errno(errno, path);
    if (info.st_uid != ::geteuid() && info.st_uid != 0)
        return fail(
            ErrorCode::permission_denied,
            path + ": belongs to user " + std::to_string(info.st_uid) + ", not to this one");
    if ((info.st_mode & 07777) != mode && ::fchmod(directory.get(), mode) != 0)
        return fail_errno(errno, "setting the mode of " + path);
    return {};
}

Result<void> act_as_owner(const std::string& folder) {
    struct stat info{};
    if (::geteuid() != 0 || ::stat(folder.c_str(), &info) != 0 || info.st_uid == 0) return {};
    const uid_t user = info.st_uid;
    const gid_t group = info.st_gid;
    if (::setgroups(1, &group) != 0 || ::setresgid(group, group, group) != 0 ||
        ::setresuid(user, user, user) != 0)
        return fail_errno(errno, "acting as the owner of " + folder);
    return {};
}

MachineFacts machine_facts() {
    MachineFacts facts;
    utsname names{};
    if (::uname(&names) == 0) {
        facts.hostname = names.nodename;
        facts.kernel = names.release;
    }
    facts.hostname.resize(std::min(facts.hostname.find('.'), facts.hostname.size()));
    std::ranges::transform(facts.hostname, facts.hostname.begin(), [](char letter) {
        return letter >= 'A' && letter <= 'Z' ? static_cast<char>(letter - 'A' + 'a') : letter;
    });
    facts.operating_system = value_in("/etc/os-release", "PRETTY_NAME=");
    cpu_set_t processors;
    if (::sched_getaffinity(0, sizeof processors, &processors) == 0)
        facts.processors = static_cast<std::uint32_t>(std::max(1, CPU_COUNT(&processors)));
    const long pages = ::sysconf(_SC_PHYS_PAGES), page = ::sysconf(_SC_PAGESIZE);
    if (pages > 0 && page > 0)
        facts.memory_bytes = static_cast<std::uint64_t>(pages) * static_cast<std::uint64_t>(page);
    return facts;
}

} // namespace hawser::host
