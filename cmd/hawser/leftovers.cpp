#include "leftovers.h"

#include "agent/interception.h"
#include "console.h"
#include "lifecycle.h"

namespace hawser::cmd {

namespace {

io::Task<void> look(Result<host::KernelStatus>& found, io::Loop& loop) {
    found = co_await agent::kernel_leftovers(loop.executor());
    loop.stop();
}

} // namespace

void warn_of_leftovers(const Error& why_not_asked) {
    // No socket, or nobody behind it. Whoever may not ask it may not read the rules either.
    if (why_not_asked.code != ErrorCode::not_found && why_not_asked.code != ErrorCode::unavailable)
        return;
    Result<host::KernelStatus> found = fail(ErrorCode::cancelled, "not looked yet");
    io::Loop loop("leftovers");
    run_to_end(loop, look(found, loop));
    if (!found || found->matches) return;
    warn(
        "there are kernel rules of an agent that does not run: calls into the mesh and lookups go "
        "nowhere; start it, or take them away with `hawser intercept leave`");
}

} // namespace hawser::cmd
