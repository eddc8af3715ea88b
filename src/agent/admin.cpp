#include "agent/admin.h"

#include <unistd.h>

#include <charconv>
#include <format>
#include <memory>
#include <sstream>
#include <utility>

#include "base/bytes.h"
#include "base/limits.h"
#include "host/accounts.h"
#include "host/files.h"
#include "log/log.h"
#include "model/codec.h"
#include "rpc/server.h"

namespace hawser::agent {
namespace {

constexpr std::string_view group_name = "hawser";
constexpr mode_t shared_mode = 0660;
constexpr mode_t private_mode = 0600; // where there is no such group

// The line "Groups:\t4 24 27" of /proc/PID/status.
bool has_group(pid_t pid, gid_t group) {
    const auto status = host::read_file(std::format("/proc/{}/status", pid), 64 << 10);
    if (!status) return false;
    std::istringstream lines(*status);
    for (std::string line; std::getline(lines, line);) {
        if (!line.starts_with("Groups:")) continue;
        std::istringstream groups(line.substr(7));
        for (gid_t each = 0; groups >> each;) {
            if (each == group) return true;
        }
        return false;
    }
    return false;
}

Result<void> check_caller(const rpc::Caller& caller, std::optional<gid_t> group) {
    if (caller.local && may_ask(*caller.local, group)) return {};
    log::warn("refused a caller on the agent's socket", {{"peer", caller.remote}});
    return fail(ErrorCode::permission_denied,
                "only root and members of the group hawser may ask the agent");
}

io::Task<Result<v1::AgentStatusResponse>> serve_status(const AdminSources& sources,
                                                       std::optional<gid_t> group,
                                                       const rpc::Caller& caller) {
    if (auto allowed = check_caller(caller, group); !allowed)
        co_return fail(std::move(allowed.error()));
    co_return co_await sources.status();
}

io::Task<Result<v1::InterceptStatusResponse>> serve_intercept(const AdminSources& sources,
                                                              std::optional<gid_t> group,
                                                              const rpc::Caller& caller) {
    if (auto allowed = check_caller(caller, group); !allowed)
        co_return fail(std::move(allowed.error()));
    co_return co_await sources.intercept();
}

io::Task<Result<v1::GetResponse>> serve_get(const AdminSources& sources, std::optional<gid_t> group,
                                            const rpc::Caller& caller, v1::GetRequest request) {
    if (auto allowed = check_caller(caller, group); !allowed)
        co_return fail(std::move(allowed.error()));
    co_return get_rows(sources.mesh(), request);
}

io::Task<Result<v1::CertificatesResponse>> serve_certificates(const AdminSources& sources,
                                                              std::optional<gid_t> group,
                                                              const rpc::Caller& caller) {
    if (auto allowed = check_caller(caller, group); !allowed)
        co_return fail(std::move(allowed.error()));
    co_return sources.certificates();
}

io::Task<Result<v1::RenewCertificatesResponse>> serve_renew(const AdminSources& sources,
                                                            std::optional<gid_t> group,
                                                            const rpc::Caller& caller,
                                                            v1::RenewCertificatesRequest request) {
    if (auto allowed = check_caller(caller, group); !allowed)
        co_return fail(std::move(allowed.error()));
    log::info("renewing certificates now",
              {{"peer", caller.remote},
               {"identity", request.identity().empty() ? "all" : quote(request.identity())}});
    co_return co_await sources.renew(request.identity());
}

} // namespace

bool may_ask(const io::PeerCredentials& peer, std::optional<gid_t> group) {
    if (peer.uid == 0 || peer.uid == ::geteuid()) return true;
    return group && (peer.gid == *group || has_group(peer.pid, *group));
}

Result<v1::GetResponse> get_rows(const MeshState* mesh, const v1::GetRequest& request) {
    auto kind = model::parse_kind(request.kind());
    if (!kind) return fail(std::move(kind.error()));
    if (!model::visible_to_agents(*kind)) {
        return fail(
            ErrorCode::failed_precondition,
            std::format("agents don't know of a {}: ask a server", model::to_string(*kind)));
    }
    v1::GetResponse response;
    if (mesh != nullptr) {
        response.set_index(mesh->index());
        for (const model::Change& row : mesh->rows(*kind))
            if (request.name().empty() || row.key == request.name())
                *response.add_rows() = model::to_proto(row);
    }
    if (!request.name().empty() && response.rows().empty()) {
        return fail(ErrorCode::not_found,
                    std::format("no {} {}", model::to_string(*kind), quote(request.name())));
    }
    return response;
}

Result<std::unique_ptr<AdminSocket>> AdminSocket::open(io::Executor executor, std::string path,
                                                       AdminSources sources) {
    const std::size_t slash = path.rfind('/');
    if (slash != std::string::npos && slash != 0) {
        const std::string folder = path.substr(0, slash);
        if (::access(folder.c_str(), F_OK) != 0) {
            if (auto made = host::ensure_directory(folder, 0755); !made)
                return fail(std::move(made.error()));
        }
    }
    // Only root, and the group's own members, can give a file to the group.
    std::optional<gid_t> group;
    if (const auto found = host::group_id(group_name); found) {
        if (::geteuid() == 0 || ::getegid() == *found) group = *found;
    }
    auto acceptor = io::listen_unix(executor, path, group ? shared_mode : private_mode,
                                    group.value_or(static_cast<gid_t>(-1)));
    if (!acceptor) return fail(std::move(acceptor.error()));
    return std::unique_ptr<AdminSocket>(new AdminSocket(
        executor, std::move(path), std::move(*acceptor), std::move(sources), group));
}

AdminSocket::AdminSocket(io::Executor executor, std::string path, io::Acceptor acceptor,
                         AdminSources sources, std::optional<gid_t> group)
    : path_(std::move(path)),
      acceptor_(std::move(acceptor)),
      sources_(std::move(sources)),
      group_(group),
      tasks_(executor) {}

AdminSocket::~AdminSocket() = default;

void AdminSocket::start() {
    rpc::Methods methods;
    methods.unary<v1::AgentStatusRequest, v1::AgentStatusResponse>(
        "/hawser.v1.Agent/Status",
        [this](const rpc::Caller& caller, const v1::AgentStatusRequest&) {
            return serve_status(sources_, group_, caller);
        });
    methods.unary<v1::InterceptStatusRequest, v1::InterceptStatusResponse>(
        "/hawser.v1.Agent/InterceptStatus",
        [this](const rpc::Caller& caller, const v1::InterceptStatusRequest&) {
            return serve_intercept(sources_, group_, caller);
        });
    methods.unary<v1::GetRequest, v1::GetResponse>(
        "/hawser.v1.Agent/Get", [this](const rpc::Caller& caller, v1::GetRequest request) {
            return serve_get(sources_, group_, caller, std::move(request));
        });
    methods.unary<v1::CertificatesRequest, v1::CertificatesResponse>(
        "/hawser.v1.Trust/Certificates",
        [this](const rpc::Caller& caller, const v1::CertificatesRequest&) {
            return serve_certificates(sources_, group_, caller);
        });
    methods.unary<v1::RenewCertificatesRequest, v1::RenewCertificatesResponse>(
        "/hawser.v1.Trust/RenewCertificates",
        [this](const rpc::Caller& caller, v1::RenewCertificatesRequest request) {
            return serve_renew(sources_, group_, caller, std::move(request));
        });
    rpc::ServerOptions options;
    options.max_connections = limits::admin_connections;
    options.name = "agent.sock";
    tasks_.spawn(rpc::serve(std::move(acceptor_), std::move(methods), std::move(options)));
}

io::Task<void> AdminSocket::stop() {
    tasks_.cancel();
    co_await tasks_.join();
}

} // namespace hawser::agent
