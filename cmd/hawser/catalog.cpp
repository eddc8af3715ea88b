#include "catalog.h"

#include "model/proto/control.pb.h"
#include "resource_json.h"

namespace hawser::cmd {

namespace {

Result<v1::GetResponse> get(DaemonClient& client, model::Kind kind, const std::string& name,
                            bool stale) {
    v1::GetRequest request;
    request.set_kind(std::string(to_string(kind)));
    request.set_name(name);
    request.set_stale(stale);
    auto response = client.call<v1::GetResponse>("/hawser.v1.Api/Get", request);
    // An agent's socket has no such method; its own is the same but for the name.
    if (!response && response.error().code == ErrorCode::unimplemented) {
        response = client.call<v1::GetResponse>("/hawser.v1.Agent/Get", request);
    }
    return response;
}

} // namespace

Result<std::vector<model::Change>> get_rows(DaemonClient& client, model::Kind kind,
                                            const std::string& name) {
    const Result<v1::GetResponse> response = get(client, kind, name, false);
    if (!response) return fail(response.error());
    return rows_of(*response);
}

Result<StaleRows> get_stale_rows(DaemonClient& client, model::Kind kind, const std::string& name) {
    const Result<v1::GetResponse> response = get(client, kind, name, true);
    if (!response) return fail(response.error());
    Result<std::vector<model::Change>> rows = rows_of(*response);
    if (!rows) return fail(std::move(rows.error()));
    StaleRows stale{.rows = std::move(*rows), .age = std::nullopt};
    if (response->has_stale_ms()) stale.age = std::chrono::milliseconds(response->stale_ms());
    return stale;
}

Result<model::SnapshotPtr> get_mesh(DaemonClient& client) {
    model::SnapshotBuilder builder;
    using enum model::Kind;
    for (const model::Kind kind : {service, instance, node, policy, quarantine}) {
        const auto rows = get_rows(client, kind);
        if (!rows) return fail(rows.error());
        for (const model::Change& row : *rows) builder.apply(row);
    }
    return builder.build();
}

} // namespace hawser::cmd
