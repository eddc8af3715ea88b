// Reads that must see everything that was committed before they began. Those that come while one
// question is under way share the next: the cost of a round does not depend on how many wait.
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
    read_began_ = Clock::now();
    raft::Actions actions = step_core(raft::Read{.id = ++last_read_});
    const bool refused = actions.refused.has_value();
    carry_out(std::move(actions));
    if (refused) end_read(false);
}

// Counted from the question, not from its answer, which may have been long on its way.
std::optional<std::chrono::milliseconds> RaftNode::staleness() const {
    if (leads() && alone()) return std::chrono::milliseconds(0); // what is committed is here
    if (!confirmed_at_) return std::nullopt;
    return std::chrono::ceil<std::chrono::milliseconds>(Clock::now() - *confirmed_at_);
}

void RaftNode::fail_reads() {
    readers_.insert(readers_.end(), reading_.begin(), reading_.end());
    reading_ = std::exchange(readers_, {});
    end_read(false);
}

void RaftNode::end_read(bool confirmed) {
    if (confirmed) confirmed_at_ = read_began_;
    for (const auto& reader : std::exchange(reading_, {})) {
        reader->confirmed = confirmed;
        reader->answered.notify_all();
    }
    schedule_reads();
}

} // namespace hawser::server
