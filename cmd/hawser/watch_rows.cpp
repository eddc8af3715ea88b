#include "watch_rows.h"

#include <nlohmann/json.hpp>

#include <cstdio>
#include <format>

#include "base/bytes.h"
#include "console.h"
#include "model/codec.h"
#include "model/proto/control.pb.h"
#include "resource_json.h"

namespace hawser::cmd {

namespace {

using nlohmann::json;

std::string dump(const json& value) {
    return value.dump(-1, ' ', false, json::error_handler_t::replace);
}

std::string as_json(const model::Change& row, std::uint64_t epoch) {
    json value = {{"index", row.index},
                  {"epoch", std::format("{:016x}", epoch)},
                  {"kind", to_string(row.kind)},
                  {"name", row.key},
                  {"deleted", row.deleted()}};
    value["value"] = row.deleted() ? json() : to_json(row);
    return dump(value);
}

std::string as_text(const model::Change& row) {
    json value = row.deleted() ? json("deleted") : to_json(row);
    for (const char* told : {"index", "name"}) {
        if (value.is_object()) value.erase(told);
    }
    return std::format("{}  {}/{}  {}", row.index, to_string(row.kind), printable(row.key, 200),
                       row.deleted() ? "deleted" : dump(value));
}

Result<void> print_changes(const v1::WatchResponse& message, bool in_json) {
    for (const v1::Change& change : message.changes()) {
        const Result<model::Change> row = model::from_proto(change);
        if (!row) return fail(row.error(), "the answer");
        print_line(in_json ? as_json(*row, message.epoch()) : as_text(*row));
    }
    // Whoever reads a pipe wants each change as it comes.
    if (std::fflush(stdout) != 0) return fail(ErrorCode::unavailable, "nobody reads the output");
    return {};
}

} // namespace

int watch_rows(DaemonClient& client, const WatchOptions& options) {
    v1::WatchRequest request;
    if (options.kind) request.set_kind(std::string(to_string(*options.kind)));
    request.set_name(options.name);
    request.set_from_index(options.from);
    request.set_epoch(options.epoch);
    const Result<void> ended = client.stream<v1::WatchResponse>(
        "/hawser.v1.Api/Watch", request, [&options](const v1::WatchResponse& message) {
            return print_changes(message, options.json);
        });
    return ended ? done : client.report(ended.error());
}

} // namespace hawser::cmd
