#include "ca/tokens.h"

#include <algorithm>
#include <array>
#include <format>

#include "base/bytes.h"
#include "base/check.h"
#include "base/limits.h"
#include "base/random.h"
#include "model/identity.h"
#include "tls/x509.h"

namespace hawser::ca {
namespace {

constexpr std::string_view join_prefix = "hwj1.";
constexpr std::string_view server_prefix = "hws1.";
constexpr std::string_view operator_prefix = "hwo1.";
constexpr char version = 1;
constexpr std::size_t pin_bytes = 32, id_bytes = 8, secret_bytes = 32, checksum_bytes = 4;
// A cluster has at most a few servers; a token stays a line that can be pasted.
constexpr std::size_t max_servers = 16;
constexpr std::size_t longest_text = 1024;

std::string random_text(std::size_t size) {
    std::string bytes(size, '\0');
    fill_secure_random({reinterpret_cast<std::uint8_t*>(bytes.data()), size});
    return bytes;
}

void put_number(std::string& out, std::uint64_t value, int bytes) {
    for (int shift = (bytes - 1) * 8; shift >= 0; shift -= 8)
        out.push_back(static_cast<char>(value >> shift & 0xff));
}

void put_endpoint(std::string& out, const Endpoint& endpoint) {
    out.append(as_text(endpoint.address.bytes()));
    put_number(out, endpoint.port, 2);
}

std::string checksum_of(std::string_view body) {
    std::string checksum;
    put_number(checksum, crc32c(as_bytes(body)), checksum_bytes);
    return checksum;
}

// Takes fields off the front; once one is cut short, so is all that follows.
class FieldReader {
  public:
    explicit FieldReader(std::string_view bytes) : rest_(bytes) {}

    std::string_view take(std::size_t size) {
        if (size > rest_.size()) cut_short_ = true;
        if (cut_short_) return {};
        const std::string_view field = rest_.substr(0, size);
        rest_.remove_prefix(size);
        return field;
    }
    std::uint64_t number(std::size_t bytes) {
        std::uint64_t value = 0;
        for (const char c : take(bytes)) value = value << 8 | static_cast<std::uint8_t>(c);
        return value;
    }
    [[nodiscard]] bool cut_short() const { return cut_short_; }
    [[nodiscard]] bool at_end() const { return rest_.empty(); }

