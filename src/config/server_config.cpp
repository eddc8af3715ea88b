#include "config/server_config.h"

#include "base/bytes.h"
#include "base/limits.h"
#include "config/config_file.h"
#include "config/file_kinds.h"
#include "model/identity.h"
#include "model/validation.h"

namespace hawser::config {

namespace {

using namespace std::chrono_literals;

constexpr std::size_t most_advertised = limits::addresses_per_server;
constexpr std::uint32_t most_voters = 9;
constexpr std::uint32_t most_snapshots = 10'000;
constexpr std::uint32_t most_audit_files = 1'000;
constexpr std::uint64_t least_audit_file = 64 << 10;
constexpr std::uint64_t most_audit_file = 256 << 20;

ServerConfig with_defaults() {
    ServerConfig config;
    config.listen = {.address = IpAddress::v4(0), .port = 7443};
    config.vip4 = {.base = IpAddress::v4(0xf0000000), .length = 8};
    config.vip6 = *Cidr::parse("fd68:6177::/64");
    return config;
}

TextRule domain_rule(std::string key) {
    return [key = std::move(key)](const std::string& name) -> Result<void> {
        if (model::check_trust_domain(name)) return {};
        return fail(ErrorCode::invalid,
                    quote(key) + ": " + quote(name) +
                        " is not a domain name (labels of a-z, 0-9 and '-', joined by dots)");
    };
}

void read_vip_range(Table& file, std::string_view key, Cidr& range, bool v4) {
    file.prefix(key, range);
    if (const Result<void> checked = model::check_vip_range(range, v4); !checked) {
        file.problem(file.place_of(key), quote(key) + ": " + checked.error().message);
    }
}

// "0s" turns off what would happen after that time.
void read_time_or_never(Table& table, std::string_view key, Duration& to, Duration least) {
    table.duration(key, to, 0s, std::chrono::days(365));
    if (to == 0s || to >= least) return;
    table.problem(key, "must be at least " + format_duration(least) + ", or \"0s\" for never");
}

void read_authority(Table& ca, AuthorityConfig& config) {
    ca.text("sealing_key_file", config.sealing_key_file, check_path);
    ca.text("cert_file", config.cert_file, check_path);
    ca.text("cert_key_file", config.cert_key_file, check_path);
    if (config.cert_file.has_value() != config.cert_key_file.has_value())
        ca.problem("cert_file", "needs cert_key_file, and the other way round");
    ca.duration("root_lifetime", config.root_lifetime, 10min, std::chrono::days(36'525));
    ca.duration("intermediate_lifetime", config.intermediate_lifetime, 1min, config.root_lifetime);
}

// The rest of a certificate's life is for renewing it.
void read_ca(Table& ca, ServerConfig& config) {
    ca.duration("availability_target", config.availability_target, 0s, 30 * 24h);
    const Duration most = config.certificate_lifetime / 10 * 9;
    if (config.availability_target > most) {
        ca.problem("availability_target", "must be at most nine tenths of certificate_lifetime (" +
                                              format_duration(most) + ")");
    }
}

void read_cluster(Table& file, ServerConfig& config) {
    file.text("join_token_file", config.join_token_file, check_path);
    file.integer("bootstrap_expect", config.bootstrap_expect, 1U, most_voters);
    read_time_or_never(file, "dead_server_after", config.dead_server_after, 10s);
    file.table("snapshots", [&](Table& snapshots) {
        read_time_or_never(snapshots, "interval", config.snapshot_interval, 10s);
        snapshots.integer("keep", config.snapshots_kept, 1U, most_snapshots);
        snapshots.text("dir", config.snapshot_dir, check_path);
    });
    if (config.snapshot_dir.empty()) config.snapshot_dir = config.data_dir + "/snapshots";
}

void read_audit(Table& audit, AuditConfig& config) {
    std::optional<std::string> size;
    audit.text("file_size", size, [&](const std::string& text) -> Result<void> {
        const Result<std::uint64_t> bytes = parse_size(text);
        if (!bytes) return fail(bytes.error());
        config.file_bytes = *bytes;
        if (*bytes >= least_audit_file && *bytes <= most_audit_file) return {};
        return fail(ErrorCode::invalid, "must be between 64KiB and 256MiB");
    });
    audit.integer("keep", config.keep, 2U, most_audit_files);
    audit.duration("max_age", config.max_age, 0s, std::chrono::days(36'525));
    if (config.max_age != 0s && config.max_age < 1h)
        audit.problem("max_age", "must be at least 1h, or \"0s\" for ever");
}

void read_server(Table& file, ServerConfig& config) {
    file.text("node", config.node,
              [](const std::string& name) { return model::check_name(name, "node name"); });
    file.text("data_dir", config.data_dir, check_path);
    file.text("socket", config.socket, check_socket_path);
    file.endpoint("listen", config.listen);
    file.endpoints("advertise", config.advertise, most_advertised);
    for (const Endpoint& endpoint : config.advertise) {
        if (!is_dialable(endpoint)) {
            file.problem("advertise",
                         "holds " + quote(endpoint.to_string()) + ", which cannot be dialled");
        }
    }
    file.text("trust_domain", config.trust_domain, domain_rule("trust_domain"));
    file.text("dns_domain", config.dns_domain, domain_rule("dns_domain"));
    read_vip_range(file, "vip4", config.vip4, true);
    read_vip_range(file, "vip6", config.vip6, false);
    file.duration("certificate_lifetime", config.certificate_lifetime, 10s, 30 * 24h);
    file.table("ca", [&](Table& ca) {
        read_authority(ca, config.ca);
        read_ca(ca, config);
    });
    file.duration("session_timeout", config.session_timeout, 3s, 5min);
    read_cluster(file, config);
    file.table("audit", [&](Table& audit) { read_audit(audit, config.audit); });
    read_log(file, config.log_level, config.log_format);
}

} // namespace

std::vector<std::string_view> server_keys() {
    const Value empty;
    Problems ignored;
    Table file(empty, ignored);
    ServerConfig config = with_defaults();
    read_server(file, config);
    return file.known();
}

Result<ServerConfig> parse_server_config(const std::string& text, const std::string& name) {
    ParsedToml parsed = parse_toml(text);
    Problems problems;
    ServerConfig config = with_defaults();
    problems.add(std::move(parsed.problems));
    if (problems.empty()) {
        Table file(parsed.root, problems);
        read_server(file, config);
        file.finish();
    }
    if (!problems.empty()) return fail(problems.to_error(name));
    return config;
}

Result<ServerConfig> load_server_config(const std::string& path) {
    const Result<std::string> text = read_config_file(path);
    if (!text) return fail(text.error());
    Result<ServerConfig> config = parse_server_config(*text, path);
    if (config && config->node.empty()) {
        const Result<std::string> node = default_node_name();
        if (!node) return fail(node.error(), path);
        config->node = *node;
    }
    return config;
}

} // namespace hawser::config
