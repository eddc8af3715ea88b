// AES-GCM by intel-ipsec-mb, for aead.cpp.
#pragma once

#include "tls/aead.h"

namespace hawser::tls {

// Of every engine that is intel-ipsec-mb's.
[[nodiscard]] bool ipsec_mb_runs_here(Engine engine);
// A key of 16 or 32 bytes, and an engine that runs here.
[[nodiscard]] std::unique_ptr<Aead> make_ipsec_mb_gcm(Engine engine, ByteView key);

} // namespace hawser::tls
