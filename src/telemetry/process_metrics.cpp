// The process_* metrics of every Prometheus exporter, from /proc/self.
#include <dirent.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include <array>
#include <charconv>
#include <string_view>

#include "telemetry/collector.h"

namespace hawser::telemetry {
namespace {

// A file of /proc/self, at most what the caller's buffer holds.
std::string_view read_proc(const char* path, std::array<char, 4096>& buffer) {
    const int descriptor = ::open(path, O_RDONLY | O_CLOEXEC);
    if (descriptor < 0) return {};
    const ssize_t got = ::read(descriptor, buffer.data(), buffer.size());
    ::close(descriptor);
    return {buffer.data(), got > 0 ? static_cast<std::size_t>(got) : 0};
}

// The n-th number of a line of words, 0 if there is none.
double word_number(std::string_view text, std::size_t position) {
    for (; position > 0; --position) {
        const auto space = text.find(' ');
        if (space == std::string_view::npos) return 0;
        text.remove_prefix(space + 1);
    }
    double value = 0;
    (void)std::from_chars(text.data(), text.data() + text.size(), value);
    return value;
}

double open_descriptors() {
    DIR* folder = ::opendir("/proc/self/fd");
    if (folder == nullptr) return 0;
    double count = -1; // the folder's own
    while (const dirent* entry = ::readdir(folder))
        if (entry->d_name[0] != '.') ++count;
    ::closedir(folder);
    return count;
}

double seconds(const timeval& time) {
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
}

// Start time is in ticks since boot; the wall clock now less the time since boot is boot's.
double start_time(std::array<char, 4096>& buffer) {
    std::string_view stat = read_proc("/proc/self/stat", buffer);
    const auto name_end = stat.rfind(')'); // the name may hold spaces
    if (name_end == std::string_view::npos) return 0;
    const double ticks = word_number(stat.substr(name_end + 2), 19);
    timespec wall{}, boot{};
    ::clock_gettime(CLOCK_REALTIME, &wall);
    ::clock_gettime(CLOCK_BOOTTIME, &boot);
    return static_cast<double>(wall.tv_sec - boot.tv_sec) +
           ticks / static_cast<double>(::sysconf(_SC_CLK_TCK));
}

} // namespace

void refresh_process_metrics(WorkerMetrics& metrics) {
    std::array<char, 4096> buffer;
    rusage usage{};
    if (::getrusage(RUSAGE_SELF, &usage) == 0)
        metrics.gauge(Metric::process_cpu_seconds)
            .set(seconds(usage.ru_utime) + seconds(usage.ru_stime));
    metrics.gauge(Metric::process_resident_memory_bytes)
        .set(word_number(read_proc("/proc/self/statm", buffer), 1) *
             static_cast<double>(::sysconf(_SC_PAGESIZE)));
    metrics.gauge(Metric::process_open_fds).set(open_descriptors());
    rlimit limit{};
    if (::getrlimit(RLIMIT_NOFILE, &limit) == 0)
        metrics.gauge(Metric::process_max_fds).set(static_cast<double>(limit.rlim_cur));
    Gauge& started = metrics.gauge(Metric::process_start_time_seconds);
    if (started.value == 0) started.set(start_time(buffer));
}

} // namespace hawser::telemetry
