#include "ca/tokens.h"

#include <doctest/doctest.h>

#include <set>
#include <utility>

#include "base/bytes.h"

using namespace hawser;
using namespace hawser::ca;

namespace {

JoinTokenText sample() {
    return {.root_pin = std::string(32, 'p'),
            .id = "00112233445566ff",
            .secret = std::string(31, 's') + '\0',
            .node = "web-1",
            .expires_at = 1'800'000'000'123,
            .servers = {Endpoint::parse("10.0.0.1:7443").value(),
                        Endpoint::parse("[fd00::1]:443").value()}};
}

std::string join_error(std::string_view text) {
    const auto parsed = JoinTokenText::parse(text);
    REQUIRE_FALSE(parsed);
    CHECK(parsed.error().code == ErrorCode::invalid);
    return parsed.error().message;
}

std::string operator_error(std::string_view text) {
    const auto parsed = OperatorTokenText::parse(text);
    REQUIRE_FALSE(parsed);
    CHECK(parsed.error().code == ErrorCode::invalid);
    return parsed.error().message;
}

// A body with a good checksum, whatever it says.
std::string with_checksum(std::string body) {
    const std::uint32_t crc = crc32c(as_bytes(body));
    for (int shift = 24; shift >= 0; shift -= 8) body.push_back(static_cast<char>(crc >> shift));
    return "hwj1." + to_base64url(as_bytes(body));
}

std::string body_of(const JoinTokenText& token) {
    std::string body = from_base64url(std::string_view(token.to_text()).substr(5)).value();
    body.resize(body.size() - 4);
    return body;
}

} // namespace

TEST_CASE("a join token goes there and back") {
    JoinTokenText token = sample();
    for (int i = 0; i < 2; ++i) {
        const std::string text = token.to_text();
        CHECK(text.starts_with("hwj1."));
        const JoinTokenText parsed = JoinTokenText::parse(text).value();
        CHECK(parsed.root_pin == token.root_pin);
        CHECK(parsed.id == token.id);
        CHECK(parsed.secret == token.secret);
        CHECK(parsed.node == token.node);
        CHECK(parsed.expires_at == token.expires_at);
        CHECK(parsed.servers == token.servers);
        CHECK(JoinTokenText::parse(" \n" + text + "\r\n").value().id == token.id);
        token.servers.clear();
    }
}

TEST_CASE("a join token of a server goes there and back, and is no node's") {
    JoinTokenText token = sample();
    token.server = std::exchange(token.node, {});
    const std::string text = token.to_text();
    CHECK(text.starts_with("hws1."));
    const JoinTokenText parsed = JoinTokenText::parse(text + "\n").value();
    CHECK(parsed.node.empty());
    CHECK(parsed.server == "web-1");
    CHECK(parsed.secret == token.secret);
    CHECK(operator_error(text) == "operator token: this is a join token");
}

TEST_CASE("a join token survives no changed, missing or added character") {
    const std::string text = sample().to_text();
    for (std::size_t at = 0; at < text.size(); ++at) {
        for (const char other : {'A', '-', '.', '!', ' ', '\0'}) {
            if (text[at] == other) continue;
            std::string changed = text;
            changed[at] = other;
            CHECK_FALSE(JoinTokenText::parse(changed));
        }
        CHECK_FALSE(JoinTokenText::parse(text.substr(0, at)));
        CHECK_FALSE(JoinTokenText::parse(text.substr(0, at) + text.substr(at + 1)));
        CHECK_FALSE(JoinTokenText::parse(text.substr(0, at) + "A" + text.substr(at)));
    }
}

TEST_CASE("each malformed join token has its own error") {
    std::vector<std::string> errors = {
        join_error(""),
        join_error("hello"),
        join_error("hwo1.00.11"),
        join_error("hwj1."),
        join_error("hwj1.A"),
        join_error("hwj1.AAA!AAAA"),
        join_error("hwj1." + std::string(2000, 'A')),
        join_error("hwj1." + std::string(200, 'A')),
        join_error(with_checksum("\x02")),
        join_error(with_checksum("\x01")),
        join_error(with_checksum(body_of(sample()) + "x")),
    };
    JoinTokenText token = sample();
    token.expires_at = -1;
    errors.push_back(join_error(with_checksum(body_of(token))));
    token = sample();
    token.node = "Web_1";
    errors.push_back(join_error(with_checksum(body_of(token))));
    token = sample();
    token.servers.clear();
    std::string body = body_of(token);
    body.back() = 17;
    errors.push_back(join_error(with_checksum(body)));
    for (const std::string& error : errors) CHECK(error.starts_with("join token: "));
    CHECK(std::set(errors.begin(), errors.end()).size() == errors.size());
    CHECK(errors[0] == "join token: empty");
    CHECK(errors[1] == "join token: does not begin with 'hwj1.'");
    CHECK(errors[2] == "join token: this is an operator token");
    for (const int mistyped : {4, 5})
        CHECK(errors[mistyped].starts_with("join token: mistyped or cut short ("));
    CHECK(errors[7] == "join token: mistyped or cut short (its checksum does not match)");
    CHECK(errors[8] == "join token: of version 2, made by another hawser");
}

TEST_CASE("an operator token goes there and back") {
    const OperatorTokenText token{.id = new_token_id(), .secret = new_token_secret()};
    const std::string text = token.to_text();
    CHECK(text.starts_with("hwo1." + token.id + "."));
    const auto parsed = OperatorTokenText::parse(text + "\n").value();
    CHECK(parsed.id == token.id);
    CHECK(parsed.secret == token.secret);
}

TEST_CASE("each malformed operator token has its own error") {
    const std::string id = "0011223344556677", secret(43, 'A');
    CHECK(OperatorTokenText::parse("hwo1." + id + "." + secret));
    const std::vector<std::string> errors = {
        operator_error(""),
        operator_error("x"),
        operator_error("hwj1.AAAA"),
        operator_error("hwo1." + id + secret),
        operator_error("hwo1.xx." + secret),
        operator_error("hwo1." + id + "."),
        operator_error("hwo1." + id + ".!" + secret.substr(1)),
    };
    for (const std::string& error : errors) CHECK(error.starts_with("operator token: "));
    CHECK(std::set(errors.begin(), errors.end()).size() == errors.size());
    CHECK(operator_error("hwo1.0011." + secret) == errors[4]);
    CHECK_FALSE(OperatorTokenText::parse("hwo1." + id + "." + secret + "A"));
    CHECK_FALSE(OperatorTokenText::parse("hwo1." + id + "." + secret + "." + secret));
}

TEST_CASE("token ids, secrets and hashes") {
    CHECK(new_token_id().size() == 16);
    CHECK(new_token_id() != new_token_id());
    CHECK(new_token_secret().size() == 32);
    CHECK(new_token_secret() != new_token_secret());
    CHECK(to_hex(as_bytes(hash_secret("abc"))).starts_with("ba7816bf8f01cfea"));
}
