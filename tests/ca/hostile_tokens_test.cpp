// Tokens that nobody made, or that somebody changed: how each is made, and why it is refused.
#include <doctest/doctest.h>

#include <functional>
#include <vector>

#include "base/bytes.h"
#include "ca/tokens.h"

using namespace hawser;
using namespace hawser::ca;

namespace {

JoinTokenText good() {
    return {.root_pin = std::string(32, 'p'),
            .id = "00112233445566ff",
            .secret = std::string(32, 's'),
            .node = "web-1",
            .expires_at = 1'800'000'000'000,
            .servers = {Endpoint::parse("10.0.0.1:7443").value()}};
}

// Where the parts are in a token's body: version, pin, id, secret, the name's length, the name.
constexpr std::size_t name_length_at = 1 + 32 + 8 + 32;

struct HostileToken {
    std::string name, text;
    std::string reason; // begins with this
};

// A body changed by somebody who can compute the checksum.
HostileToken body(std::string name, const std::function<void(std::string&)>& spoil,
                  std::string reason) {
    std::string text = from_base64url(std::string_view(good().to_text()).substr(5)).value();
    text.resize(text.size() - 4);
    spoil(text);
    const std::uint32_t crc = crc32c(as_bytes(text));
    for (int shift = 24; shift >= 0; shift -= 8) text.push_back(static_cast<char>(crc >> shift));
    return {std::move(name), "hwj1." + to_base64url(as_bytes(text)),
            "join token: " + std::move(reason)};
}

HostileToken text(std::string name, const std::function<void(std::string&)>& spoil,
                  std::string reason) {
    std::string changed = good().to_text();
    spoil(changed);
    return {std::move(name), std::move(changed), "join token: " + std::move(reason)};
}

std::vector<HostileToken> join_tokens() {
    const std::string mistyped = "mistyped or cut short (";
    return {
        text(
            "empty", [](std::string& t) { t = " \n"; }, "empty"),
        text(
            "no token", [](std::string& t) { t = "hello"; }, "does not begin with 'hwj1.'"),
        text(
            "an operator's token", [](std::string& t) { t = "hwo1.00.11"; },
            "this is an operator token"),
        text(
            "of an unknown kind", [](std::string& t) { t[2] = 'x'; },
            "does not begin with 'hwj1.'"),
        text(
            "of a later format", [](std::string& t) { t[3] = '2'; }, "does not begin with 'hwj1.'"),
        text(
            "only a prefix", [](std::string& t) { t = "hwj1."; }, "cut short"),
        text(
            "too long", [](std::string& t) { t += std::string(2000, 'A'); }, "too long"),
        text(
            "a changed letter", [](std::string& t) { t[20] = t[20] == 'A' ? 'B' : 'A'; },
            mistyped + "its checksum does not match)"),
        text(
            "two letters swapped", [](std::string& t) { t.replace(8, 4, "ABCD"); },
            mistyped + "its checksum does not match)"),
        text(
            "its middle lost", [](std::string& t) { t.erase(40, 4); },
            mistyped + "its checksum does not match)"),
        text(
            "its end lost", [](std::string& t) { t.resize(t.size() - 4); },
            mistyped + "base64 with stray bits at its end)"),
        text(
            "twice", [](std::string& t) { t += t; }, mistyped),
        text(
            "ordinary base64", [](std::string& t) { t[30] = '+'; }, mistyped),
        text(
            "padded", [](std::string& t) { t += "=="; }, mistyped),
        text(
            "a space inside", [](std::string& t) { t.insert(30, " "); }, mistyped),
        text(
            "a NUL inside", [](std::string& t) { t[30] = '\0'; }, mistyped),
        body(
            "of version 0", [](std::string& b) { b[0] = 0; },
            "of version 0, made by another hawser"),
        body(
            "of version 2", [](std::string& b) { b[0] = 2; },
            "of version 2, made by another hawser"),
        body(
            "bytes behind the last field", [](std::string& b) { b += 'x'; },
            "goes on after its last field"),
        body(
            "a secret cut short", [](std::string& b) { b.resize(60); },
            "ends before its last field"),
        body(
            "a name longer than the token", [](std::string& b) { b[name_length_at] = '\xff'; },
            "ends before its last field"),
        body(
            "too many servers",
            [](std::string& b) {
                b.resize(b.size() - 18);
                b.back() = 17;
            },
            "names 17 servers, more than 16"),
        body(
            "fewer servers than it says", [](std::string& b) { b[b.size() - 19] = 2; },
            "ends before its last field"),
        body(
            "no name",
            [](std::string& b) {
                b.erase(name_length_at + 1, 5);
                b[name_length_at] = 0;
            },
            "node name is empty"),
        body(
            "a name in capitals", [](std::string& b) { b[name_length_at + 1] = 'W'; },
            "node name 'Web-1' is not a DNS label"),
        body(
            "a path for a name", [](std::string& b) { b.replace(name_length_at + 1, 5, "../.."); },
            "node name '../..' is not a DNS label"),
        body(
            "a NUL in its name", [](std::string& b) { b[name_length_at + 2] = '\0'; },
            "node name 'w"),
        body(
            "no expiry", [](std::string& b) { b.replace(name_length_at + 6, 8, 8, '\0'); },
            "has no valid expiry"),
        body(
            "an expiry before all time", [](std::string& b) { b[name_length_at + 6] = '\x80'; },
            "has no valid expiry"),
    };
}

std::vector<HostileToken> operator_tokens() {
    const std::string id = "0011223344556677", secret(43, 'A');
    const auto token = [](std::string name, std::string text, std::string reason) {
        return HostileToken{std::move(name), std::move(text),
                            "operator token: " + std::move(reason)};
    };
    return {
        token("empty", "", "empty"),
        token("no token", "secret", "does not begin with 'hwo1.'"),
        token("a join token", good().to_text(), "this is a join token"),
        token("no dot", "hwo1." + id + secret, "has no '.' between its id and its secret"),
        token("an id of no hex", "hwo1.x011223344556677." + secret, "its id is not 16 hex digits"),
        token("a short id", "hwo1.0011." + secret, "its id is not 16 hex digits"),
        token("a long id", "hwo1." + id + "00." + secret, "its id is not 16 hex digits"),
        token("no secret", "hwo1." + id + ".", "its secret is of 0 bytes, not 32"),
        token("a short secret", "hwo1." + id + "." + secret.substr(3), "its secret is of 30 bytes"),
        token("a long secret", "hwo1." + id + "." + secret + "AAAAA", "its secret is of 36 bytes"),
        token("a secret of no base64", "hwo1." + id + ".!" + secret.substr(1), "its secret: "),
        token("another dot", "hwo1." + id + "." + secret + "." + secret, "its secret: "),
        token("far too long", "hwo1." + id + "." + std::string(1 << 20, 'A'), "too long"),
    };
}

template <typename Token>
void check_refused(const std::vector<HostileToken>& table) {
    for (const HostileToken& hostile : table) {
        CAPTURE(hostile.name);
        const auto parsed = Token::parse(hostile.text);
        REQUIRE_FALSE(parsed);
        CHECK(parsed.error().code == ErrorCode::invalid);
        CHECK(parsed.error().message.substr(0, hostile.reason.size()) == hostile.reason);
        CHECK(parsed.error().message.size() < 300);
        // Whoever reads the error, in a log or over a shoulder, does not learn the secret.
        CHECK_FALSE(parsed.error().message.contains(std::string(20, 'A')));
    }
}

} // namespace

TEST_CASE("every hostile join token is refused with its own reason") {
    CHECK(JoinTokenText::parse(good().to_text()));
    check_refused<JoinTokenText>(join_tokens());
}

TEST_CASE("every hostile operator token is refused with its own reason") {
    check_refused<OperatorTokenText>(operator_tokens());
}
