#include "telemetry/access_log.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <thread>

#include "telemetry/bounded_queue.h"

namespace hawser::telemetry {
namespace {

using std::chrono::steady_clock;

constexpr std::size_t queued_records = 8192; // some 4 MB at most; a second of busy traffic
constexpr auto shutdown_time = std::chrono::seconds(1);
constexpr int poll_milliseconds = 100; // how often a stuck write looks for the end
constexpr std::string_view journal_path = "/run/systemd/journal/socket";

Result<int> journal_socket() {
    const int descriptor = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (descriptor < 0) return fail_errno(errno, "opening the journal");
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, journal_path.data(), journal_path.size());
    if (::connect(descriptor, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0)
        return descriptor;
    const int error = errno;
    ::close(descriptor);
    return fail_errno(error, journal_path);
}

} // namespace

// The queue and the thread that empties it.
class AccessLog::Writer {
  public:
    Writer(int descriptor, AccessLogFormat format)
        : descriptor_(descriptor), format_(format), queue_(queued_records) {
        thread_ = std::thread([this] {
            ::pthread_setname_np(::pthread_self(), "access-log");
            run();
        });
    }
    Writer(const Writer&) = delete;
    Writer& operator=(const Writer&) = delete;
    ~Writer() {
        stopping_.store(true);
        wake();
        thread_.join();
        ::close(descriptor_);
    }

    void push(AccessRecord& record) {
        if (queue_.push(record))
            wake();
        else
            dropped_.fetch_add(1, std::memory_order_relaxed);
    }

    std::atomic<std::uint64_t> written_{0}, dropped_{0};

  private:
    // Costs a system call only when the thread sleeps.
    void wake() {
        pushed_.fetch_add(1, std::memory_order_release);
        pushed_.notify_one();
    }

    void run() {
        AccessRecord record;
        while (true) {
            const std::uint32_t seen = pushed_.load(std::memory_order_acquire);
            const bool last = stopping_.load();
            while (queue_.pop(record)) write(record);
            if (last) return;
            pushed_.wait(seen, std::memory_order_acquire);
        }
    }

    void write(const AccessRecord& record) {
        const bool journal = format_ == AccessLogFormat::journal;
        const std::string text = journal ? to_journal(record) : to_json(record) + "\n";
        const bool done = !out_of_time() && (journal ? send(text) : write_all(text));
        (done ? written_ : dropped_).fetch_add(1, std::memory_order_relaxed);
    }

    // After the end of the process was asked for, what is left has a second.
    bool out_of_time() {
        if (!stopping_.load()) return false;
        if (end_ == steady_clock::time_point{}) end_ = steady_clock::now() + shutdown_time;
        return steady_clock::now() >= end_;
    }

    bool wait_writable() {
        pollfd ready{.fd = descriptor_, .events = POLLOUT, .revents = 0};
        while (!out_of_time()) {
            const int count = ::poll(&ready, 1, poll_milliseconds);
            if (count > 0) return (ready.revents & POLLNVAL) == 0;
            if (count < 0 && errno != EINTR) return false;
        }
        return false;
    }

    // Waits for room first: the descriptor may be a terminal or pipe shared with others, whose
    // blocking mode is not ours to change. A pipe that is writable takes PIPE_BUF bytes without
    // blocking, so no more is given at once.
    bool write_all(std::string_view text) {
        constexpr std::size_t piece = 4096;
        while (!text.empty()) {
            if (!wait_writable()) return false;
            const ssize_t wrote = ::write(descriptor_, text.data(), std::min(text.size(), piece));
            if (wrote < 0 && (errno == EINTR || errno == EAGAIN)) continue;
            if (wrote < 0) return false;
            text.remove_prefix(static_cast<std::size_t>(wrote));
        }
        return true;
    }

    bool send(std::string_view entry) {
        while (wait_writable()) {
            if (::send(descriptor_, entry.data(), entry.size(), MSG_NOSIGNAL | MSG_DONTWAIT) >= 0)
                return true;
            if (errno != EINTR && errno != EAGAIN) return false;
        }
        return false;
    }

    int descriptor_;
    AccessLogFormat format_;
    BoundedQueue<AccessRecord> queue_;
    std::atomic<std::uint32_t> pushed_{0};
    std::atomic<bool> stopping_{false};
    steady_clock::time_point end_; // the writing thread's
    std::thread thread_;
};

Result<std::unique_ptr<AccessLog>> AccessLog::open(AccessLogMode mode, AccessLogFormat format,
                                                   int descriptor) {
    if (mode == AccessLogMode::off) return none();
    auto own = format == AccessLogFormat::journal
                   ? journal_socket()
                   : Result<int>(::fcntl(descriptor, F_DUPFD_CLOEXEC, 3));
    if (!own) return fail(std::move(own.error()), "access log");
    if (*own < 0) return fail_errno(errno, "access log");
    return std::unique_ptr<AccessLog>(new AccessLog(mode, std::make_unique<Writer>(*own, format)));
}

std::unique_ptr<AccessLog> AccessLog::none() {
    return std::unique_ptr<AccessLog>(new AccessLog(AccessLogMode::off, nullptr));
}

AccessLog::AccessLog(AccessLogMode mode, std::unique_ptr<Writer> writer)
    : mode_(mode), writer_(std::move(writer)) {}

AccessLog::~AccessLog() = default;

void AccessLog::write(AccessRecord record) {
    if (writer_ && wants(record.flag)) writer_->push(record);
}

std::uint64_t AccessLog::written() const {
    return writer_ ? writer_->written_.load(std::memory_order_relaxed) : 0;
}

std::uint64_t AccessLog::dropped() const {
    return writer_ ? writer_->dropped_.load(std::memory_order_relaxed) : 0;
}

} // namespace hawser::telemetry
