#include "host/core_dumps.h"

#include <sys/prctl.h>

namespace hawser::host {

void forbid_core_dumps() {
    // The sanitizers look into their own process that way.
#if !__has_feature(address_sanitizer) && !__has_feature(thread_sanitizer)
    (void)::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
#endif
}

} // namespace hawser::host
