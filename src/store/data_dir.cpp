#include "store/data_dir.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <filesystem>
#include <format>

namespace hawser::store {

namespace {

Result<void> make_private_directory(const std::string& path) {
    std::error_code error;
    const std::filesystem::path parent = std::filesystem::path(path).parent_path();
    if (!parent.empty()) std::filesystem::create_directories(parent, error);
    if (error) return fail_errno(error.value(), "creating " + parent.string());
    if (::mkdir(path.c_str(), 0700) == 0) return {};
    if (errno != EEXIST) return fail_errno(errno, "creating " + path);
    struct stat status{};
    if (::stat(path.c_str(), &status) != 0) return fail_errno(errno, "looking at " + path);
    if (!S_ISDIR(status.st_mode)) {
        return fail(ErrorCode::failed_precondition, path + " is not a directory");
    }
    if ((status.st_mode & 07777) != 0700 && ::chmod(path.c_str(), 0700) != 0) {
        return fail_errno(errno, "making " + path + " private");
    }
    return {};
}

// The holder wrote its process id into the file.
std::string holder_of(int lock) {
    std::array<char, 32> text{};
    const ssize_t length = ::pread(lock, text.data(), text.size(), 0);
    if (length <= 0) return "another server";
    std::string_view pid(text.data(), static_cast<std::size_t>(length));
    return std::format("another server (pid {})", pid.substr(0, pid.find('\n')));
}

Result<void> take(int lock, const std::string& path) {
    if (::flock(lock, LOCK_EX | LOCK_NB) != 0) {
        if (errno != EWOULDBLOCK) return fail_errno(errno, "locking " + path);
        return fail(
            ErrorCode::failed_precondition,
            std::format("{} uses the data directory {}: stop it first", holder_of(lock), path));
    }
    const std::string pid = std::format("{}\n", ::getpid());
    if (::ftruncate(lock, 0) != 0 || ::pwrite(lock, pid.data(), pid.size(), 0) < 0) {
        // Only the text for the next server's error is missing: a full disk must not keep us out.
        (void)::ftruncate(lock, 0);
    }
    return {};
}

} // namespace

Result<DataDir> DataDir::open(const std::string& path) {
    if (Result<void> made = make_private_directory(path); !made)
        return fail(std::move(made.error()));
    const std::string lock_path = path + "/lock";
    const int lock = ::open(lock_path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (lock < 0) return fail_errno(errno, "opening " + lock_path);
    DataDir directory(path, lock);
    if (Result<void> taken = take(lock, path); !taken) return fail(std::move(taken.error()));
    return directory;
}

DataDir::~DataDir() {
    if (lock_ >= 0) ::close(lock_);
}

std::string DataDir::file(std::string_view name) const {
    return std::format("{}/{}", path_, name);
}

} // namespace hawser::store
