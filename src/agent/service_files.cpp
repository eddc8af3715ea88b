#include "agent/service_files.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "host/folder_watch.h"
#include "io/socket.h"
#include "log/log.h"

namespace hawser::agent {
namespace {

// Editors and configuration management replace several files in a row.
constexpr std::chrono::milliseconds quiet{200};
// The kernel may have no watches left; one day it has.
constexpr std::chrono::milliseconds retry{30'000};

} // namespace

ServiceFiles::ServiceFiles(io::Executor executor, ServiceFilesOptions options)
    : executor_(executor), options_(std::move(options)), tasks_(executor) {}

ServiceFiles::~ServiceFiles() = default;

void ServiceFiles::start() {
    tasks_.spawn(watch());
}

io::Task<void> ServiceFiles::stop() {
    tasks_.cancel();
    co_await tasks_.join();
}

void ServiceFiles::reread() {
    const std::vector<config::ServiceConfig>& before = options_.current();
    config::ServicesNow now = config::reread_services(options_.folder, before, options_.rule);
    for (const std::string& problem : now.problems) {
        if (std::ranges::find(problems_, problem) == problems_.end())
            log::error("a file of services can't be used; what it said before stays in force",
                       {{"error", problem}});
    }
    problems_ = std::move(now.problems);
    if (now.services == before) return;
    log::info("the services of this host changed", {{"services", now.services.size()}});
    options_.use(std::move(now.services));
}

io::Task<Error> ServiceFiles::watch_once() {
    auto watching = host::FolderWatch::open(executor_, options_.folder);
    if (!watching) co_return std::move(watching.error());
    reread(); // what changed before
    while (true) {
        auto changed = co_await watching->changed(quiet);
        if (!changed) co_return std::move(changed.error());
        reread();
    }
}

io::Task<void> ServiceFiles::watch() {
    bool said = false;
    while (true) {
        const Error why = co_await watch_once();
        if (tasks_.cancelled()) co_return;
        if (!std::exchange(said, true))
            log::warn("changes of services are not noticed; SIGHUP has them read",
                      {{"error", why}});
        if (!co_await io::sleep(retry)) co_return;
    }
}

} // namespace hawser::agent
