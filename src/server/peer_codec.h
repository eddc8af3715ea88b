// Raft's messages as servers send them to each other (proto/peer.proto).
//
// What a peer sent is decoded only as far as it has a value here; whether a correct server could
// have said it is raft's business (check_message).
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "raft/message.h"

namespace hawser::server {

// About what it takes on the wire.
[[nodiscard]] std::size_t size_of(const raft::Message& message);

// One PeerBatch. Sender and receiver are not in it: the stream has those.
[[nodiscard]] std::string encode_batch(const std::vector<raft::Message>& messages);
[[nodiscard]] Result<std::vector<raft::Message>> decode_batch(std::string_view bytes,
                                                              raft::ServerId from,
                                                              raft::ServerId to);

} // namespace hawser::server
