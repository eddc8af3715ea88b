#include "proxy/tunnel_protocol.h"

#include <doctest/doctest.h>

using namespace hawser;
using namespace hawser::proxy;
using traffic::Flag;

TEST_CASE("a request names the service and the instance's port") {
    const auto target = parse_connect_request(connect_request("api", 8080));
    REQUIRE(target.has_value());
    CHECK(target->service == "api");
    CHECK(target->port == 8080);
}

TEST_CASE("requests that are not such are refused with the reason") {
    const auto refused = [](const http::Headers& headers) {
        const auto target = parse_connect_request(headers);
        REQUIRE_FALSE(target.has_value());
        return target.error().message;
    };
    const auto with_authority = [](std::string authority) {
        return http::Headers{{":method", "CONNECT"}, {":authority", std::move(authority)}};
    };
    CHECK(refused({}) == "not a CONNECT request");
    CHECK(refused({{":method", "GET"}, {":authority", "api:80"}}) == "not a CONNECT request");
    CHECK(refused(with_authority("")) == "':authority' is not <service>:<port>");
    CHECK(refused(with_authority("api")) == "':authority' is not <service>:<port>");
    for (const char* authority : {"api:", "api:0", "api:65536", "api:80x", "api:-1", "api: 80"})
        CHECK(refused(with_authority(authority)) == "':authority' has no valid port");
    for (const char* authority : {":80", "API:80", "a/b:80", "[::1]:80", "a.b:80", "-a:80"})
        CHECK_FALSE(refused(with_authority(authority)).empty());
}

TEST_CASE("an answer is read back as it was given") {
    CHECK(parse_connect_answer(connect_accepted()).accepted);
    for (const Flag flag : {Flag::policy_denied, Flag::no_route, Flag::upstream_connect_failure,
                            Flag::overload, Flag::upstream_timeout, Flag::local_shutdown}) {
        const auto answer = parse_connect_answer(connect_refused(flag, "because"));
        CHECK_FALSE(answer.accepted);
        CHECK(answer.flag == flag);
        CHECK(answer.detail == "because");
    }
}

TEST_CASE("no answer, or one that says nothing known, is a failure with words") {
    CHECK(parse_connect_answer(std::nullopt).flag == Flag::upstream_timeout);
    const auto odd = parse_connect_answer(http::Headers{{":status", "418"}});
    CHECK_FALSE(odd.accepted);
    CHECK(odd.flag == Flag::upstream_connect_failure);
    const auto unknown =
        parse_connect_answer(http::Headers{{":status", "503"}, {"x-hawser-reason", "ZZ odd"}});
    CHECK(unknown.flag == Flag::upstream_connect_failure);
}

TEST_CASE("a reason from a peer cannot smuggle control characters or grow without end") {
    const auto answer = parse_connect_answer(http::Headers{
        {":status", "503"}, {"x-hawser-reason", "UF a\nb\x1b[2J" + std::string(10'000, 'x')}});
    CHECK(answer.flag == Flag::upstream_connect_failure);
    CHECK(answer.detail.size() <= 200);
    CHECK(answer.detail.find_first_of("\n\x1b") == std::string::npos);
}

TEST_CASE("the code of a stream that was cut says why, unless the other side need not know") {
    for (const Flag flag : {Flag::policy_denied, Flag::quarantined, Flag::deregistered,
                            Flag::unproven, Flag::no_route})
        CHECK(flag_of_cut(cut_code(flag)) == flag);
    CHECK(cut_code(Flag::idle_timeout) == http::H2Code::cancel);
    for (const auto code :
         {http::H2Code::no_error, http::H2Code::cancel, static_cast<http::H2Code>(0xffffffff)})
        CHECK(flag_of_cut(code) == Flag::none);
    // Older agents know these numbers: they stay.
    CHECK(static_cast<std::uint32_t>(cut_code(Flag::policy_denied)) == 0x68770000);
    CHECK(static_cast<std::uint32_t>(cut_code(Flag::no_route)) == 0x68770004);
}
