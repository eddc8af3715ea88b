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
    const std::string long_message(1000, 'x');
    REQUIRE(parser.feed(as_bytes(frame(long_message) + frame(long_message) + std::string(1, {}))));
    CHECK(parser.within_message());
    const std::size_t with_three = parser.held();
    CHECK(with_three >= 2005);
    CHECK(with_three < 2400);
    CHECK(parser.take() == long_message);
    CHECK(parser.held() <= with_three - 1000);
    CHECK(parser.take() == long_message);
    REQUIRE(parser.feed(as_bytes(std::string(4, {}))));
    CHECK(parser.take().empty());
    CHECK(parser.held() == 0);
}

TEST_CASE("empty messages cost what they take in memory") {
    MessageParser parser;
    std::string many;
    for (int i = 0; i < 1000; ++i) many += frame("");
    REQUIRE(parser.feed(as_bytes(many)));
    CHECK(parser.held() >= 1000 * sizeof(std::string));
}

TEST_CASE("a message that is coming takes no more memory than it needs") {
    MessageParser parser;
    const std::string bytes = frame(std::string(100'000, 'x'));
    for (std::size_t at = 0; at + 1 < bytes.size(); at += 1000) {
        const auto part =
            std::string_view(bytes).substr(at, std::min(1000UL, bytes.size() - 1 - at));
        REQUIRE(parser.feed(as_bytes(part)));
        REQUIRE(parser.held() <= std::min(2 * (at + 1000), 100'000UL) + 100);
    }
    REQUIRE(parser.feed(as_bytes(std::string_view(bytes).substr(bytes.size() - 1))));
    CHECK(parser.take().size() == 100'000);
}

TEST_CASE("a parser takes messages of at most what it was told") {
    MessageParser parser(10);
    CHECK(parser.feed(as_bytes(frame(std::string(10, 'x')))));
    const auto fed = parser.feed(as_bytes(frame(std::string(11, 'x'))));
    REQUIRE_FALSE(fed);
    CHECK(fed.error().code == ErrorCode::resource_exhausted);
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
