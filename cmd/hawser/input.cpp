#include "input.h"

#include <unistd.h>

#include <array>
#include <cerrno>

#include "base/limits.h"
#include "config/config_file.h"

namespace hawser::cmd {

namespace {

Result<std::string> read_stdin() {
    std::string text;
    std::array<char, 16384> buffer;
    ssize_t got = 0;
    while (text.size() <= limits::config_file_bytes &&
           (got = ::read(STDIN_FILENO, buffer.data(), buffer.size())) > 0) {
        text.append(buffer.data(), static_cast<std::size_t>(got));
    }
    if (got < 0) return fail_errno(errno, "stdin");
    return text;
}

} // namespace

std::string input_name(const std::string& path) {
    return path == "-" ? "stdin" : path;
}

Result<std::string> read_input(const std::string& path) {
    return path == "-" ? read_stdin() : config::read_config_file(path);
}

} // namespace hawser::cmd
