#include "config/file_kinds.h"

#include <algorithm>
#include <array>

#include "base/bytes.h"
#include "base/nearest.h"
#include "config/decoder.h"
#include "config/resource_file.h"

namespace hawser::config {

namespace {

std::size_t count_known(const Value& table, const std::vector<std::string_view>& known) {
    return static_cast<std::size_t>(std::ranges::count_if(table.entries, [&](const auto& entry) {
        return std::ranges::contains(known, std::string_view(entry.key));
    }));
}

// Both an agent's and a resource file may hold nothing but [[service]]; its keys tell.
FileKind kind_of_services(const Value& services) {
    std::size_t agent = 0, resources = 0;
    for (const Value& service : services.items) {
        agent += count_known(service, agent_service_keys());
        resources += count_known(service, resource_service_keys());
    }
    return agent > resources ? FileKind::agent : FileKind::resources;
}

// A file that says nothing leaves every default as it is.
FileKind kind_by_name(std::string_view name) {
    if (name.ends_with("agent.toml")) return FileKind::agent;
    return name.ends_with("server.toml") ? FileKind::server : FileKind::resources;
}

Error unknown_kind(const Value& root, const std::string& name) {
    std::vector<std::string_view> all;
    for (const auto& keys : {agent_keys(), server_keys(), resource_keys()}) {
        all.insert(all.end(), keys.begin(), keys.end());
    }
    Problems problems;
    for (const Value::Entry& entry : root.entries) {
        const std::string_view near = nearest(entry.key, all);
        problems.add(
            entry.place,
            "unknown key " + quote(entry.key) +
                (near.empty() ? std::string() : "; did you mean '" + std::string(near) + "'?"));
    }
    return problems.to_error(name);
}

} // namespace

Result<FileKind> detect_file_kind(const std::string& text, const std::string& name) {
    ParsedToml parsed = parse_toml(text);
    if (!parsed.problems.empty()) {
        Problems problems;
        problems.add(std::move(parsed.problems));
        return fail(problems.to_error(name));
    }
    if (parsed.root.entries.empty()) return kind_by_name(name);
    const std::size_t agent = count_known(parsed.root, agent_keys());
    const std::size_t server = count_known(parsed.root, server_keys());
    const std::size_t resources = count_known(parsed.root, resource_keys());
    if (agent + server + resources == 0) return fail(unknown_kind(parsed.root, name));
    if (server > agent && server > resources) return FileKind::server;
    if (agent > resources) return FileKind::agent;
    if (resources > agent) return FileKind::resources;
    const Value::Entry* services = parsed.root.find("service");
    return services == nullptr ? FileKind::agent : kind_of_services(services->value);
}

} // namespace hawser::config
