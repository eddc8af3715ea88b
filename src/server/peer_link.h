// The connection to one other server: made, made again when it breaks, and what goes over it.
//
// What is to be sent waits in a bounded queue while the connection is busy, and is dropped while
// there is none: raft repeats itself, and an old message helps nobody. Messages with entries or
// pieces of snapshots keep their order; the small rest may overtake them, so that a vote or an
// answer does not wait behind megabytes. HTTP/2's window bounds what is on the wire.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "base/random.h"
#include "io/signal.h"
#include "rpc/client.h"
#include "server/peer_directory.h"
#include "tls/credentials.h"

namespace hawser::server {

// What all links of a server share; outlives them.
struct PeerLinkParts {
    io::Executor executor;
    PeerDirectory& directory;
    std::string trust_domain;
    std::string version;
    std::function<tls::CredentialsPtr()> credentials;
};

struct PeerLinkStatus {
    bool connected = false;
    Endpoint address;     // of the connection, or of the last attempt
    std::string error;    // why there is none
    bool refused = false; // the peer said so when it answered last: this server is no member
    std::uint64_t sent_bytes = 0;
    std::uint64_t dropped_messages = 0; // the queue was full, or there was no connection
};

// One entry goes out whole, however large, and whatever follows waits for it.
[[nodiscard]] std::chrono::milliseconds write_timeout(std::size_t bytes);

class PeerLink {
  public:
    PeerLink(const PeerLinkParts& parts, Member peer);

    void send(raft::Message message);
    // Null: not connected.
    [[nodiscard]] std::shared_ptr<rpc::Client> client() const;
    [[nodiscard]] const PeerLinkStatus& status() const { return status_; }
    [[nodiscard]] const Member& peer() const { return peer_; }

    // Until leave(), or cancelled.
    [[nodiscard]] io::Task<void> run();
    // The peer is no member any more.
    void leave();
    // The directory may know another address now: try at once.
    void hurry() { retry_.notify(); }

  private:
    io::Task<Result<void>> connect();
    io::Task<Result<void>> greet(rpc::MessageStream& stream);
    io::Task<Result<void>> use(rpc::MessageStream& stream);
    io::Task<void> watch(rpc::MessageStream& stream);
    io::Task<Result<void>> write_queued(rpc::MessageStream& stream);
    [[nodiscard]] Result<Endpoint> next_address();
    [[nodiscard]] std::vector<raft::Message> take_batch();
    void broken(const Error& error);
    void drop_queued();

    const PeerLinkParts& parts_;
    Member peer_;
    std::shared_ptr<rpc::Client> client_;
    std::deque<raft::Message> urgent_, bulk_;
    std::size_t bulk_bytes_ = 0;
    std::size_t attempts_ = 0;
    std::string last_told_; // of errors, so that each is logged once
    bool left_ = false;
    std::optional<Error> stream_end_; // why the peer ended it
    PeerLinkStatus status_;
    Random random_;
    io::Signal wake_, retry_;
};

} // namespace hawser::server
