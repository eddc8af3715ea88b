// Every kind of configuration file from any text: read, or refused with a place; never worse.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "config/agent_config.h"
#include "config/resource_file.h"
#include "config/server_config.h"

using namespace hawser::config;

namespace {

template <typename T>
void check(const hawser::Result<T>& result) {
    if (!result && !result.error().message.starts_with("f:")) std::abort();
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string text(reinterpret_cast<const char*>(data), size);
    check(parse_agent_config(text, "f"));
    check(parse_server_config(text, "f"));
    check(detect_file_kind(text, "f"));
    const auto resources = parse_resources(text, "f");
    check(resources);
    if (!resources) return 0;
    // What was read can be written, and read again as the same.
    std::string written;
    for (const auto& service : resources->services) written += to_toml(service);
    for (const auto& policy : resources->policies) written += to_toml(policy);
    const auto again = parse_resources(written, "f");
    if (!again || again->services != resources->services ||
        again->policies != resources->policies) {
        std::abort();
    }
    return 0;
}
