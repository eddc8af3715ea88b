#include "server/welcome.h"

#include <filesystem>
#include <utility>

#include "base/limits.h"
#include "host/interfaces.h"
#include "model/codec.h"
#include "server/secret_files.h"

namespace hawser::server {

namespace {

std::string welcome_file(const std::string& data_dir) {
    return data_dir + "/welcome";
}

} // namespace

Result<Welcome> read_welcome(const v1::ClusterWelcome& message) {
    Result<model::TrustDomain> domain = model::from_proto(message.domain());
    if (!domain) return fail(std::move(domain.error()));
    Welcome welcome{.domain = std::move(*domain), .servers = {}, .index = message.index()};
    if (message.has_authority()) {
        Result<model::Authority> authority = model::from_proto(message.authority());
        if (!authority) return fail(std::move(authority.error()));
        welcome.authority = std::move(*authority);
        welcome.authority_index = message.authority_index();
    }
    if (message.servers_size() > static_cast<int>(limits::servers))
        return fail(ErrorCode::invalid, "it names more servers than a cluster has");
    for (const v1::Server& each : message.servers()) {
        Result<model::Server> server = model::from_proto(each);
        if (!server) return fail(std::move(server.error()));
        welcome.servers.push_back(std::move(*server));
    }
    return welcome;
}

Result<void> store_welcome(const std::string& data_dir, const v1::ClusterWelcome& message) {
    return write_secret_file(welcome_file(data_dir), message.SerializeAsString());
}

Result<std::optional<Welcome>> load_welcome(const std::string& data_dir) {
    std::error_code error;
    const std::string path = welcome_file(data_dir);
    if (!std::filesystem::exists(path, error)) return std::optional<Welcome>();
    const Result<std::string> bytes = read_secret_file(path);
    if (!bytes) return fail(bytes.error());
    v1::ClusterWelcome message;
    if (!message.ParseFromString(*bytes)) return fail(ErrorCode::corrupt, path + " is damaged");
    Result<Welcome> welcome = read_welcome(message);
    if (!welcome) return fail(std::move(welcome.error()), path);
    return std::optional(std::move(*welcome));
}

Membership membership_of(const Welcome& welcome) {
    Membership membership{.index = welcome.index, .members = {}};
    for (const model::Server& server : welcome.servers) {
        membership.members.push_back(
            {.id = server.id, .name = server.name, .addresses = server.addresses});
    }
    return membership;
}

std::vector<Endpoint> reachable_at(const config::ServerConfig& config, const Endpoint& listens,
                                   const std::optional<Endpoint>& other) {
    if (!config.advertise.empty()) return config.advertise;
    if (listens.port == 0) return {};
    if (!listens.address.is_unspecified()) return {listens};
    // Nobody's address, which only the default route leads to; nothing is sent.
    const Endpoint somewhere{.address = IpAddress::v4(0xc0000201), .port = 7443};
    const Result<IpAddress> own = host::source_address(other.value_or(somewhere));
    if (!own) return {};
    return {{.address = *own, .port = listens.port}};
}

} // namespace hawser::server
