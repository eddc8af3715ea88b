#include "catalog.h"

#include "model/proto/control.pb.h"
#include "resource_json.h"

namespace hawser::cmd {

Result<std::vector<model::Change>> get_rows(DaemonClient& client, model::Kind kind,
                                            const std::string& name) {
    v1::GetRequest request;
    request.set_kind(std::string(to_string(kind)));
    request.set_name(name);
    auto response = client.call<v1::GetResponse>("/hawser.v1.Api/Get", request);
    // An agent's socket has no such method; its own is the same but for the name.
    if (!response && response.error().code == ErrorCode::unimplemented) {
        response = client.call<v1::GetResponse>("/hawser.v1.Agent/Get", request);
    }
    if (!response) return fail(std::move(response.error()));
    return rows_of(*response);
}

Result<model::SnapshotPtr> get_mesh(DaemonClient& client) {
    model::SnapshotBuilder builder;
    for (const model::Kind kind :
         {model::Kind::service, model::Kind::instance, model::Kind::node, model::Kind::policy}) {
        const auto rows = get_rows(client, kind);
        if (!rows) return fail(rows.error());
        for (const model::Change& row : *rows) builder.apply(row);
    }
    return builder.build();
}

} // namespace hawser::cmd
