// Reads that must see everything that was committed before they began. Those that come while one
// question is under way share the next: the cost of a round does not depend on how many wait.
#include <algorithm>
#include <utility>

#include "server/raft_node.h"

namespace hawser::server {

namespace {

constexpr std::chrono::milliseconds pause_before_retry{20};

} // namespace

struct RaftNode::Reader {
    explicit Reader(io::Executor executor) : answered(executor) {}
    std::optional<bool> confirmed;
    Broadcast answered;
};

io::Task<Result<void>> RaftNode::read_barrier(std::chrono::milliseconds timeout) {
    return read_barrier_until(Clock::now() + timeout);
}

io::Task<Result<void>> RaftNode::read_barrier_until(Deadline deadline) {
    while (true) {
        if (failure_) co_return fail(ErrorCode::unavailable, failure_->message);
        const auto reader = std::make_shared<Reader>(executor_);
        readers_.push_back(reader);
        schedule_reads();
        if (!reader->confirmed) (void)co_await reader->answered.wait_until(deadline);
        if (reader->confirmed.value_or(false)) co_return Result<void>();
        if (Clock::now() + pause_before_retry >= deadline) {
            co_return fail(ErrorCode::unavailable, why_not_current());
        }
        co_await changed_.wait_until(Clock::now() + pause_before_retry);
    }
}

std::string RaftNode::why_not_current() const {
    if (!trouble_.empty()) return "this server cannot follow the others: " + trouble_;
    if (core_.leader() == raft::no_server)
        return "no leader is known: is a majority of the servers running?";
    return "the leader did not answer in time";
}

// On the loop's next turn: what came in this one goes together.
void RaftNode::schedule_reads() {
    if (reads_scheduled_ || readers_.empty() || !reading_.empty()) return;
    reads_scheduled_ = true;
    asio::post(executor_, [this, alive = std::weak_ptr(alive_)] {
        if (alive.expired()) return;
        reads_scheduled_ = false;
        begin_read();
    });
}

// Who left meanwhile is held by nobody else.
void RaftNode::begin_read() {
    std::erase_if(readers_, [](const auto& reader) { return reader.use_count() == 1; });
    if (readers_.empty() || !reading_.empty()) return;
    reading_ = std::exchange(readers_, {});
    raft::Actions actions = step_core(raft::Read{.id = ++last_read_});
    const bool refused = actions.refused.has_value();
    carry_out(std::move(actions));
    if (refused) end_read(false);
}

// A leader is current as of the last contact with a majority: since then there may be another.
std::optional<std::chrono::milliseconds> RaftNode::staleness() const {
    const Clock::time_point now = Clock::now();
    std::optional<Clock::time_point> current = heard_leader_;
    if (leads()) {
        std::vector<Clock::time_point> contacts{now};
        for (const raft::PeerStatus& peer : core_.peers()) {
            if (peer.voter && peer.last_contact) contacts.emplace_back(*peer.last_contact);
        }
        const std::size_t quorum = core_.configuration().quorum();
        if (contacts.size() < quorum) return std::nullopt;
        std::ranges::sort(contacts, std::greater());
        current = contacts[quorum - 1];
    }
    if (!current) return std::nullopt;
    return std::chrono::ceil<std::chrono::milliseconds>(now - *current);
}

void RaftNode::fail_reads() {
    readers_.insert(readers_.end(), reading_.begin(), reading_.end());
    reading_ = std::exchange(readers_, {});
    end_read(false);
}

void RaftNode::end_read(bool confirmed) {
    for (const auto& reader : std::exchange(reading_, {})) {
        reader->confirmed = confirmed;
        reader->answered.notify_all();
    }
    schedule_reads();
}

} // namespace hawser::server
