#include "server/audit_heads.h"

#include <utility>

#include "io/clock.h"
#include "log/log.h"
#include "registry/levels.h"
#include "server/audit_entries.h"

namespace hawser::server {

namespace {

using namespace std::chrono_literals;

constexpr auto interval = 60s;
constexpr auto publish_timeout = 10s;

} // namespace

io::Task<void> AuditHeads::run() {
    while (true) {
        (void)co_await trail_.new_file().wait_until(std::chrono::steady_clock::now() + interval);
        co_await publish(publish_timeout);
    }
}

io::Task<void> AuditHeads::publish(std::chrono::milliseconds timeout) {
    const Result<void> done = co_await try_to_publish(timeout);
    const std::string before = std::exchange(trouble_, done ? "" : done.error().message);
    if (!done && before.empty())
        log::warn("the registry was not told how far the audit log has come",
                  {{"error", done.error()}});
}

// A server that is not a member (yet), and a mesh with older servers, have nobody to tell.
io::Task<Result<void>> AuditHeads::try_to_publish(std::chrono::milliseconds timeout) {
    const registry::Tables& tables = raft_.registry().tables();
    if (tables.get<model::Server>(server_) == nullptr ||
        !registry::check_level(model::level_of(model::PutAuditHead{}), tables) ||
        raft_.status().leader == raft::no_server)
        co_return Result<void>();
    const Result<audit::Head> head = co_await trail_.sync();
    if (!head) co_return fail(head.error());
    if (head->sequence == 0 || known_audit_head(tables, server_) == *head) co_return Result<void>();
    const Result<registry::Outcome> outcome =
        co_await raft_.propose({.command = model::PutAuditHead{{.server = server_,
                                                                .sequence = head->sequence,
                                                                .hash = head->hash,
                                                                .at = io::wall_now()}},
                                .actor = "server:" + server_,
                                .proposed_at = io::wall_now()},
                               timeout);
    if (!outcome) co_return fail(outcome.error());
    co_return Result<void>();
}

} // namespace hawser::server
