// What raft needs of whatever carries its messages to other servers.
#pragma once

#include <chrono>
#include <string>

#include "base/result.h"
#include "io/loop.h"
#include "raft/message.h"

namespace hawser::server {

class PeerTransport {
  public:
    virtual ~PeerTransport() = default;

    // Soon, in order, or never: raft repeats what still matters.
    virtual void send(raft::Message message) = 0;

    struct Answer {
        bool asked = false; // the peer may have got the question, whatever became of the answer
        Result<std::string> bytes;
    };
    [[nodiscard]] virtual io::Task<Answer> call(raft::ServerId to, std::string path,
                                                std::string request,
                                                std::chrono::milliseconds timeout) = 0;
};

} // namespace hawser::server
