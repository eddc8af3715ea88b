#include "host/folder_watch.h"

#include <sys/inotify.h>
#include <unistd.h>

#include <array>
#include <asio/as_tuple.hpp>
#include <asio/use_awaitable.hpp>
#include <cerrno>
#include <utility>

#include "host/deadline.h"

namespace hawser::host {
namespace {

constexpr auto as_result = asio::as_tuple(asio::use_awaitable_t<io::Executor>{});

// IN_MODIFY: who writes slowly is waited for. IN_ATTRIB: a file that becomes readable.
constexpr std::uint32_t interesting = IN_CREATE | IN_MODIFY | IN_CLOSE_WRITE | IN_ATTRIB |
                                      IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE | IN_DELETE_SELF |
                                      IN_MOVE_SELF | IN_ONLYDIR;
// A folder that is never quiet is looked at all the same.
constexpr std::chrono::milliseconds longest_unrest{5'000};
// Folders may come and go while the nearest is looked for.
constexpr int arming_attempts = 16;

std::string folder_above(const std::string& path) {
    const std::size_t slash = path.find_last_of('/');
    if (slash == std::string::npos) return ".";
    return slash == 0 ? "/" : path.substr(0, slash);
}

} // namespace

Result<FolderWatch> FolderWatch::open(io::Executor executor, std::string path) {
    while (path.size() > 1 && path.ends_with('/')) path.pop_back();
    const int events = ::inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    if (events < 0) return fail_errno(errno, "watching " + path);
    FolderWatch watch(Descriptor(executor, events), std::move(path));
    if (auto armed = watch.arm(); !armed) return fail(std::move(armed.error()));
    return watch;
}

Result<void> FolderWatch::arm() {
    Result<void> armed;
    for (int attempt = 0; attempt < arming_attempts; ++attempt) {
        if (watch_ >= 0) (void)::inotify_rm_watch(events_.native_handle(), watch_);
        armed = arm_nearest();
        // It may have appeared just before the one above it was watched.
        if (!armed || on_folder_ || ::access(path_.c_str(), F_OK) != 0) break;
    }
    return armed;
}

Result<void> FolderWatch::arm_nearest() {
    std::string folder = path_;
    while (true) {
        watch_ = ::inotify_add_watch(events_.native_handle(), folder.c_str(), interesting);
        on_folder_ = folder == path_;
        if (watch_ >= 0) return {};
        const bool absent = errno == ENOENT || errno == ENOTDIR;
        if (!absent || folder == "/" || folder == ".")
            return fail_errno(errno, "watching " + folder);
        folder = folder_above(folder);
    }
}

// Reads what there is; true if it concerns the folder.
bool FolderWatch::drain() {
    alignas(inotify_event) std::array<char, 16 << 10> buffer;
    bool gone = false, any = false;
    while (true) {
        const ssize_t got = ::read(events_.native_handle(), buffer.data(), buffer.size());
        if (got <= 0) break;
        for (ssize_t at = 0; at < got;) {
            const auto* event = reinterpret_cast<const inotify_event*>(buffer.data() + at);
            at += static_cast<ssize_t>(sizeof(inotify_event) + event->len);
            if (event->wd != watch_ && (event->mask & IN_Q_OVERFLOW) == 0) continue; // an older one
            any = true;
            gone = gone || (event->mask & (IN_IGNORED | IN_DELETE_SELF | IN_MOVE_SELF)) != 0;
        }
    }
    const bool was_on_folder = on_folder_;
    if (any && (gone || !on_folder_)) {
        if (!arm()) watch_ = -1;
    }
    return any && (was_on_folder || on_folder_);
}

io::Task<bool> FolderWatch::readable_within(std::chrono::milliseconds time) {
    const Deadline deadline(events_, time);
    auto [error] = co_await events_.async_wait(Descriptor::wait_read, as_result);
    co_return !error;
}

io::Task<Result<void>> FolderWatch::changed(std::chrono::milliseconds quiet) {
    bool concerned = false;
    while (!concerned) {
        auto [error] = co_await events_.async_wait(Descriptor::wait_read, as_result);
        if (error) co_return fail_errno(error.value(), "watching " + path_);
        concerned = drain();
        if (watch_ < 0) co_return fail(ErrorCode::unavailable, "watching " + path_ + ": lost");
    }
    const auto end = std::chrono::steady_clock::now() + longest_unrest;
    while (std::chrono::steady_clock::now() < end && co_await readable_within(quiet)) (void)drain();
    co_return Result<void>();
}

} // namespace hawser::host
