// gRPC's framing, statuses and timeouts as bytes and text.
#include <doctest/doctest.h>

#include "base/limits.h"
#include "rpc/framing.h"

namespace hawser::rpc {

using namespace std::chrono_literals;

TEST_CASE("messages come out as they went in, however they are cut") {
    std::string stream;
    std::vector<std::string> sent;
    for (std::size_t length : {0UL, 1UL, 5UL, 127UL, 70'000UL}) {
        sent.emplace_back(length, static_cast<char>('a' + sent.size()));
        stream += frame(sent.back());
    }
    for (const std::size_t step : {1UL, 3UL, 1000UL, stream.size()}) {
        MessageParser parser;
        std::vector<std::string> got;
        for (std::size_t at = 0; at < stream.size(); at += step) {
            REQUIRE(parser.feed(as_bytes(std::string_view(stream).substr(at, step))));
            while (!parser.empty()) got.push_back(parser.take());
        }
        CHECK((got == sent));
        CHECK_FALSE(parser.within_message());
        CHECK(parser.held() == 0);
    }
}

TEST_CASE("a parser knows what it holds") {
    MessageParser parser;
    REQUIRE(parser.feed(as_bytes(frame("hello") + frame("world") + std::string(1, char{}))));
    CHECK(parser.held() == 11);
    CHECK(parser.within_message());
    CHECK(parser.take() == "hello");
    CHECK(parser.held() == 6);
}

TEST_CASE("bad prefixes are refused before anything is allocated") {
    MessageParser compressed;
    auto fed = compressed.feed(as_bytes(std::string_view("\1\0\0\0\5hello", 10)));
    REQUIRE_FALSE(fed);
    CHECK(fed.error().code == ErrorCode::unimplemented);
    MessageParser huge;
    fed = huge.feed(as_bytes(std::string_view("\0\xff\xff\xff\xff", 5)));
    REQUIRE_FALSE(fed);
    CHECK(fed.error().code == ErrorCode::resource_exhausted);
    MessageParser just;
    CHECK(just.feed(as_bytes(std::string_view("\0\1\0\0\0", 5)))); // 16 MiB
}

TEST_CASE("statuses travel with every byte of their text") {
    for (const std::string& text :
         {std::string("plain"), std::string("100% \n\r\0 ünïcode %41", 22), std::string("%"),
          std::string("%4"), std::string()}) {
        const Result<void> status = fail(ErrorCode::not_found, text);
        const http::Headers trailers = status_trailers(status);
        for (const char c : http::find_header(trailers, "grpc-message"))
            CHECK((c >= ' ' && c <= '~'));
        const auto read = parse_status(trailers);
        REQUIRE(read);
        REQUIRE_FALSE(*read);
        CHECK(read->error().code == ErrorCode::not_found);
        CHECK(read->error().message == text);
    }
    CHECK(parse_status(status_trailers({}))->has_value());
    CHECK_FALSE(parse_status({{"a", "b"}}).has_value());
}

TEST_CASE("statuses of other making") {
    CHECK(parse_status({{"grpc-status", "99"}})->error().code == ErrorCode::unknown);
    CHECK(parse_status({{"grpc-status", "-1"}})->error().code == ErrorCode::unknown);
    CHECK(parse_status({{"grpc-status", "x"}})->error().code == ErrorCode::unknown);
    CHECK(parse_status({{"grpc-status", "5 "}})->error().code == ErrorCode::unknown);
    CHECK(parse_status({{"grpc-status", "16"}})->error().code == ErrorCode::unauthenticated);
    const auto odd = parse_status({{"grpc-status", "2"}, {"grpc-message", "a%zzb%"}});
    CHECK(odd->error().message == "a%zzb%");
}

TEST_CASE("a status's text is bounded") {
    const http::Headers trailers =
        status_trailers(fail(ErrorCode::internal, std::string(100'000, 'x')));
    CHECK(http::find_header(trailers, "grpc-message").size() <= 4096);
}

TEST_CASE("timeouts") {
    CHECK(parse_timeout("15000m") == 15s);
    CHECK(parse_timeout("15S") == 15s);
    CHECK(parse_timeout("2M") == 2min);
    CHECK(parse_timeout("1H") == 1h);
    CHECK(parse_timeout("99999999H") == 1h);
    CHECK(parse_timeout("1u") == 1ms); // rounded up: never less than asked
    CHECK(parse_timeout("1000000n") == 1ms);
    for (const char* bad : {"", "1", "m", "x1m", "1x", "-1m", "+1m", "1.5S", "123456789m", "1 m"})
        CHECK_FALSE(parse_timeout(bad).has_value());
    CHECK(format_timeout(15s) == "15000m");
    CHECK(parse_timeout(format_timeout(0ms)) == 1ms);
    CHECK(parse_timeout(format_timeout(std::chrono::hours(1'000'000))) == 1h);
}

TEST_CASE("answers that are no gRPC") {
    CHECK(check_response_headers(response_headers()));
    CHECK_FALSE(check_response_headers({{":status", "404"}}));
    CHECK_FALSE(check_response_headers({{":status", "200"}, {"content-type", "text/html"}}));
    CHECK_FALSE(check_response_headers({}));
}

} // namespace hawser::rpc
