// Handshakes that nobody of the mesh does: how each is played, and the reason it is refused with.
// The peer holds a good certificate and its key; only its manners are bad.
#include <doctest/doctest.h>

#include <algorithm>
#include <functional>
#include <vector>

#include "tls/handmade_peer.h"
#include "tls/made_certificate.h"

using namespace hawser;
using namespace hawser::tls;
using namespace hawser::tls::test;
using namespace std::string_literals;
using namespace std::string_view_literals;

namespace {

struct Player {
    HandmadePeer& peer;
    const Chain& chain; // good
};

struct HostileHandshake {
    std::string name;
    std::function<void(Player)> play;
    std::string reason; // begins with this
};

// A ClientHello or ServerHello that would be good, but for one change.
HostileHandshake hello(std::string name, std::function<void(Hello&)> spoil, std::string reason,
                       bool of_server = false) {
    return {std::move(name),
            [spoil = std::move(spoil), of_server](Player p) {
                p.peer.listen();
                Hello spoilt = p.peer.hello();
                spoil(spoilt);
                p.peer.send(of_server ? p.peer.server_hello(spoilt) : p.peer.client_hello(spoilt));
            },
            std::move(reason)};
}

HostileHandshake reply(std::string name, std::function<void(Hello&)> spoil, std::string reason) {
    return hello(std::move(name), std::move(spoil), std::move(reason), true);
}

// Greeted as it should be; the rest is played.
HostileHandshake later(std::string name, std::function<void(Player)> play, std::string reason) {
    return {std::move(name),
            [play = std::move(play)](Player p) {
                p.peer.greet();
                play(p);
            },
            std::move(reason)};
}

// After a handshake that is good to its end.
HostileHandshake after(std::string name, std::function<void(Player)> play, std::string reason) {
    return later(
        std::move(name),
        [play = std::move(play)](Player p) {
            p.peer.show(p.chain);
            REQUIRE(p.peer.outcome().value());
            p.peer.use_application_keys();
            play(p);
        },
        std::move(reason));
}

HostileHandshake bytes(std::string name, std::string text, std::string reason) {
    return {std::move(name), [text = std::move(text)](Player p) { p.peer.send_bytes(text); },
            std::move(reason)};
}

constexpr auto p384 = "\x00\x18"sv, x25519 = "\x00\x1d"sv, p256 = "\x00\x17"sv;
// SHA-256 of "HelloRetryRequest", which makes a ServerHello one (RFC 8446 §4.1.3).
constexpr auto retry_random =
    "\xcf\x21\xad\x74\xe5\x9a\x61\x11\xbe\x1d\x8c\x02\x1e\x65\xb8\x91\xc2\xa2"
    "\x11\x16\x7a\xbb\x8c\x5e\x07\x9e\x09\xe2\xc8\xa8\x33\x9c"sv;

void offer_p384_first(Hello& h) {
    h.extensions[extension::groups] = tls_vector(2, std::string(p384) + std::string(p256));
    h.extensions[extension::key_share] =
        tls_vector(2, std::string(p384) + tls_vector(2, "\x04" + std::string(96, 'x')));
}

void offer_ticket(Hello& h) {
    h.extensions[extension::key_modes] = tls_vector(1, "\x01\x00"sv);
    h.extensions[extension::pre_shared_key] =
        tls_vector(2, tls_vector(2, "an old ticket") + "\0\0\0\1"s) +
        tls_vector(2, tls_vector(1, std::string(32, 'b')));
}

std::vector<HostileHandshake> client_hellos() {
    return {
        hello(
            "TLS 1.2", [](Hello& h) { h.extensions.erase(extension::versions); },
            "the peer does not speak TLS 1.3"),
        hello(
            "TLS 1.2 in a hello that says versions",
            [](Hello& h) { h.extensions[extension::versions] = tls_vector(1, "\x03\x03"); },
            "the peer does not speak TLS 1.3"),
        hello(
            "TLS 1.1",
            [](Hello& h) {
                h.version = 0x0302;
                h.extensions.erase(extension::versions);
            },
            "the peer does not speak TLS 1.3"),
        bytes("SSL 2.0", "\x80\x2e\x01\x00\x02\x00\x15\x00\x00\x00\x10"s,
              "not TLS: the peer sent plaintext"),
        bytes("plain HTTP", "GET / HTTP/1.1\r\n\r\n", "not TLS: the peer sent plaintext"),
        hello(
            "another cipher suite only", [](Hello& h) { h.suites = "\x13\x05"; },
            "no cipher, group or signature in common with the peer"),
        hello(
            "no cipher suite", [](Hello& h) { h.suites = ""; },
            "no cipher, group or signature in common with the peer"),
        hello(
            "another group only",
            [](Hello& h) {
                h.extensions[extension::groups] = tls_vector(2, p384);
                h.extensions[extension::key_share] = tls_vector(2, "");
            },
            "no cipher, group or signature in common with the peer"),
        hello(
            "no groups", [](Hello& h) { h.extensions.erase(extension::groups); },
            "TLS handshake: ClientHello: a part of it is missing, not allowed or contradicts "
            "another"),
        hello(
            "no key share", [](Hello& h) { h.extensions.erase(extension::key_share); },
            "TLS handshake: ClientHello: a part of it is missing, not allowed or contradicts "
            "another"),
        hello(
            "a key share off the curve",
            [](Hello& h) {
                h.extensions[extension::key_share] =
                    tls_vector(2, std::string(p256) + tls_vector(2, "\x04" + std::string(64, 'x')));
            },
            "TLS handshake: ClientHello: its key share is not valid"),
        hello(
            "a key share of no bytes",
            [](Hello& h) {
                h.extensions[extension::key_share] =
                    tls_vector(2, std::string(p256) + tls_vector(2, ""));
            },
            "TLS handshake: ClientHello: its key share is not valid"),
        hello(
            "no signature algorithms", [](Hello& h) { h.extensions.erase(extension::signatures); },
            "TLS handshake: ClientHello: a part of it is missing, not allowed or contradicts "
            "another"),
        hello(
            "RSA signatures only",
            [](Hello& h) {
                h.extensions[extension::signatures] = tls_vector(2, tls_vector(2, "\x08\x04"));
            },
            "no cipher, group or signature in common with the peer"),
        hello(
            "a session id of 33 bytes", [](Hello& h) { h.session_id = std::string(33, 's'); },
            "TLS handshake: ClientHello: malformed"),
        hello(
            "an extension cut short",
            [](Hello& h) { h.extensions[extension::groups] = "\x00\x10\x00"s; },
            "TLS handshake: ClientHello: malformed"),
        hello(
            "a ticket and no key share",
            [](Hello& h) {
                offer_ticket(h);
                h.extensions[extension::key_modes] = tls_vector(1, "\x00"sv);
                h.extensions.erase(extension::key_share);
            },
            "TLS handshake: ClientHello: a part of it is missing, not allowed or contradicts "
            "another"),
        {"a ticket instead of a certificate",
         [](Player p) {
             Hello h = p.peer.hello();
             offer_ticket(h);
             p.peer.send(p.peer.client_hello(h));
             p.peer.send(p.peer.finished());
         },
         "TLS handshake: Certificate: another message came"},
        {"a ticket and an empty certificate",
         [](Player p) {
             Hello h = p.peer.hello();
             offer_ticket(h);
             p.peer.send(p.peer.client_hello(h));
             p.peer.send(p.peer.certificate({}));
             p.peer.send(p.peer.finished());
         },
         "peer presented no certificate"},
        {"early data",
         [](Player p) {
             Hello h = p.peer.hello();
             offer_ticket(h);
             h.extensions[extension::early_data] = "";
             p.peer.send(p.peer.client_hello(h));
             p.peer.send_bytes(tls_record(content::data, std::string(100, 'e')));
         },
         "TLS handshake: Certificate: a record was changed, or is of other keys"},
        {"a HelloRetryRequest answered with the same share",
         [](Player p) {
             Hello h = p.peer.hello();
             offer_p384_first(h);
             p.peer.send(p.peer.client_hello(h));
             p.peer.send(p.peer.client_hello(h));
         },
         "no cipher, group or signature in common with the peer"},
        {"a HelloRetryRequest answered with another version",
         [](Player p) {
             Hello h = p.peer.hello();
             offer_p384_first(h);
             p.peer.send(p.peer.client_hello(h));
             h = p.peer.hello();
             h.extensions[extension::versions] = tls_vector(1, "\x03\x03");
             p.peer.send(p.peer.client_hello(h));
         },
         "the peer does not speak TLS 1.3"},
        {"a HelloRetryRequest answered with a certificate",
         [](Player p) {
             Hello h = p.peer.hello();
             offer_p384_first(h);
             p.peer.send(p.peer.client_hello(h));
             p.peer.send(p.peer.certificate(p.chain));
         },
         "TLS handshake: ClientHello: another message came"},
        {"a second hello that nobody asked for",
         [](Player p) {
             p.peer.greet();
             p.peer.send(p.peer.client_hello(p.peer.hello()));
         },
         "TLS handshake: Certificate: another message came"},
        bytes("a hello cut short", tls_record(content::handshake, tls_message(1, "\x03\x03")),
              "TLS handshake: ClientHello: malformed"),
        {"a hello of a megabyte",
         [](Player p) {
             p.peer.send_bytes(tls_record(content::handshake, "\x01\x10\x00\x00"s));
             for (int i = 0; i < 2; ++i)
                 p.peer.send_bytes(tls_record(content::handshake, std::string(16'000, 'x')));
         },
         "TLS handshake: ClientHello: a record or message is too long"},
        bytes("something else than a hello",
              tls_record(content::handshake, tls_message(message::finished, std::string(32, 'f'))),
              "TLS handshake: ClientHello: another message came"),
        bytes("a record of 17 KiB", tls_record(content::handshake, std::string(17 << 10, 'x')),
              "TLS handshake: ClientHello: a record or message is too long"),
        bytes("a record of no bytes", tls_record(content::handshake, ""),
              "TLS handshake: ClientHello: a record is not valid"),
    };
}

// What both a client and a server may do wrong once there are keys.
std::vector<HostileHandshake> proofs() {
    return {
        later(
            "no certificate",
            [](Player p) {
                p.peer.send(p.peer.certificate({}));
                p.peer.send(p.peer.finished());
            },
            "peer presented no certificate"),
        later(
            "nothing but a Finished", [](Player p) { p.peer.send(p.peer.finished()); },
            "TLS handshake: Certificate: another message came"),
        later(
            "a certificate without its proof",
            [](Player p) {
                p.peer.send(p.peer.certificate(p.chain));
                p.peer.send(p.peer.finished());
            },
            "TLS handshake: CertificateVerify: another message came"),
        later(
            "a certificate for another request",
            [](Player p) { p.peer.send(p.peer.certificate(p.chain, "another")); },
            "TLS handshake: Certificate: malformed"),
        later(
            "a certificate of no bytes",
            [](Player p) { p.peer.send(p.peer.certificate({.ders = {""}, .key_pem = {}})); },
            "TLS handshake: Certificate: malformed"),
        later(
            "a list of certificates cut short",
            [](Player p) {
                p.peer.send(tls_message(message::certificate, "\x00\x00\x10\x00\x00"s));
            },
            "TLS handshake: Certificate: malformed"),
        later(
            "two certificates messages",
            [](Player p) {
                p.peer.send(p.peer.certificate(p.chain));
                p.peer.send(p.peer.certificate(p.chain));
            },
            "TLS handshake: CertificateVerify: another message came"),
        later(
            "a proof by another key",
            [](Player p) {
                p.peer.send(p.peer.certificate(p.chain));
                p.peer.send(p.peer.certificate_verify(value_of(generate_key_pem())));
            },
            "peer certificate: the peer has not proved to have its key"),
        later(
            "a proof in another context",
            [](Player p) {
                p.peer.send(p.peer.certificate(p.chain));
                p.peer.send(p.peer.certificate_verify(p.chain.key_pem, "TLS 1.3, somebody"));
            },
            "peer certificate: the peer has not proved to have its key"),
        later(
            "a proof of another handshake",
            [](Player p) {
                const std::string before = p.peer.certificate_verify(p.chain.key_pem);
                p.peer.send(p.peer.certificate(p.chain));
                p.peer.send(before);
            },
            "peer certificate: the peer has not proved to have its key"),
        later(
            "a proof by another algorithm",
            [](Player p) {
                p.peer.send(p.peer.certificate(p.chain));
                std::string proof = p.peer.certificate_verify(p.chain.key_pem);
                proof.replace(4, 2, "\x08\x04");
                p.peer.send(proof);
            },
            "peer certificate: the peer has not proved to have its key"),
        later(
            "a wrong Finished",
            [](Player p) {
                p.peer.send(p.peer.certificate(p.chain));
                p.peer.send(p.peer.certificate_verify(p.chain.key_pem));
                p.peer.send(tls_message(message::finished, std::string(32, 'f')));
            },
            "the peer's Finished is of another handshake"),
        later(
            "a Finished of 31 bytes",
            [](Player p) {
                p.peer.send(p.peer.certificate(p.chain));
                p.peer.send(p.peer.certificate_verify(p.chain.key_pem));
                p.peer.send(tls_message(message::finished, std::string(31, 'f')));
            },
            "TLS handshake: Finished: malformed"),
        later(
            "a Finished in fragments of one byte",
            [](Player p) {
                p.peer.send(p.peer.certificate(p.chain));
                p.peer.send(p.peer.certificate_verify(p.chain.key_pem));
                for (const char byte : p.peer.finished())
                    p.peer.send_record(content::handshake, {&byte, 1});
            },
            "TLS handshake: Finished: a record is not valid"),
        later(
            "a Finished with more behind it",
            [](Player p) {
                p.peer.send(p.peer.certificate(p.chain));
                p.peer.send(p.peer.certificate_verify(p.chain.key_pem));
                p.peer.send_record(content::handshake,
                                   p.peer.finished() + tls_message(message::key_update, "\0"sv));
            },
            "TLS handshake: Finished: another message came"),
        later(
            "data before it is proven who sends it",
            [](Player p) { p.peer.send_record(content::data, "GET /"); },
            "TLS handshake: Certificate: another message came"),
        later(
            "new keys before it is proven who they are of",
            [](Player p) { p.peer.send(tls_message(message::key_update, "\0"sv)); },
            "TLS handshake: Certificate: another message came"),
        later(
            "a ticket before it is proven who it is of",
            [](Player p) {
                p.peer.send(tls_message(message::session_ticket, std::string(40, 't')));
            },
            "TLS handshake: Certificate: another message came"),
        later(
            "a message larger than 16 KiB",
            [](Player p) {
                const std::string large = tls_message(11, std::string(40'000, 'c'));
                for (std::size_t at = 0; at < large.size(); at += 16'000)
                    p.peer.send_record(content::handshake, large.substr(at, 16'000));
            },
            "TLS handshake: Certificate: a record or message is too long"),
        later(
            "an empty record", [](Player p) { p.peer.send_record(content::handshake, ""); },
            "TLS handshake: Certificate: a record is not valid"),
        later(
            "an alert of one byte", [](Player p) { p.peer.send_record(content::alert, "\x02"); },
            "TLS handshake: Certificate: a record is not valid"),
        later(
            "a fatal alert", [](Player p) { p.peer.send_record(content::alert, "\x02\x2a"); },
            "the peer refused: bad certificate"),
        later(
            "an end of all data",
            [](Player p) { p.peer.send_record(content::alert, "\x01\x00"sv); },
            "the peer closed the connection during the TLS handshake"),
        later(
            "a record in plaintext",
            [](Player p) {
                p.peer.send_bytes(tls_record(content::handshake, p.peer.certificate(p.chain)));
            },
            "TLS handshake: Certificate: a record was changed, or is of other keys"),
        later(
            "a record that was changed",
            [](Player p) { p.peer.send_bytes(tls_record(content::data, std::string(50, 'x'))); },
            "TLS handshake: Certificate: a record was changed, or is of other keys"),
        later(
            "a record that is too long",
            [](Player p) {
                p.peer.send_bytes(tls_record(content::data, std::string(17 << 10, 'x')));
            },
            "TLS handshake: Certificate: a record or message is too long"),
        later(
            "a ChangeCipherSpec of another value",
            [](Player p) { p.peer.send_bytes(tls_record(content::change_cipher_spec, "\x02")); },
            "TLS handshake: Certificate: a record is not valid"),
    };
}

std::vector<HostileHandshake> server_hellos() {
    return {
        reply(
            "TLS 1.2", [](Hello& h) { h.extensions.erase(extension::versions); },
            "TLS handshake: ServerHello: a part of it is missing, not allowed or contradicts "
            "another"),
        reply(
            "TLS 1.2 in a hello that says versions",
            [](Hello& h) { h.extensions[extension::versions] = "\x03\x03"; },
            "TLS handshake: ServerHello: a part of it is missing, not allowed or contradicts "
            "another"),
        reply(
            "a cipher suite that was not offered", [](Hello& h) { h.suites = "\x13\x05"; },
            "TLS handshake: ServerHello: a part of it is missing, not allowed or contradicts "
            "another"),
        reply(
            "another session's id", [](Hello& h) { h.session_id = std::string(32, 'z'); },
            "TLS handshake: ServerHello: a part of it is missing, not allowed or contradicts "
            "another"),
        reply(
            "no key share", [](Hello& h) { h.extensions.erase(extension::key_share); },
            "no cipher, group or signature in common with the peer"),
        reply(
            "a share of a group that none was sent of",
            [](Hello& h) {
                h.extensions[extension::key_share] =
                    std::string(x25519) + tls_vector(2, std::string(32, 'x'));
            },
            "no cipher, group or signature in common with the peer"),
        reply(
            "a share off the curve",
            [](Hello& h) {
                h.extensions[extension::key_share] =
                    std::string(p256) + tls_vector(2, "\x04" + std::string(64, 'x'));
            },
            "no cipher, group or signature in common with the peer"),
        reply(
            "a ticket that was not offered",
            [](Hello& h) { h.extensions[extension::pre_shared_key] = "\0\0"sv; },
            "TLS handshake: ServerHello: it answers what was not asked"),
        reply(
            "a ticket instead of a key share",
            [](Hello& h) {
                h.extensions.erase(extension::key_share);
                h.extensions[extension::pre_shared_key] = "\0\0"sv;
            },
            "TLS handshake: ServerHello: it answers what was not asked"),
        reply(
            "a retry with the group that was sent",
            [](Hello& h) {
                h.random = retry_random;
                h.extensions[extension::key_share] = p256;
            },
            "TLS handshake: ServerHello: a part of it is missing, not allowed or contradicts "
            "another"),
        reply(
            "a retry with a group that was not offered",
            [](Hello& h) {
                h.random = retry_random;
                h.extensions[extension::key_share] = p384;
            },
            "TLS handshake: ServerHello: a part of it is missing, not allowed or contradicts "
            "another"),
        {"a retry twice",
         [](Player p) {
             p.peer.listen();
             Hello h = p.peer.hello();
             h.random = retry_random;
             h.extensions[extension::key_share] = x25519;
             for (int i = 0; i < 2; ++i)
                 p.peer.send_bytes(tls_record(content::handshake, p.peer.server_hello(h)));
         },
         "TLS handshake: ServerHello: another message came"},
        {"a retry that changes nothing, twice",
         [](Player p) {
             p.peer.listen();
             Hello h = p.peer.hello();
             h.random = retry_random;
             h.extensions.erase(extension::key_share);
             for (int i = 0; i < 2; ++i)
                 p.peer.send_bytes(tls_record(content::handshake, p.peer.server_hello(h)));
         },
         "TLS handshake: ServerHello: another message came"},
        {"an alert before all",
         [](Player p) {
             p.peer.listen();
             p.peer.send_bytes(tls_record(content::alert, "\x02\x28"));
         },
         "the peer refused: no common parameters"},
        {"early data accepted that was not offered",
         [](Player p) {
             p.peer.listen();
             p.peer.send(p.peer.server_hello(p.peer.hello()));
             p.peer.send(
                 tls_message(message::encrypted_extensions, tls_vector(2, "\x00\x2a\x00\x00"sv)));
         },
         "TLS handshake: EncryptedExtensions: it answers what was not asked"},
        {"a certificate before the extensions",
         [](Player p) {
             p.peer.listen();
             p.peer.send(p.peer.server_hello(p.peer.hello()));
             p.peer.send(p.peer.certificate(p.chain));
         },
         "TLS handshake: EncryptedExtensions: another message came"},
    };
}

std::vector<HostileHandshake> afterwards() {
    return {
        after(
            "a renegotiation",
            [](Player p) {
                p.peer.send_record(content::handshake, p.peer.client_hello(p.peer.hello()));
            },
            "unexpected TLS handshake message"),
        after(
            "another certificate",
            [](Player p) { p.peer.send_record(content::handshake, p.peer.certificate(p.chain)); },
            "unexpected TLS handshake message"),
        after(
            "a flood of empty records",
            [](Player p) {
                for (int i = 0; i < 100; ++i) p.peer.send_record(content::data, "");
            },
            "too many TLS records without data"),
        after(
            "a record with no type", [](Player p) { p.peer.send_record(0, ""); },
            "TLS record without a type"),
        after(
            "an old record again",
            [](Player p) { p.peer.send_bytes(tls_record(content::data, std::string(40, 'x'))); },
            "TLS record was changed on its way"),
        after(
            "plaintext",
            [](Player p) { p.peer.send_bytes(tls_record(content::alert, "\x01\x00"sv)); },
            "unexpected kind of TLS record"),
        after(
            "a key update of three",
            [](Player p) {
                p.peer.send_record(content::handshake, tls_message(message::key_update, "\x03"));
            },
            "malformed TLS key update"),
    };
}

std::vector<HostileHandshake> joined(std::initializer_list<std::vector<HostileHandshake>> parts) {
    std::vector<HostileHandshake> table;
    for (const auto& part : parts) table.insert(table.end(), part.begin(), part.end());
    return table;
}

void check_refused(const std::vector<HostileHandshake>& table, Role hostile,
                   const CredentialsPtr& victim, const Chain& chain) {
    for (const HostileHandshake& one : table) {
        CAPTURE(one.name);
        HandmadePeer peer(hostile, victim);
        one.play({peer, chain});
        const auto outcome = peer.outcome();
        REQUIRE_FALSE(outcome);
        CHECK(outcome.error().message.substr(0, one.reason.size()) == one.reason);
        CHECK_FALSE(peer.session.session->write(as_bytes("x")));
    }
}

} // namespace

TEST_CASE("every hostile handshake is refused with its own reason") {
    const TestPki pki;
    const Chain chain = pki.chain("api");
    const CredentialsPtr victim = pki.credentials("web");
    check_refused(joined({client_hellos(), proofs(), afterwards()}), Role::client, victim, chain);
    check_refused(joined({server_hellos(), proofs()}), Role::server, victim, chain);
}

TEST_CASE("where no certificate is required, a certificate that is shown must still be proven") {
    const TestPki pki;
    const Chain chain = pki.chain("api");
    CredentialsOptions optional = pki.options("web");
    optional.client_auth = ClientAuth::optional;
    const CredentialsPtr victim = value_of(make_credentials(std::move(optional)));
    for (const HostileHandshake& one : joined({client_hellos(), proofs()})) {
        CAPTURE(one.name);
        HandmadePeer peer(Role::client, victim);
        one.play({peer, chain});
        const bool nothing_shown = one.reason == "peer presented no certificate";
        CHECK(peer.outcome().value_or(false) == nothing_shown);
        CHECK_FALSE(peer.session.session->peer());
    }
}

TEST_CASE("a handmade handshake is accepted when nothing is spoilt, in fragments too") {
    const TestPki pki;
    const Chain chain = pki.chain("api");
    for (const Role role : {Role::client, Role::server}) {
        HandmadePeer peer(role, pki.credentials("web"));
        peer.greet();
        peer.show(chain);
        CHECK(peer.outcome().value());
        CHECK(peer.session.session->peer()->identity == pki.service("api"));
    }
    HandmadePeer peer(Role::client, pki.credentials("web"));
    peer.greet();
    peer.send(peer.certificate(chain));
    peer.send(peer.certificate_verify(chain.key_pem));
    const std::string finished = peer.finished();
    peer.send_record(content::handshake, finished.substr(0, 4));
    for (const char byte : finished.substr(4)) peer.send_record(content::handshake, {&byte, 1});
    CHECK(peer.outcome().value());
}
