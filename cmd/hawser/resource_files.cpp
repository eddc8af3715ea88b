#include "resource_files.h"

#include <format>
#include <optional>
#include <set>
#include <string_view>

#include "base/bytes.h"
#include "config/resource_file.h"
#include "input.h"

namespace hawser::cmd {

namespace {

// Somebody's first try: the file that a daemon runs on.
std::optional<std::string> says_what_it_is(const std::string& text, const std::string& name) {
    const auto kind = config::detect_file_kind(text, name);
    if (!kind || *kind == config::FileKind::resources) return std::nullopt;
    const std::string_view daemon = *kind == config::FileKind::agent ? "agent" : "server";
    return std::format(
        "{}: this is the configuration of {} {}, not resources to apply; it is used "
        "by hawser {} -c FILE, and checked by hawser validate FILE",
        name, daemon == "agent" ? "an" : "a", daemon, daemon);
}

// All files together are one change: a resource in two of them is as wrong as one twice in one.
class Collection {
  public:
    void add(const std::string& path) {
        const std::string name = input_name(path);
        const Result<std::string> text = read_input(path);
        if (!text) return problem(text.error().message);
        Result<config::ResourceFile> file = config::parse_resources(*text, name);
        if (!file) return problem(says_what_it_is(*text, name).value_or(file.error().message));
        take(file->services, all_.services, "service", name);
        take(file->policies, all_.policies, "policy", name);
    }
    [[nodiscard]] Result<model::ApplyResources> all() && {
        if (problems_.empty() && all_.services.empty() && all_.policies.empty()) {
            problem("nothing to apply: no [[service]] and no [[policy]]");
        }
        if (problems_.empty()) return std::move(all_);
        return fail(ErrorCode::invalid, std::move(problems_));
    }

  private:
    void problem(const std::string& message) {
        problems_ += (problems_.empty() ? "" : "\n") + message;
    }
    template <typename T>
    void take(std::vector<T>& from, std::vector<T>& to, const std::string& kind,
              const std::string& file) {
        for (T& resource : from) {
            if (!names_.insert(kind + "/" + resource.name).second) {
                problem(std::format("{}: {} {} is in another file too", file, kind,
                                    quote(resource.name)));
            }
            to.push_back(std::move(resource));
        }
    }

    model::ApplyResources all_;
    std::set<std::string> names_;
    std::string problems_;
};

} // namespace

void add_file_option(CLI::App& verb, std::vector<std::string>& files) {
    verb.add_option("-f,--file", files, "a resource file; '-' reads stdin")
        ->required()
        ->type_name("FILE")
        ->allow_extra_args(false);
}

Result<model::ApplyResources> read_resources(const std::vector<std::string>& files) {
    Collection collection;
    for (const std::string& file : files) collection.add(file);
    return std::move(collection).all();
}

std::vector<model::Condition> conditions_on_all(const model::ApplyResources& resources,
                                                std::uint64_t index) {
    std::vector<model::Condition> conditions;
    for (const model::Service& service : resources.services) {
        conditions.push_back({.kind = model::Kind::service, .name = service.name, .index = index});
    }
    for (const model::Policy& policy : resources.policies) {
        conditions.push_back({.kind = model::Kind::policy, .name = policy.name, .index = index});
    }
    return conditions;
}

} // namespace hawser::cmd
