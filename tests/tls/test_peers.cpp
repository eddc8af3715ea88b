#include "tls/test_peers.h"

#include <algorithm>
#include <cstring>

namespace hawser::tls::test {
namespace {

void ok(int error) {
    if (error < 0) throw std::runtime_error(library_error(error));
}

} // namespace

void SessionPeer::receive(std::string_view bytes) {
    while (!bytes.empty()) {
        const auto room = session->receive_buffer(bytes.size());
        const std::size_t count = std::min(room.size(), bytes.size());
        if (count == 0) throw std::runtime_error("the session's buffer is full");
        std::memcpy(room.data(), bytes.data(), count);
        session->received(count);
        bytes.remove_prefix(count);
    }
}

std::string SessionPeer::take_output() {
    std::string bytes(as_text(session->output()));
    session->consume_output(bytes.size());
    return bytes;
}

Result<std::string> SessionPeer::read() {
    std::string text;
    std::vector<std::uint8_t> buffer(20'000);
    while (true) {
        auto result = session->read(buffer);
        if (!result) {
            if (!text.empty()) return text;
            return fail(result.error());
        }
        text += as_text(ByteView(buffer).first(result->count));
        closed = closed || result->closed;
        if (result->count == 0) return text;
    }
}

std::string SessionPeer::read_all(std::string_view ciphertext) {
    std::string text;
    while (!ciphertext.empty()) {
        const std::size_t count = std::min<std::size_t>(ciphertext.size(), 30'000);
        receive(ciphertext.substr(0, count));
        ciphertext.remove_prefix(count);
        text += value_of(read());
    }
    return text;
}

RawPeer::RawPeer(RawOptions options) : options_(std::move(options)) {
    initialise_library();
    const bool client = options_.role == Role::client;
    ok(mbedtls_ssl_config_defaults(config_.get(),
                                   client ? MBEDTLS_SSL_IS_CLIENT : MBEDTLS_SSL_IS_SERVER,
                                   MBEDTLS_SSL_TRANSPORT_STREAM, MBEDTLS_SSL_PRESET_DEFAULT));
    mbedtls_ssl_conf_rng(config_.get(), random_bytes, nullptr);
    mbedtls_ssl_conf_authmode(config_.get(), MBEDTLS_SSL_VERIFY_OPTIONAL);
    if (options_.chain) {
        for (const std::string& der : options_.chain->ders)
            ok(mbedtls_x509_crt_parse_der(chain_.get(), as_bytes(der).data(), der.size()));
        // mbedTLS's server would not show a certificate that it sees to be of the wrong usage.
        chain_->MBEDTLS_PRIVATE(ext_types) = 0;
        value_of(
            parse_private_key(options_.chain->key_pem, key_.get()).transform([] { return 0; }));
        ok(mbedtls_ssl_conf_own_cert(config_.get(), chain_.get(), key_.get()));
    }
    if (!options_.suites.empty()) {
        options_.suites.push_back(0);
        mbedtls_ssl_conf_ciphersuites(config_.get(), options_.suites.data());
    }
    if (!options_.groups.empty()) {
        options_.groups.push_back(0);
        mbedtls_ssl_conf_groups(config_.get(), options_.groups.data());
    }
    for (const std::string& name : options_.alpn) alpn_.push_back(name.c_str());
    alpn_.push_back(nullptr);
    if (alpn_.size() > 1) ok(mbedtls_ssl_conf_alpn_protocols(config_.get(), alpn_.data()));
    ok(mbedtls_ssl_setup(ssl_.get(), config_.get()));
    ok(mbedtls_ssl_set_hostname(ssl_.get(), nullptr));
    mbedtls_ssl_set_bio(
        ssl_.get(), this,
        [](void* self, const unsigned char* bytes, std::size_t count) {
            static_cast<RawPeer*>(self)->output_ += as_text({bytes, count});
            return static_cast<int>(count);
        },
        [](void* self, unsigned char* into, std::size_t count) {
            std::string& input = static_cast<RawPeer*>(self)->input_;
            if (input.empty()) return MBEDTLS_ERR_SSL_WANT_READ;
            count = std::min(count, input.size());
            std::memcpy(into, input.data(), count);
            input.erase(0, count);
            return static_cast<int>(count);
        },
        nullptr);
}

Result<bool> RawPeer::handshake() {
    if (last_error_ != 0) return fail(ErrorCode::unknown, library_error(last_error_));
    const int code = mbedtls_ssl_handshake(ssl_.get());
    if (code == MBEDTLS_ERR_SSL_WANT_READ) return false;
    if (code == 0) return true;
    last_error_ = code;
    return fail(ErrorCode::unknown, library_error(code));
}

void RawPeer::write(std::string_view text) {
    while (!text.empty()) {
        const int count = mbedtls_ssl_write(ssl_.get(), as_bytes(text).data(), text.size());
        ok(count);
        text.remove_prefix(static_cast<std::size_t>(count));
    }
}

std::string RawPeer::read() {
    std::string text;
    std::vector<unsigned char> buffer(20'000);
    while (true) {
        const int count = mbedtls_ssl_read(ssl_.get(), buffer.data(), buffer.size());
        if (count <= 0) {
            last_error_ = count == MBEDTLS_ERR_SSL_WANT_READ ? last_error_ : count;
            return text;
        }
        text += as_text(ByteView(buffer).first(static_cast<std::size_t>(count)));
    }
}

void RawPeer::close() {
    ok(mbedtls_ssl_close_notify(ssl_.get()));
}

void exchange(Peer& a, Peer& b) {
    const std::string from_a = a.take_output(), from_b = b.take_output();
    b.receive(from_a);
    a.receive(from_b);
}

HandshakeResult shake(Peer& a, Peer& b) {
    HandshakeResult result{false, false};
    for (int round = 0; round < 20; ++round) {
        result = {a.handshake(), b.handshake()};
        const std::string from_a = a.take_output(), from_b = b.take_output();
        if (from_a.empty() && from_b.empty()) break;
        b.receive(from_a);
        a.receive(from_b);
    }
    return result;
}

} // namespace hawser::tls::test
