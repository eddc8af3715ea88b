#include "config/config_file.h"

#include <dirent.h>
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <format>
#include <memory>

#include "base/bytes.h"
#include "base/limits.h"
#include "model/identity.h"

namespace hawser::config {

namespace {

constexpr std::size_t most_files = 1000;        // in a folder of configuration
constexpr std::size_t path_length = 4095;       // PATH_MAX without the NUL
constexpr std::size_t socket_path_length = 107; // sun_path without the NUL

} // namespace

Result<std::string> read_config_file(const std::string& path) {
    // O_NONBLOCK: opening a fifo must not wait for a writer.
    const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (file < 0) return fail_errno(errno, path);
    std::string text;
    std::array<char, 16384> buffer;
    ssize_t got = 0;
    while (text.size() <= limits::config_file_bytes &&
           (got = ::read(file, buffer.data(), buffer.size())) > 0) {
        text.append(buffer.data(), static_cast<std::size_t>(got));
    }
    const int error = errno;
    ::close(file);
    if (got < 0) return fail_errno(error, path);
    if (text.size() > limits::config_file_bytes) text.resize(limits::config_file_bytes + 1);
    return text;
}

Result<std::vector<std::string>> list_config_files(const std::string& folder) {
    const std::unique_ptr<DIR, int (*)(DIR*)> directory(::opendir(folder.c_str()), ::closedir);
    std::vector<std::string> paths;
    if (!directory && errno == ENOENT) return paths;
    if (!directory) return fail_errno(errno, folder);
    while (true) {
        errno = 0;
        const dirent* entry = ::readdir(directory.get());
        if (entry == nullptr && errno != 0) return fail_errno(errno, folder);
        if (entry == nullptr) break;
        const std::string_view name = entry->d_name;
        if (name.starts_with('.') || !name.ends_with(".toml")) continue;
        if (paths.size() == most_files) {
            return fail(ErrorCode::invalid,
                        std::format("{} holds more than {} files", folder, most_files));
        }
        paths.push_back(folder + "/" + entry->d_name);
    }
    std::ranges::sort(paths);
    return paths;
}

Result<std::string> default_node_name() {
    std::array<char, 256> buffer{};
    if (::gethostname(buffer.data(), buffer.size() - 1) != 0) {
        return fail_errno(errno, "reading the host's name");
    }
    std::string name(buffer.data());
    name.resize(std::min(name.find('.'), name.size()));
    for (char& c : name) {
        if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
    }
    if (!model::check_name(name, "node")) {
        return fail(ErrorCode::invalid, "'node' is missing, and the host's name " + quote(name) +
                                            " is not fit to be one");
    }
    return name;
}

Result<void> check_path(const std::string& path) {
    if (path.starts_with('/') && path.size() <= path_length) return {};
    return fail(ErrorCode::invalid, quote(path) + " is not an absolute path");
}

Result<void> check_socket_path(const std::string& path) {
    if (path.size() > socket_path_length) {
        return fail(ErrorCode::invalid, quote(path, 120) + " is too long for a Unix socket");
    }
    return check_path(path);
}

bool is_dialable(const Endpoint& endpoint) {
    return endpoint.port != 0 && !endpoint.address.is_unspecified();
}

void read_log(Table& file, std::string& level, std::string& format) {
    const auto word = [](Table& log, std::string_view key, std::string& to,
                         std::vector<std::string_view> words) {
        Choices<std::string_view> choices;
        for (const std::string_view each : words) choices.values.emplace_back(each, each);
        std::string_view chosen = to;
        log.choice(key, chosen, choices);
        to = std::string(chosen);
    };
    file.table("log", [&](Table& log) {
        word(log, "level", level, {"debug", "info", "warn", "error", "off"});
        word(log, "format", format, {"automatic", "journal", "json", "text"});
    });
}

} // namespace hawser::config
