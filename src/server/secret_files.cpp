#include "server/secret_files.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <format>

namespace hawser::server {

namespace {

constexpr std::size_t most_bytes = 64 << 10;

class Descriptor {
  public:
    explicit Descriptor(int number) : number_(number) {}
    Descriptor(const Descriptor&) = delete;
    Descriptor& operator=(const Descriptor&) = delete;
    ~Descriptor() {
        if (number_ >= 0) ::close(number_);
    }
    [[nodiscard]] int get() const { return number_; }

  private:
    int number_;
};

Result<void> write_all(int file, std::string_view contents, const std::string& path) {
    while (!contents.empty()) {
        const ssize_t written = ::write(file, contents.data(), contents.size());
        if (written < 0 && errno == EINTR) continue;
        if (written < 0) return fail_errno(errno, "writing " + path);
        contents.remove_prefix(static_cast<std::size_t>(written));
    }
    if (::fsync(file) != 0) return fail_errno(errno, "writing " + path);
    return {};
}

Result<void> sync_directory_of(const std::string& path) {
    const std::string parent = std::filesystem::path(path).parent_path();
    const Descriptor directory(::open(parent.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (directory.get() < 0 || ::fsync(directory.get()) != 0) {
        return fail_errno(errno, "writing to " + parent);
    }
    return {};
}

} // namespace

Result<void> make_secret_directory(const std::string& path) {
    if (::mkdir(path.c_str(), 0700) == 0) {
        if (::chmod(path.c_str(), 0700) == 0) return {}; // whatever the umask
        return fail_errno(errno, "making " + path + " private");
    }
    const int why = errno;
    std::error_code ignored;
    if (why == EEXIST && std::filesystem::is_directory(path, ignored)) return {};
    return fail_errno(why, "creating " + path);
}

Result<void> write_secret_file(const std::string& path, std::string_view contents) {
    const std::string fresh = path + ".new";
    (void)::unlink(fresh.c_str());
    const Descriptor file(
        ::open(fresh.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600));
    if (file.get() < 0) return fail_errno(errno, "creating " + fresh);
    if (Result<void> written = write_all(file.get(), contents, fresh); !written) return written;
    if (::rename(fresh.c_str(), path.c_str()) != 0) return fail_errno(errno, "replacing " + path);
    return sync_directory_of(path);
}

Result<std::string> read_secret_file(const std::string& path) {
    const Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
    if (file.get() < 0) return fail_errno(errno, "opening " + path);
    struct stat status{};
    if (::fstat(file.get(), &status) != 0) return fail_errno(errno, "looking at " + path);
    if ((status.st_mode & 077) != 0) {
        return fail(ErrorCode::failed_precondition,
                    std::format("{} has mode {:04o}; a key must not be open to others (chmod 600)",
                                path, status.st_mode & 07777));
    }
    std::string contents(most_bytes + 1, '\0');
    std::size_t length = 0;
    while (length < contents.size()) {
        const ssize_t count =
            ::read(file.get(), contents.data() + length, contents.size() - length);
        if (count < 0 && errno == EINTR) continue;
        if (count < 0) return fail_errno(errno, "reading " + path);
        if (count == 0) break;
        length += static_cast<std::size_t>(count);
    }
    if (length > most_bytes) return fail(ErrorCode::invalid, path + " is too long to be a key");
    contents.resize(length);
    return contents;
}

} // namespace hawser::server
