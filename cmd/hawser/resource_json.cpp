#include "resource_json.h"

#include <algorithm>
#include <format>

#include "base/bytes.h"
#include "console.h"
#include "model/codec.h"
#include "tls/x509.h"

namespace hawser::cmd {

using nlohmann::json;

namespace {

json address_json(const IpAddress& address) {
    return address.is_unspecified() ? json() : json(address.to_string());
}

json fingerprints(const std::vector<std::string>& certificates) {
    json list = json::array();
    for (const std::string& der : certificates)
        list.push_back(to_hex(as_bytes(tls::sha256(as_bytes(der)))));
    return list;
}

struct ToJson {
    json operator()(const model::JoinToken&) const { return json::object(); }
    json operator()(const model::OperatorToken&) const { return json::object(); }
    json operator()(const model::HistoryEntry&) const { return json::object(); }
    json operator()(const model::Authority&) const { return json::object(); }
    json operator()(const model::AuditHead&) const { return json::object(); }
    json operator()(const auto& resource) const { return to_json(resource); }
};

} // namespace

json to_json(const model::Service& service) {
    return {{"name", service.name},
            {"protocol", to_string(service.protocol)},
            {"balance", to_string(service.balance)},
            {"default_policy", to_string(service.default_policy)},
            {"timeouts",
             {{"connect", format_duration(service.connect_timeout)},
              {"idle", format_duration(service.idle_timeout)}}},
            {"limits", {{"connections", service.max_connections}}},
            {"vip4", address_json(service.vip4)},
            {"vip6", address_json(service.vip6)}};
}

json to_json(const model::Instance& instance) {
    return {{"node", instance.node},
            {"service", instance.service},
            {"port", instance.port},
            {"weight", instance.weight},
            {"labels", instance.labels},
            {"health", to_string(instance.health)},
            {"health_reason", instance.health_reason}};
}

json to_json(const model::Node& node) {
    return {{"name", node.name},
            {"zone", node.zone},
            {"tunnel", node.tunnel.port == 0 ? json() : json(node.tunnel.to_string())},
            {"version", node.version},
            {"services", node.allowed_services},
            {"alive", node.alive},
            {"joined_at", time_json(node.joined_at)}};
}

json to_json(const model::Policy& policy) {
    return {{"name", policy.name},
            {"service", policy.service},
            {"action", to_string(policy.action)},
            {"mode", to_string(policy.mode)},
            {"from", policy.from}};
}

json to_json(const model::TrustDomain& domain) {
    return {{"name", domain.name},
            {"dns_domain", domain.dns_domain},
            {"vip4", domain.vip4.to_string()},
            {"vip6", domain.vip6.to_string()},
            {"roots", fingerprints(domain.roots)},
            {"intermediates", fingerprints(domain.intermediates)}};
}

json to_json(const model::Server& server) {
    json addresses = json::array();
    for (const Endpoint& address : server.addresses) addresses.push_back(address.to_string());
    return {{"name", server.name},
            {"id", std::format("{:016x}", server.id)},
            {"addresses", std::move(addresses)},
            {"version", server.version},
            {"level", server.level},
            {"joined_at", time_json(server.joined_at)}};
}

json to_json(const model::Quarantine& quarantine) {
    return {{"subject", quarantine.key()},
            {"reason", quarantine.reason},
            {"since", time_json(quarantine.since)},
            {"by", quarantine.by}};
}

json to_json(const model::Change& row) {
    json value = std::visit(ToJson{}, *row.value);
    value["index"] = row.index;
    return value;
}

Result<std::vector<model::Change>> rows_of(const v1::GetResponse& response) {
    std::vector<model::Change> rows;
    for (const v1::Change& message : response.rows()) {
        Result<model::Change> row = model::from_proto(message);
        if (!row) return fail(std::move(row.error()), "the answer");
        if (!row->deleted()) rows.push_back(*std::move(row));
    }
    return rows;
}

} // namespace hawser::cmd
