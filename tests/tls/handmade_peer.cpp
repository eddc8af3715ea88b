#include "tls/handmade_peer.h"

#include <mbedtls/ecdh.h>
#include <mbedtls/hkdf.h>

#include <array>
#include <format>

#include "tls/made_certificate.h"
#include "tls/records.h"

namespace hawser::tls::test {
namespace {

using namespace std::string_view_literals;

void ok(int error) {
    if (error < 0) throw std::runtime_error(library_error(error));
}

std::string number(std::size_t value, int bytes) {
    std::string text;
    for (int shift = (bytes - 1) * 8; shift >= 0; shift -= 8)
        text.push_back(static_cast<char>(value >> shift & 0xff));
    return text;
}

std::size_t number_at(std::string_view text, std::size_t at, std::size_t bytes) {
    std::size_t value = 0;
    for (const char c : text.substr(at, bytes)) value = value << 8 | static_cast<std::uint8_t>(c);
    return value;
}

const CipherSuite& suite() {
    return *find_cipher_suite(0x1301);
}

std::string hash_of(std::string_view text) {
    return sha256(as_bytes(text));
}

const mbedtls_md_info_t* sha256_info() {
    return mbedtls_md_info_from_type(MBEDTLS_MD_SHA256);
}

std::string extract(std::string_view salt, std::string_view secret) {
    std::string key(32, '\0');
    ok(mbedtls_hkdf_extract(sha256_info(), as_bytes(salt).data(), salt.size(),
                            as_bytes(secret).data(), secret.size(),
                            reinterpret_cast<unsigned char*>(key.data())));
    return key;
}

std::string expand(std::string_view secret, std::string_view label, std::string_view context) {
    const std::string info =
        number(32, 2) + tls_vector(1, "tls13 " + std::string(label)) + tls_vector(1, context);
    std::string key(32, '\0');
    ok(mbedtls_hkdf_expand(sha256_info(), as_bytes(secret).data(), secret.size(),
                           as_bytes(info).data(), info.size(),
                           reinterpret_cast<unsigned char*>(key.data()), key.size()));
    return key;
}

std::string authenticate(std::string_view key, std::string_view text) {
    std::string mac(32, '\0');
    ok(mbedtls_md_hmac(sha256_info(), as_bytes(key).data(), key.size(), as_bytes(text).data(),
                       text.size(), reinterpret_cast<unsigned char*>(mac.data())));
    return mac;
}

TrafficSecret secret_of(std::string_view bytes) {
    TrafficSecret secret(bytes.size());
    std::ranges::copy(as_bytes(bytes), secret.data());
    return secret;
}

std::string extensions_of(const Hello& hello) {
    std::string list, last;
    for (const auto& [type, value] : hello.extensions)
        (type == extension::pre_shared_key ? last : list) +=
            number(static_cast<std::size_t>(type), 2) + tls_vector(2, value);
    return tls_vector(2, list + last);
}

// The value of an extension in a ClientHello or ServerHello (without its header).
std::string find_extension(std::string_view hello, bool of_server, std::size_t type) {
    std::size_t at = 34;
    at += 1 + number_at(hello, at, 1);
    at += of_server ? 2 : 2 + number_at(hello, at, 2);
    at += of_server ? 1 : 1 + number_at(hello, at, 1);
    for (at += 2; at + 4 <= hello.size(); at += 4 + number_at(hello, at + 2, 2))
        if (number_at(hello, at, 2) == type)
            return std::string(hello.substr(at + 4, number_at(hello, at + 2, 2)));
    throw std::runtime_error("the hello has no such extension");
}

} // namespace

std::string tls_vector(int length_bytes, std::string_view bytes) {
    return number(bytes.size(), length_bytes) + std::string(bytes);
}
std::string tls_message(int type, std::string_view body) {
    return static_cast<char>(type) + tls_vector(3, body);
}
std::string tls_record(int type, std::string_view content, int version) {
    return static_cast<char>(type) + number(static_cast<std::size_t>(version), 2) +
           tls_vector(2, content);
}

HandmadePeer::HandmadePeer(Role role, CredentialsPtr session_credentials)
    : session(std::move(session_credentials), role == Role::client ? Role::server : Role::client),
      role_(role) {
    ok(mbedtls_pk_setup(key_.get(), mbedtls_pk_info_from_type(MBEDTLS_PK_ECKEY)));
    ok(mbedtls_ecp_gen_key(MBEDTLS_ECP_DP_SECP256R1, mbedtls_pk_ec(*key_.get()), random_bytes,
                           nullptr));
}

Hello HandmadePeer::hello() const {
    Hello hello;
    std::array<unsigned char, 65> point;
    std::size_t size = 0;
    ok(mbedtls_ecp_write_public_key(mbedtls_pk_ec(*key_.get()), MBEDTLS_ECP_PF_UNCOMPRESSED, &size,
                                    point.data(), point.size()));
    const std::string share = number(23, 2) + tls_vector(2, as_text(ByteView(point).first(size)));
    if (role_ == Role::server) {
        hello.session_id = peer_session_id_;
        hello.extensions = {{extension::versions, "\x03\x04"}, {extension::key_share, share}};
        return hello;
    }
    hello.extensions = {{extension::groups, tls_vector(2, number(23, 2))},
                        {extension::signatures, tls_vector(2, "\x04\x03")},
                        {extension::versions, tls_vector(1, "\x03\x04")},
                        {extension::key_share, tls_vector(2, share)}};
    return hello;
}

std::string HandmadePeer::client_hello(const Hello& hello) const {
    return tls_message(message::client_hello, number(static_cast<std::size_t>(hello.version), 2) +
                                                  hello.random + tls_vector(1, hello.session_id) +
                                                  tls_vector(2, hello.suites) +
                                                  tls_vector(1, "\0"sv) + extensions_of(hello));
}

std::string HandmadePeer::server_hello(const Hello& hello) const {
    return tls_message(message::server_hello, number(static_cast<std::size_t>(hello.version), 2) +
                                                  hello.random + tls_vector(1, hello.session_id) +
                                                  hello.suites + '\0' + extensions_of(hello));
}

std::string HandmadePeer::certificate(const Chain& chain, std::string_view context) const {
    std::string list;
    for (const std::string& each : chain.ders) list += tls_vector(3, each) + number(0, 2);
    return tls_message(message::certificate, tls_vector(1, context) + tls_vector(3, list));
}

std::string HandmadePeer::certificate_verify(const std::string& key_pem) const {
    return certificate_verify(key_pem, role_ == Role::client ? "TLS 1.3, client CertificateVerify"
                                                             : "TLS 1.3, server CertificateVerify");
}

std::string HandmadePeer::certificate_verify(const std::string& key_pem,
                                             std::string_view label) const {
    const std::string text =
        std::string(64, ' ') + std::string(label) + '\0' + hash_of(transcript_);
    return tls_message(message::certificate_verify,
                       "\x04\x03" + tls_vector(2, sign_with(key_pem, text)));
}

std::string HandmadePeer::finished() const {
    return tls_message(message::finished,
                       authenticate(expand(own_secret_, "finished", ""), hash_of(transcript_)));
}

void HandmadePeer::send_bytes(std::string_view bytes) {
    session.receive(bytes);
    listen();
}

void HandmadePeer::send_record(int type, std::string_view content) {
    if (!seal_ || type == content::change_cipher_spec) return send_bytes(tls_record(type, content));
    std::string sealed(content);
    sealed.push_back(static_cast<char>(type));
    const std::size_t count = sealed.size();
    sealed.resize(count + tag_bytes);
    const std::string header = "\x17\x03\x03" + number(sealed.size(), 2);
    seal_->seal(as_bytes(header), reinterpret_cast<std::uint8_t*>(sealed.data()), count);
    send_bytes(header + sealed);
}

void HandmadePeer::send(std::string_view message) {
    // A server's keys come with what it says itself.
    const bool own_hello = role_ == Role::server && transcript_.size() > 0 && !seal_;
    transcript_ += message;
    send_record(content::handshake, message);
    if (own_hello) use_traffic_keys();
}

void HandmadePeer::greet() {
    listen();
    send(role_ == Role::client ? client_hello(hello()) : server_hello(hello()));
    if (role_ == Role::client) return;
    send(tls_message(message::encrypted_extensions, tls_vector(2, "")));
    // Asks for a certificate signed with ECDSA P-256, as every server of the mesh does.
    send(tls_message(
        message::certificate_request,
        tls_vector(1, "") + tls_vector(2, number(extension::signatures, 2) +
                                              tls_vector(2, tls_vector(2, "\x04\x03")))));
}

void HandmadePeer::show(const Chain& chain) {
    send(certificate(chain));
    send(certificate_verify(chain.key_pem));
    send(finished());
}

void HandmadePeer::listen() {
    if (!refused_ && !done_) {
        const auto stepped = session.handshake();
        if (!stepped) refused_ = stepped.error();
        done_ = stepped.value_or(false);
    }
    if (!refused_ && done_) {
        auto read = session.read();
        if (!read)
            refused_ = read.error();
        else
            data += *read;
    }
    take_records(session.take_output());
}

Result<bool> HandmadePeer::outcome() {
    listen();
    if (refused_) return fail(*refused_);
    return done_;
}

void HandmadePeer::take_records(std::string_view bytes) {
    while (!bytes.empty() && !refused_) {
        const int type = bytes[0];
        std::string content(bytes.substr(5, number_at(bytes, 3, 2)));
        const std::string header(bytes.substr(0, 5));
        bytes.remove_prefix(5 + content.size());
        if (type == content::change_cipher_spec) continue;
        if (open_) {
            if (!open_->open(as_bytes(header),
                             {reinterpret_cast<std::uint8_t*>(content.data()), content.size()}))
                return; // with keys that are not followed here: after the handshake
            content.resize(content.size() - tag_bytes);
            while (content.back() == 0) content.pop_back(); // padding
            if (content.back() != content::handshake) continue;
            content.pop_back();
        } else if (type != content::handshake) {
            continue;
        }
        held_ += content;
        while (held_.size() >= 4 && held_.size() >= 4 + number_at(held_, 1, 3)) {
            const std::string message = held_.substr(0, 4 + number_at(held_, 1, 3));
            held_.erase(0, message.size());
            take_message(message);
        }
    }
}

void HandmadePeer::take_message(std::string_view text) {
    const bool of_server = text[0] == message::server_hello;
    transcript_ += text;
    if (text[0] == message::finished && role_ == Role::client) {
        const std::string main =
            extract(expand(handshake_secret_, "derived", hash_of("")), std::string(32, '\0'));
        application_secret_ = expand(main, "c ap traffic", hash_of(transcript_));
    }
    if (!of_server && text[0] != message::client_hello) return;
    const std::string_view hello = text.substr(4);
    if (!of_server) peer_session_id_ = hello.substr(35, number_at(hello, 34, 1));
    const std::string share = find_extension(hello, of_server, extension::key_share);
    if (of_server && share.size() == 2) return; // a HelloRetryRequest
    const std::string_view point = std::string_view(share).substr(of_server ? 4 : 6);
    if (point.size() < 65) return; // of a group that is not spoken here
    agree(point);
    if (of_server) use_traffic_keys();
}

void HandmadePeer::agree(std::string_view peer_share) {
    mbedtls_ecdh_context exchange;
    mbedtls_ecdh_init(&exchange);
    Handle<mbedtls_ecp_keypair, mbedtls_ecp_keypair_init, mbedtls_ecp_keypair_free> peer;
    ok(mbedtls_ecp_group_load(&peer->MBEDTLS_PRIVATE(grp), MBEDTLS_ECP_DP_SECP256R1));
    ok(mbedtls_ecp_point_read_binary(&peer->MBEDTLS_PRIVATE(grp), &peer->MBEDTLS_PRIVATE(Q),
                                     as_bytes(peer_share).data(),
                                     std::min<std::size_t>(peer_share.size(), 65)));
    ok(mbedtls_ecdh_get_params(&exchange, mbedtls_pk_ec(*key_.get()), MBEDTLS_ECDH_OURS));
    ok(mbedtls_ecdh_get_params(&exchange, peer.get(), MBEDTLS_ECDH_THEIRS));
    std::string shared(32, '\0');
    std::size_t size = 0;
    ok(mbedtls_ecdh_calc_secret(&exchange, &size, reinterpret_cast<unsigned char*>(shared.data()),
                                shared.size(), random_bytes, nullptr));
    mbedtls_ecdh_free(&exchange);
    const std::string early = extract("", std::string(32, '\0'));
    handshake_secret_ = extract(expand(early, "derived", hash_of("")), shared);
}

void HandmadePeer::use_traffic_keys() {
    const std::string hash = hash_of(transcript_);
    own_secret_ =
        expand(handshake_secret_, role_ == Role::client ? "c hs traffic" : "s hs traffic", hash);
    peer_secret_ =
        expand(handshake_secret_, role_ == Role::client ? "s hs traffic" : "c hs traffic", hash);
    seal_.emplace(suite(), secret_of(own_secret_));
    open_.emplace(suite(), secret_of(peer_secret_));
}

void HandmadePeer::use_application_keys() {
    seal_.emplace(suite(), secret_of(application_secret_));
}

} // namespace hawser::tls::test
