// DNS messages (RFC 1035, EDNS0 RFC 6891) for the responder; hides c-ares' codec. Pure.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/ip.h"
#include "base/result.h"

struct ares_dns_record;

namespace hawser::host {

inline constexpr int dns_no_error = 0;
inline constexpr int dns_format_error = 1;
inline constexpr int dns_server_failure = 2;
inline constexpr int dns_no_such_name = 3;
inline constexpr int dns_not_implemented = 4;
inline constexpr int dns_refused = 5;

namespace dns_type {
inline constexpr std::uint16_t a = 1, soa = 6, ptr = 12, aaaa = 28, srv = 33;
inline constexpr std::uint16_t ixfr = 251, axfr = 252, any = 255;
} // namespace dns_type

// The header and the one question of a message: all that forwarding needs to know.
struct DnsQuestion {
    std::uint16_t id = 0;
    std::uint16_t flags = 0; // the header's second word
    std::string name;        // lower case, dots between labels, none at the end; odd bytes as \ddd
    std::uint16_t type = 0;
    std::uint16_t class_ = 0;
    std::size_t end = 0; // offset behind the question

    [[nodiscard]] bool is_response() const { return (flags & 0x8000) != 0; }
    [[nodiscard]] int opcode() const { return (flags >> 11) & 0xf; }
};
// Refuses what is too short, has a compressed or over-long name, or not exactly one question.
[[nodiscard]] Result<DnsQuestion> read_question(ByteView message);

// A query that was checked whole.
struct DnsQuery {
    std::uint16_t id = 0;
    std::string name; // as asked
    std::uint16_t type = 0;
    std::uint16_t class_ = 0;
    bool recursion_desired = false;
    bool edns = false;
    std::uint16_t udp_size = 512; // what the asker takes over UDP
};
[[nodiscard]] Result<DnsQuery> parse_query(ByteView message);

enum class DnsSection : std::uint8_t { answer = 1, authority = 2, additional = 3 };

// Builds an authoritative answer. A record that cannot be written makes finish() return "".
class DnsWriter {
  public:
    DnsWriter(const DnsQuery& query, int rcode);
    ~DnsWriter();
    DnsWriter(const DnsWriter&) = delete;
    DnsWriter& operator=(const DnsWriter&) = delete;

    // A or AAAA by the address' family.
    void add_address(DnsSection section, const std::string& name, const IpAddress& address);
    void add_srv(const std::string& name, std::uint16_t weight, std::uint16_t port,
                 const std::string& target);
    void add_ptr(const std::string& name, const std::string& target);
    void add_soa(DnsSection section, const std::string& domain, std::uint32_t serial);

    // The message, or, when it is longer than `limit`, an empty one that says "truncated".
    [[nodiscard]] std::string finish(std::size_t limit);

  private:
    const DnsQuery& query_;
    ares_dns_record* record_ = nullptr;
    bool good_ = true;
};

// An empty answer with this response code; "" for what has no header or is no query.
[[nodiscard]] std::string error_answer(ByteView query, int rcode);

// Does an upstream's message answer the query: a response with its id and its question?
[[nodiscard]] bool answers(ByteView response, ByteView query);

void set_dns_id(std::string& message, std::uint16_t id);
[[nodiscard]] std::uint16_t dns_id(ByteView message);
[[nodiscard]] int dns_rcode(ByteView message);

} // namespace hawser::host
