#include "agent/machine.h"

#include <optional>
#include <string_view>
#include <utility>

#include "base/bytes.h"
#include "host/files.h"
#include "log/log.h"
#include "tls/x509.h"

namespace hawser::agent {
namespace {

constexpr std::size_t id_bytes = 4096;
constexpr std::size_t id_digits = 32;
constexpr std::string_view no_machine = "none\n";
// Another program's hash of the id tells nothing about this one.
constexpr std::string_view purpose = "hawser agent folder\n";

std::string_view trimmed(std::string_view text) {
    return text.substr(0, text.find_first_of(" \t\r\n"));
}

// Empty when nothing tells: neither mark, nor one that can be read.
std::string stored_mark(const StateDir& state) {
    auto stored = state.read_machine();
    if (stored) return std::move(*stored).value_or("");
    log::warn("which machine this folder belongs to can't be read", {{"error", stored.error()}});
    return "";
}

} // namespace

std::string machine_mark(const std::string& id_file) {
    const auto text = host::read_file(id_file, id_bytes);
    const std::string_view id = text ? trimmed(*text) : std::string_view();
    // Empty or "uninitialized" before the first boot.
    if (id.size() != id_digits) return std::string(no_machine);
    return to_hex(as_bytes(tls::sha256(as_bytes(std::string(purpose) + std::string(id))))) + "\n";
}

bool is_of_another_machine(const StateDir& state, const std::string& id_file) {
    const std::string stored = stored_mark(state);
    const std::string mark = machine_mark(id_file);
    return !stored.empty() && mark != no_machine && stored != mark;
}

Result<bool> settle_machine(const StateDir& state, const std::string& id_file) {
    const std::string mark = machine_mark(id_file);
    const bool another = is_of_another_machine(state, id_file);
    if (another) {
        log::warn(
            "this folder is another machine's: the disk was cloned, or its backup was put on "
            "this machine; its keys, certificates and what it knew are removed",
            {{"folder", state.path()}});
        if (auto forgotten = state.forget_everything(); !forgotten)
            return fail(std::move(forgotten.error()), "emptying the folder of another machine");
    }
    // Without the mark only a later clone is not found out.
    if (another || stored_mark(state).empty()) {
        if (auto written = state.write_machine(mark); !written)
            log::warn("which machine this folder belongs to was not noted",
                      {{"error", written.error()}});
    }
    return another;
}

} // namespace hawser::agent
