#include "agent/join_record.h"

#include <format>
#include <utility>

#include "base/limits.h"
#include "host/files.h"
#include "log/log.h"
#include "tls/x509.h"

namespace hawser::agent {
namespace {

constexpr std::size_t record_bytes = 16 << 10;

std::string joined_file(const StateDir& state) {
    return state.path() + "/joined";
}

std::string key_file(const StateDir& state) {
    return state.path() + "/join.key";
}

std::string_view take_line(std::string_view& text) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    return line;
}

// The key of an earlier try; empty: none for this token, or none of use.
std::string stored_key(const StateDir& state, std::string_view token_id) {
    auto text = host::read_file(key_file(state), record_bytes);
    if (!text) return "";
    std::string_view rest = *text;
    if (take_line(rest) != token_id) return "";
    std::string key(rest);
    tls::wipe(*text);
    const model::Identity anyone{
        .trust_domain = "check", .kind = model::IdentityKind::node, .name = "check"};
    if (tls::make_csr(key, anyone)) return key;
    tls::wipe(key);
    return "";
}

} // namespace

JoinRecord read_joined(const StateDir& state) {
    JoinRecord record;
    const auto text = host::read_file(joined_file(state), record_bytes);
    if (!text) {
        if (text.error().code != ErrorCode::not_found)
            log::warn("how this host joined is not known", {{"error", text.error()}});
        return record;
    }
    std::string_view rest = *text;
    record.token_id = take_line(rest);
    while (!rest.empty()) {
        if (auto server = Endpoint::parse(take_line(rest)); server)
            record.servers.push_back(*server);
    }
    return record;
}

Result<void> write_joined(const StateDir& state, const JoinRecord& record) {
    std::string text = record.token_id + "\n";
    for (const Endpoint& server : record.servers) text += server.to_string() + "\n";
    return host::write_file(joined_file(state), text, 0600);
}

bool awaits_answer(const StateDir& state, std::string_view token_id) {
    std::string key = stored_key(state, token_id);
    const bool found = !key.empty();
    tls::wipe(key);
    return found;
}

Result<tls::SecretText> join_key(const StateDir& state, std::string_view token_id) {
    if (std::string stored = stored_key(state, token_id); !stored.empty())
        return tls::SecretText(std::move(stored));
    auto made = tls::generate_key_pem();
    if (!made) return fail(std::move(made.error()));
    tls::SecretText key(std::move(*made));
    std::string text = std::format("{}\n{}", token_id, key.text());
    auto written = host::write_file(key_file(state), text, 0600);
    tls::wipe(text);
    if (!written) return fail(std::move(written.error()), "storing the key");
    return key;
}

Result<void> forget_join_key(const StateDir& state) {
    return host::remove_file(key_file(state));
}

} // namespace hawser::agent
