// The rows of the registry, one table a kind, and the questions asked of them.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

#include "base/ip.h"
#include "model/resources.h"
#include "model/row.h"
#include "registry/history_index.h"

namespace hawser::registry {

using ResourcePtr = std::shared_ptr<const model::Resource>;

struct Row {
    ResourcePtr value;
    std::uint64_t index = 0; // of the log entry that last changed it
};
using Table = std::map<std::string, Row, std::less<>>;

template <typename T>
inline constexpr model::Kind kind_for{};
template <>
inline constexpr model::Kind kind_for<model::TrustDomain> = model::Kind::trust_domain;
template <>
inline constexpr model::Kind kind_for<model::Service> = model::Kind::service;
template <>
inline constexpr model::Kind kind_for<model::Instance> = model::Kind::instance;
template <>
inline constexpr model::Kind kind_for<model::Node> = model::Kind::node;
template <>
inline constexpr model::Kind kind_for<model::Policy> = model::Kind::policy;
template <>
inline constexpr model::Kind kind_for<model::JoinToken> = model::Kind::join_token;
template <>
inline constexpr model::Kind kind_for<model::OperatorToken> = model::Kind::operator_token;
template <>
inline constexpr model::Kind kind_for<model::Server> = model::Kind::server;
template <>
inline constexpr model::Kind kind_for<model::HistoryEntry> = model::Kind::history;
template <>
inline constexpr model::Kind kind_for<model::Authority> = model::Kind::authority;
template <>
inline constexpr model::Kind kind_for<model::Quarantine> = model::Kind::quarantine;
template <>
inline constexpr model::Kind kind_for<model::AuditHead> = model::Kind::audit_head;

// Kinds count from 1.
inline constexpr std::size_t kind_places = static_cast<std::size_t>(model::last_kind) + 1;

class Tables {
  public:
    [[nodiscard]] const Table& rows(model::Kind kind) const;
    [[nodiscard]] const Row* find(model::Kind kind, std::string_view key) const;

    // The resource with this key, or null. Valid until the next change.
    template <typename T>
    [[nodiscard]] const T* get(std::string_view key) const {
        const Row* row = find(kind_for<T>, key);
        return row == nullptr ? nullptr : std::get_if<T>(row->value.get());
    }
    [[nodiscard]] const model::TrustDomain* trust() const;
    // Null before level 3: then the servers have its keys in files.
    [[nodiscard]] const model::Authority* authority() const;
    [[nodiscard]] std::uint64_t authority_index() const; // it was last changed at; 0: none
    [[nodiscard]] std::uint64_t epoch() const { return trust() == nullptr ? 0 : trust()->epoch; }
    [[nodiscard]] std::vector<const model::Instance*> instances_of_node(
        std::string_view node) const;
    [[nodiscard]] std::vector<const model::Instance*> instances_of_service(
        std::string_view service) const;
    // All members of the cluster, in the order of their names.
    [[nodiscard]] std::vector<const model::Server*> servers() const;
    [[nodiscard]] const model::Server* server(std::uint64_t id) const;
    [[nodiscard]] bool has_instances(std::string_view service) const;
    [[nodiscard]] const HistoryIndex& history() const { return history_; }
    [[nodiscard]] bool vip_taken(const IpAddress& address) const { return vips_.contains(address); }
    [[nodiscard]] std::size_t vips() const { return vips_.size(); }

    // Every row, as changes, in the order of kind and key.
    [[nodiscard]] std::vector<model::Change> all() const;

    void carry_out(const model::Change& change);

  private:
    void take_in(const model::Resource& resource);
    void let_go(const model::Resource& resource);

    std::array<Table, kind_places> tables_; // by kind; the first is unused
    std::unordered_set<IpAddress> vips_;
    std::map<std::string, std::size_t, std::less<>> instances_; // by service
    HistoryIndex history_;
};

} // namespace hawser::registry