  private:
    std::string_view rest_;
    bool cut_short_ = false;
};

Endpoint take_endpoint(FieldReader& fields) {
    std::array<std::uint8_t, 16> address{};
    std::ranges::copy(as_bytes(fields.take(address.size())), address.begin());
    const auto port = static_cast<std::uint16_t>(fields.number(2));
    return {.address = IpAddress::v6(address), .port = port};
}

// What is pasted or read from a file has white space around it.
std::string_view trimmed(std::string_view text) {
    constexpr std::string_view space = " \t\r\n";
    const std::size_t begin = text.find_first_not_of(space);
    if (begin == std::string_view::npos) return {};
    return text.substr(begin, text.find_last_not_of(space) - begin + 1);
}

std::unexpected<Error> invalid(std::string message) {
    return fail(ErrorCode::invalid, std::move(message));
}

Result<std::string_view> without_prefix(std::string_view text, std::string_view prefix,
                                        std::string_view kind) {
    text = trimmed(text);
    if (text.empty()) return invalid(std::format("{} token: empty", kind));
    if (text.starts_with(prefix)) return text.substr(prefix.size());
    if (text.starts_with(join_prefix) || text.starts_with(server_prefix))
        return invalid(std::format("{} token: this is a join token", kind));
    if (text.starts_with(operator_prefix))
        return invalid(std::format("{} token: this is an operator token", kind));
    return invalid(std::format("{} token: does not begin with '{}'", kind, prefix));
}

// The token's body: decoded, and as it was written.
Result<std::string> checked_body(std::string_view encoded) {
    if (encoded.size() > longest_text) return invalid("join token: too long");
    auto bytes = from_base64url(encoded);
    if (!bytes) return invalid("join token: mistyped or cut short (" + bytes.error().message + ")");
    if (bytes->size() <= checksum_bytes) return invalid("join token: cut short");
    const std::string checksum = bytes->substr(bytes->size() - checksum_bytes);
    bytes->resize(bytes->size() - checksum_bytes);
    if (checksum_of(*bytes) != checksum)
        return invalid("join token: mistyped or cut short (its checksum does not match)");
    return bytes;
}

} // namespace

std::string JoinTokenText::to_text() const {
    const std::string& name = server.empty() ? node : server;
    HAWSER_CHECK(root_pin.size() == pin_bytes && id.size() == 2 * id_bytes &&
                 secret.size() == secret_bytes && name.size() <= limits::name_length);
    std::string body(1, version);
    body.append(root_pin).append(from_hex(id).value_or("")).append(secret);
    put_number(body, name.size(), 1);
    body.append(name);
    put_number(body, static_cast<std::uint64_t>(expires_at), 8);
    const std::size_t count = std::min(servers.size(), max_servers);
    put_number(body, count, 1);
    for (std::size_t i = 0; i < count; ++i) put_endpoint(body, servers[i]);
    return std::string(server.empty() ? join_prefix : server_prefix) +
           to_base64url(as_bytes(body + checksum_of(body)));
}

Result<JoinTokenText> JoinTokenText::parse(std::string_view text) {
    const bool for_server = trimmed(text).starts_with(server_prefix);
    const auto encoded = without_prefix(text, for_server ? server_prefix : join_prefix, "join");
    if (!encoded) return fail(encoded.error());
    const auto body = checked_body(*encoded);
    if (!body) return fail(body.error());

    FieldReader fields(*body);
    if (const auto written = fields.number(1); written != version)
        return invalid(std::format("join token: of version {}, made by another hawser", written));
    JoinTokenText token;
    token.root_pin = fields.take(pin_bytes);
    token.id = to_hex(as_bytes(fields.take(id_bytes)));
    token.secret = fields.take(secret_bytes);
    std::string& name = for_server ? token.server : token.node;
    name = fields.take(fields.number(1));
    token.expires_at = static_cast<WallTime>(fields.number(8));
    const std::size_t count = fields.number(1);
    if (count > max_servers)
        return invalid(
            std::format("join token: names {} servers, more than {}", count, max_servers));
    for (std::size_t i = 0; i < count; ++i) token.servers.push_back(take_endpoint(fields));
    if (fields.cut_short()) return invalid("join token: ends before its last field");
    if (!fields.at_end()) return invalid("join token: goes on after its last field");
    if (token.expires_at <= 0) return invalid("join token: has no valid expiry");
    if (auto valid = model::check_name(name, for_server ? "server name" : "node name"); !valid)
        return fail(std::move(valid.error()), "join token");
    return token;
}

std::string OperatorTokenText::to_text() const {
    return std::format("{}{}.{}", operator_prefix, id, to_base64url(as_bytes(secret)));
}

Result<OperatorTokenText> OperatorTokenText::parse(std::string_view text) {
    const auto body = without_prefix(text, operator_prefix, "operator");
    if (!body) return fail(body.error());
    if (body->size() > longest_text) return invalid("operator token: too long");
    const std::size_t dot = body->find('.');
    if (dot == std::string_view::npos)
        return invalid("operator token: has no '.' between its id and its secret");
    const auto id = from_hex(body->substr(0, dot));
    if (!id || id->size() != id_bytes)
        return invalid(std::format("operator token: its id is not {} hex digits", id_bytes * 2));
    const auto secret = from_base64url(body->substr(dot + 1));
    if (!secret) return fail(secret.error(), "operator token: its secret");
    if (secret->size() != secret_bytes)
        return invalid(std::format("operator token: its secret is of {} bytes, not {}",
                                   secret->size(), secret_bytes));
    return OperatorTokenText{.id = to_hex(as_bytes(*id)), .secret = *secret};
}

std::string new_token_id() {
    return to_hex(as_bytes(random_text(id_bytes)));
}
std::string new_token_secret() {
    return random_text(secret_bytes);
}
std::string hash_secret(std::string_view secret) {
    return tls::sha256(as_bytes(secret));
}

} // namespace hawser::ca
