// How fast: not a check, and left out of the suite. Run with
//   test-tls --no-skip --test-case='speed*'
#include <doctest/doctest.h>

#include <malloc.h>

#include <algorithm>
#include <ctime>
#include <print>

#include "tls/aead.h"
#include "tls/test_peers.h"

using namespace hawser;
using namespace hawser::tls;
using namespace hawser::tls::test;

namespace {

// Of processor time: the machine may have other things to do.
template <typename Work>
double per_second(Work work) {
    const std::clock_t begin = std::clock();
    double units = 0, seconds = 0;
    while (seconds < 1) {
        units += work();
        seconds = static_cast<double>(std::clock() - begin) / CLOCKS_PER_SEC;
    }
    return units / seconds;
}

// Straight from one session's output to the other's input, as a socket would carry it.
double pump(Session& from, Session& to, ByteView text, std::span<std::uint8_t> plaintext) {
    REQUIRE(from.write(text));
    std::size_t read = 0;
    while (!from.output().empty()) {
        const auto room = to.receive_buffer(16 << 10);
        const std::size_t count = std::min(room.size(), from.output().size());
        std::ranges::copy(from.output().first(count), room.begin());
        to.received(count);
        from.consume_output(count);
        while (const std::size_t got = to.read(plaintext).value().count) read += got;
    }
    REQUIRE(read == text.size());
    return static_cast<double>(read) / 1e6;
}

} // namespace

TEST_CASE("speed: AES-128-GCM, one thread, sealed and opened" * doctest::skip()) {
    const std::vector<std::uint8_t> key(16, 'k'), header(5, 'h');
    const Nonce nonce{};
    for (const Engine engine :
         {Engine::mbedtls, Engine::aesni, Engine::vaes_avx2, Engine::vaes_avx512}) {
        if (!runs_here(engine)) continue;
        const auto aead = make_aead(MBEDTLS_CIPHER_AES_128_GCM, key, engine);
        for (const std::size_t size : {32, 1400, 16 << 10}) {
            std::vector<std::uint8_t> record(size + tag_bytes);
            std::vector<double> rates;
            for (int round = 0; round < 5; ++round)
                rates.push_back(per_second([&] {
                    bool good = true;
                    for (int i = 0; i < 100; ++i) {
                        aead->seal(nonce, header, record.data(), size);
                        good &= aead->open(nonce, header, record);
                    }
                    REQUIRE(good);
                    return 100;
                }));
            std::ranges::sort(rates);
            std::println("{:18} {:6} bytes: {:5.0f} MB/s, {:.0f} ns each", engine_name(engine),
                         size, rates[2] * static_cast<double>(size) / 1e6, 1e9 / rates[2]);
        }
    }
}

TEST_CASE("speed: records" * doctest::skip()) {
    const TestPki pki;
    SessionPeer client(pki.credentials("web"), Role::client);
    SessionPeer server(pki.credentials("api"), Role::server);
    REQUIRE(shake(client, server).a.value());
    std::vector<std::uint8_t> plaintext(64 << 10);
    for (const std::size_t size : {1400, 16 << 10, 64 << 10}) {
        const std::string text(size, 'x');
        const double rate = per_second(
            [&] { return pump(*client.session, *server.session, as_bytes(text), plaintext); });
        std::println("{:6} bytes a write: {:.0f} MB/s written and read", size, rate);
    }
}

TEST_CASE("speed: handshakes" * doctest::skip()) {
    const TestPki pki;
    for (const bool bundled : {false, true}) {
        CredentialsOptions web = pki.options("web"), api = pki.options("api");
        if (bundled) web.trust.intermediates = api.trust.intermediates = {pki.intermediate};
        const auto a = value_of(make_credentials(std::move(web)));
        const auto b = value_of(make_credentials(std::move(api)));
        const double rate = per_second([&] {
            SessionPeer client(a, Role::client), server(b, Role::server);
            REQUIRE(shake(client, server).b.value());
            return 1;
        });
        std::println("{:.0f} handshakes/s, both sides; intermediate {}", rate,
                     bundled ? "in the bundle" : "from the peer");
    }
    for (const auto group :
         {MBEDTLS_SSL_IANA_TLS_GROUP_SECP256R1, MBEDTLS_SSL_IANA_TLS_GROUP_X25519}) {
        const auto b = pki.credentials("api");
        const Chain chain = pki.chain("web");
        const double rate = per_second([&] {
            SessionPeer server(b, Role::server);
            RawPeer raw({.chain = chain, .groups = {static_cast<std::uint16_t>(group)}});
            REQUIRE(shake(server, raw).a.value());
            return 1;
        });
        std::println("{:.0f} handshakes/s with group {:#x}, plain client", rate, group);
    }
}

TEST_CASE("speed: memory of a session that waits" * doctest::skip()) {
    const TestPki pki;
    const auto a = pki.credentials("web"), b = pki.credentials("api");
    std::vector<std::unique_ptr<Session>> sessions;
    sessions.reserve(1000);
    const auto before = mallinfo2().uordblks;
    while (sessions.size() < 1000) {
        SessionPeer client(a, Role::client), server(b, Role::server);
        REQUIRE(shake(client, server).b.value());
        REQUIRE(server.read());
        sessions.push_back(std::move(client.session));
        sessions.push_back(std::move(server.session));
    }
    std::println("{} bytes a session", (mallinfo2().uordblks - before) / sessions.size());
}
