// The registry as a stream of bytes, for `hawser snapshot save`.
#include "base/limits.h"
#include "model/proto/cluster.pb.h"
#include "server/api.h"
#include "server/snapshot_keeper.h"

namespace hawser::server {

namespace {

// A reader that takes longer for one piece is gone.
constexpr std::chrono::milliseconds piece_timeout{30'000};

} // namespace

io::Task<Result<void>> Api::save_snapshot(const rpc::Caller& caller, rpc::MessageStream& stream) {
    Result<std::optional<std::string>> request = co_await stream.read(limits::rpc_timeout);
    if (!request) co_return fail(std::move(request.error()));
    v1::SaveSnapshotRequest wanted;
    if (!*request || !wanted.ParseFromString(**request))
        co_return fail(ErrorCode::invalid, "the request is not a valid message");
    constexpr ApiMethod method = api_method("/hawser.v1.Api/SaveSnapshot");
    Result<Actor> actor = admit(method, caller);
    if (!actor) co_return fail(std::move(actor.error()));
    if (Result<void> kept = co_await record_act(method, std::move(*actor), {}); !kept)
        co_return kept;
    // What was confirmed before the call is in it.
    Result<void> current = wanted.stale() ? Result<void>() : co_await become_current();
    if (!current) co_return current;
    Result<store::SnapshotSource> source = take_snapshot(parts_.raft, parts_.version);
    if (!source) co_return fail(std::move(source.error()));
    std::uint64_t offset = 0;
    for (bool last = false; !last;) {
        Result<store::SnapshotSource::Piece> piece =
            source->read(offset, limits::snapshot_chunk_bytes);
        if (!piece) co_return fail(std::move(piece.error()));
        offset += piece->bytes.size();
        last = piece->last;
        v1::SnapshotPiece message;
        message.set_data(std::move(piece->bytes));
        message.set_last(last);
        Result<void> written = co_await stream.write(message.SerializeAsString(), piece_timeout);
        if (!written) co_return written;
    }
    co_return Result<void>();
}

} // namespace hawser::server
