// A TLS 1.3 peer whose every message is made by hand, so that it can say what no library would. It
// speaks one suite (TLS_AES_128_GCM_SHA256), one group (P-256) and one signature, and stands at the
// other end of a Session in memory.
#pragma once

#include <map>
#include <optional>
#include <string>

#include "tls/test_peers.h"
#include "tls/traffic_keys.h"

namespace hawser::tls::test {

// A message of the handshake, with its header.
[[nodiscard]] std::string tls_message(int type, std::string_view body);
// `bytes` behind their length of 1, 2 or 3 bytes.
[[nodiscard]] std::string tls_vector(int length_bytes, std::string_view bytes);
// A record as it goes over the wire before there are keys.
[[nodiscard]] std::string tls_record(int type, std::string_view content, int version = 0x0303);

namespace message {
constexpr int client_hello = 1, server_hello = 2, session_ticket = 4, encrypted_extensions = 8,
              certificate = 11, certificate_request = 13, certificate_verify = 15, finished = 20,
              key_update = 24;
} // namespace message
namespace content {
constexpr int change_cipher_spec = 20, alert = 21, handshake = 22, data = 23;
} // namespace content
namespace extension {
constexpr int groups = 10, signatures = 13, early_data = 42, pre_shared_key = 41, versions = 43,
              key_modes = 45, key_share = 51;
} // namespace extension

// What a ClientHello or ServerHello says; good as it is.
struct Hello {
    int version = 0x0303;
    std::string random = std::string(32, 'r'), session_id = std::string(32, 's');
    std::string suites = "\x13\x01";
    std::map<int, std::string> extensions; // in order of their numbers, pre_shared_key last
};

class HandmadePeer {
  public:
    HandmadePeer(Role role, CredentialsPtr session_credentials);

    // The good ones, to be changed before they are sent.
    [[nodiscard]] Hello hello() const;
    [[nodiscard]] std::string client_hello(const Hello& hello) const;
    [[nodiscard]] std::string server_hello(const Hello& hello) const;
    [[nodiscard]] std::string certificate(const Chain& chain, std::string_view context = "") const;
    [[nodiscard]] std::string certificate_verify(const std::string& key_pem) const;
    [[nodiscard]] std::string certificate_verify(const std::string& key_pem,
                                                 std::string_view label) const;
    [[nodiscard]] std::string finished() const;

    // Sends a message (in one record, encrypted as soon as there are keys) and remembers it.
    void send(std::string_view message);
    void send_record(int type, std::string_view content); // and remembers nothing
    void send_bytes(std::string_view bytes);

    // All steps up to the point where it has to show its certificate, and those behind it.
    void greet();
    void show(const Chain& chain); // Certificate, CertificateVerify, Finished
    void use_application_keys();   // from now on; a client only

    // Lets the session go on and takes what it says.
    void listen();
    // The session's verdict; the error is the first.
    [[nodiscard]] Result<bool> outcome();
    SessionPeer session;
    std::string data; // that the session's side was sent, as read by it

  private:
    void take_records(std::string_view bytes);
    void take_message(std::string_view message);
    void agree(std::string_view peer_share);
    void use_traffic_keys();

    Role role_;
    PkHandle key_; // of the exchange
    std::string transcript_, held_, peer_session_id_;
    std::string handshake_secret_, own_secret_, peer_secret_, application_secret_;
    std::optional<TrafficKeys> seal_, open_;
    std::optional<Error> refused_;
    bool done_ = false;
};

} // namespace hawser::tls::test
