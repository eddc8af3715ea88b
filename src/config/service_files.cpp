#include "config/service_files.h"

#include <algorithm>
#include <format>
#include <utility>

#include "base/limits.h"
#include "config/config_file.h"
#include "config/decoder.h"

namespace hawser::config {

namespace {

// On failure `services` may hold some of the file's.
Result<void> append_file(const std::string& path, std::vector<PlacedService>& services) {
    const Result<std::string> text = read_config_file(path);
    if (!text) return fail(text.error());
    ParsedToml parsed = parse_toml(*text);
    Problems problems;
    problems.add(std::move(parsed.problems));
    const std::size_t first = services.size();
    if (problems.empty()) {
        Table file(parsed.root, problems);
        read_services(file, path, services);
        file.finish();
        check_services(services, first, problems);
    }
    if (!problems.empty()) return fail(problems.to_error(path));
    return {};
}

bool stands_in_folder(const ServiceConfig& service, const std::string& folder) {
    return service.file.starts_with(folder + "/");
}

class Rereading {
  public:
    Rereading(const std::vector<ServiceConfig>& before, const ServiceRule& rule)
        : before_(before), rule_(rule) {}

    void keep_if(const std::function<bool(const ServiceConfig&)>& condition) {
        for (const ServiceConfig& service : before_) {
            if (condition(service)) services_.push_back({.service = service, .place = {}});
        }
    }

    void read(const std::string& file) {
        const std::size_t first = services_.size();
        Result<void> read = append_file(file, services_);
        for (std::size_t i = first; read && i < services_.size(); ++i)
            read = rule_(services_[i].service);
        if (read && services_.size() > limits::instances_per_node)
            read = fail(ErrorCode::invalid, std::format("{}: with it there are more than {} "
                                                        "services on this host",
                                                        file, limits::instances_per_node));
        if (read) return;
        services_.resize(first);
        if (read.error().code == ErrorCode::not_found) return; // went away meanwhile
        keep_old(file);
        std::string problem = std::move(read.error().message);
        std::ranges::replace(problem, '\n', ' ');
        problems_.push_back(std::move(problem));
    }

    void problem(std::string text) { problems_.push_back(std::move(text)); }

    ServicesNow done() {
        ServicesNow now{.services = {}, .problems = std::move(problems_)};
        for (auto& [service, place] : services_) now.services.push_back(std::move(service));
        return now;
    }

  private:
    // Unless what another file says by now stands against it.
    void keep_old(const std::string& file) {
        for (const ServiceConfig& service : before_) {
            if (service.file != file || services_.size() >= limits::instances_per_node) continue;
            services_.push_back({.service = service, .place = {}});
            Problems against;
            check_services(services_, services_.size() - 1, against);
            if (!against.empty()) services_.pop_back();
        }
    }

    const std::vector<ServiceConfig>& before_;
    const ServiceRule& rule_;
    std::vector<PlacedService> services_;
    std::vector<std::string> problems_;
};

} // namespace

Result<void> append_service_files(const std::string& folder, std::vector<PlacedService>& services) {
    const Result<std::vector<std::string>> files = list_config_files(folder);
    if (!files) return fail(files.error());
    std::string problems;
    for (const std::string& file : *files) {
        if (const Result<void> read = append_file(file, services); !read)
            problems += (problems.empty() ? "" : "\n") + read.error().message;
    }
    if (!problems.empty()) return fail(ErrorCode::invalid, std::move(problems));
    return {};
}

ServicesNow reread_services(const std::string& folder, const std::vector<ServiceConfig>& before,
                            const ServiceRule& rule) {
    Rereading reading(before, rule);
    const Result<std::vector<std::string>> files = list_config_files(folder);
    if (!files) {
        reading.keep_if([](const ServiceConfig&) { return true; });
        reading.problem(files.error().message);
        return reading.done();
    }
    reading.keep_if([&](const ServiceConfig& each) { return !stands_in_folder(each, folder); });
    for (const std::string& file : *files) reading.read(file);
    return reading.done();
}

} // namespace hawser::config
