#include "resource_table.h"

#include <format>
#include <map>
#include <string>
#include <utility>
#include <variant>

namespace hawser::cmd {

namespace {

// Heading and cell, for each column between NAME and INDEX.
using Fields = std::vector<std::pair<std::string, TextTable::Cell>>;

template <typename T>
std::string joined(const std::vector<T>& list) {
    std::string text;
    for (const T& item : list) {
        if (!text.empty()) text += ", ";
        if constexpr (std::is_same_v<T, std::string>)
            text += item;
        else
            text += item.to_string();
    }
    return text;
}

std::string labels_text(const std::map<std::string, std::string>& labels) {
    std::string text;
    for (const auto& [key, value] : labels)
        text += std::format("{}{}={}", text.empty() ? "" : ", ", key, value);
    return text;
}

TextTable::Cell good_or_bad(std::string_view text, bool good) {
    return {std::string(text), good ? Tone::good : Tone::bad};
}

struct FieldsOf {
    Fields operator()(const model::Service& service) const {
        const bool has_vip = !service.vip4.is_unspecified();
        return {{"PROTOCOL", std::string(to_string(service.protocol))},
                {"BALANCE", std::string(to_string(service.balance))},
                {"DEFAULT", std::string(to_string(service.default_policy))},
                {"CONNECT", format_duration(service.connect_timeout)},
                {"IDLE", format_duration(service.idle_timeout)},
                {"CONNECTIONS", std::to_string(service.max_connections)},
                {"VIP", has_vip ? service.vip4.to_string() : ""}};
    }
    Fields operator()(const model::Instance& instance) const {
        const bool up = instance.health != model::Health::critical;
        return {{"HEALTH", good_or_bad(to_string(instance.health), up)},
                {"WEIGHT", std::to_string(instance.weight)},
                {"LABELS", labels_text(instance.labels)},
                {"REASON", instance.health_reason}};
    }
    Fields operator()(const model::Node& node) const {
        return {{"STATE", good_or_bad(node.alive ? "alive" : "away", node.alive)},
                {"ZONE", node.zone},
                {"TUNNEL", node.tunnel.port == 0 ? "" : node.tunnel.to_string()},
                {"MAY SPEAK FOR", joined(node.allowed_services)},
                {"VERSION", node.version}};
    }
    Fields operator()(const model::Policy& policy) const {
        return {{"SERVICE", policy.service},
                {"ACTION", std::string(to_string(policy.action))},
                {"FROM", joined(policy.from)},
                {"MODE", std::string(to_string(policy.mode))}};
    }
    Fields operator()(const model::TrustDomain& domain) const {
        return {{"DOMAIN", domain.name},
                {"DNS", domain.dns_domain},
                {"VIPS", domain.vip4.to_string() + ", " + domain.vip6.to_string()},
                {"ROOTS", std::to_string(domain.roots.size())}};
    }
    Fields operator()(const model::Server& server) const {
        return {{"ADDRESSES", joined(server.addresses)},
                {"VERSION", server.version},
                {"LEVEL", std::to_string(server.level)}};
    }
    Fields operator()(const model::Quarantine& quarantine) const {
        return {{"SINCE", format_time(quarantine.since)},
                {"BY", quarantine.by},
                {"REASON", quarantine.reason}};
    }
    Fields operator()(const auto&) const { return {}; } // nobody reads the others as rows
};

} // namespace

TextTable table_of(const std::vector<model::Change>& rows) {
    std::vector<std::string> headings{"NAME"};
    if (!rows.empty())
        for (const auto& [heading, cell] : std::visit(FieldsOf(), *rows.front().value))
            headings.push_back(heading);
    headings.emplace_back("INDEX");
    TextTable table(std::move(headings));
    for (const model::Change& row : rows) {
        std::vector<TextTable::Cell> cells{row.key};
        for (auto& [heading, cell] : std::visit(FieldsOf(), *row.value))
            cells.push_back(std::move(cell));
        cells.emplace_back(std::to_string(row.index));
        table.add(std::move(cells));
    }
    return table;
}

} // namespace hawser::cmd
