#include "host/dns_message.h"

#include <ares.h>
#include <ares_dns_record.h>
#include <netinet/in.h>

#include <algorithm>
#include <cstring>
#include <format>
#include <memory>

#include "base/limits.h"

namespace hawser::host {
namespace {

constexpr std::size_t header_size = 12;
constexpr std::size_t max_name = 255; // RFC 1035 §2.3.4
constexpr std::uint16_t response_bit = 0x8000, opcode_bits = 0x7800, recursion_desired = 0x0100,
                        recursion_available = 0x0080;

std::uint16_t word(ByteView message, std::size_t offset) {
    return static_cast<std::uint16_t>(message[offset] << 8 | message[offset + 1]);
}

void put_word(std::string& message, std::size_t offset, std::uint16_t value) {
    message[offset] = static_cast<char>(value >> 8);
    message[offset + 1] = static_cast<char>(value);
}

void append_label(std::string& name, ByteView label) {
    if (!name.empty()) name += '.';
    for (const std::uint8_t byte : label) {
        const bool upper = byte >= 'A' && byte <= 'Z';
        // A dot or a backslash within a label must not look like ours.
        if (byte <= ' ' || byte >= 127 || byte == '.' || byte == '\\')
            name += std::format("\\{:03}", byte);
        else
            name += static_cast<char>(upper ? byte - 'A' + 'a' : byte);
    }
}

struct RecordDeleter {
    void operator()(ares_dns_record_t* record) const { ares_dns_record_destroy(record); }
};
using RecordPtr = std::unique_ptr<ares_dns_record_t, RecordDeleter>;

const ares_dns_rr_t* find_opt(const ares_dns_record_t* record) {
    const std::size_t count = ares_dns_record_rr_cnt(record, ARES_SECTION_ADDITIONAL);
    for (std::size_t i = 0; i < count; ++i) {
        const auto* rr = ares_dns_record_rr_get_const(record, ARES_SECTION_ADDITIONAL, i);
        if (rr != nullptr && ares_dns_rr_get_type(rr) == ARES_REC_TYPE_OPT) return rr;
    }
    return nullptr;
}

// The answer's beginning: header, question and, when the asker speaks EDNS0, our OPT record.
ares_dns_record_t* begin_answer(const DnsQuery& query, int rcode, unsigned short extra_flags) {
    ares_dns_record_t* made = nullptr;
    const auto flags =
        static_cast<unsigned short>(ARES_FLAG_QR | ARES_FLAG_AA | ARES_FLAG_RA | extra_flags |
                                    (query.recursion_desired ? static_cast<int>(ARES_FLAG_RD) : 0));
    if (ares_dns_record_create(&made, query.id, flags, ARES_OPCODE_QUERY,
                               static_cast<ares_dns_rcode_t>(rcode)) != ARES_SUCCESS)
        return nullptr;
    RecordPtr record(made);
    if (ares_dns_record_query_add(record.get(), query.name.c_str(),
                                  static_cast<ares_dns_rec_type_t>(query.type),
                                  static_cast<ares_dns_class_t>(query.class_)) != ARES_SUCCESS)
        return nullptr;
    if (!query.edns) return record.release();
    ares_dns_rr_t* opt = nullptr;
    if (ares_dns_record_rr_add(&opt, record.get(), ARES_SECTION_ADDITIONAL, "", ARES_REC_TYPE_OPT,
                               ARES_CLASS_IN, 0) != ARES_SUCCESS ||
        ares_dns_rr_set_u16(opt, ARES_RR_OPT_UDP_SIZE, limits::dns_udp_answer_bytes) !=
            ARES_SUCCESS)
        return nullptr;
    return record.release();
}

std::string write(const ares_dns_record_t* record) {
    unsigned char* bytes = nullptr;
    std::size_t size = 0;
    if (record == nullptr || ares_dns_write(record, &bytes, &size) != ARES_SUCCESS) return {};
    std::string message(reinterpret_cast<const char*>(bytes), size);
    ares_free_string(bytes);
    return message;
}

ares_dns_rr_t* add(ares_dns_record_t* record, DnsSection section, const std::string& name,
                   ares_dns_rec_type_t type) {
    ares_dns_rr_t* rr = nullptr;
    if (record == nullptr ||
        ares_dns_record_rr_add(&rr, record, static_cast<ares_dns_section_t>(section), name.c_str(),
                               type, ARES_CLASS_IN, limits::dns_ttl_seconds) != ARES_SUCCESS)
        return nullptr;
    return rr;
}

} // namespace

Result<DnsQuestion> read_question(ByteView message) {
    if (message.size() < header_size) return fail(ErrorCode::invalid, "shorter than a header");
    DnsQuestion question;
    question.id = word(message, 0);
    question.flags = word(message, 2);
    if (word(message, 4) != 1) return fail(ErrorCode::invalid, "not exactly one question");
    std::size_t at = header_size;
    while (true) {
        if (at >= message.size()) return fail(ErrorCode::invalid, "the name is cut off");
        const std::size_t length = message[at];
        if (length == 0) break;
        if (length > 63) return fail(ErrorCode::invalid, "a question's name must be plain labels");
        if (at + 1 + length >= message.size() || at + 1 + length - header_size >= max_name)
            return fail(ErrorCode::invalid, "the name is cut off or too long");
        append_label(question.name, message.subspan(at + 1, length));
        at += 1 + length;
    }
    if (at + 5 > message.size()) return fail(ErrorCode::invalid, "the question is cut off");
    question.type = word(message, at + 1);
    question.class_ = word(message, at + 3);
    question.end = at + 5;
    return question;
}

Result<DnsQuery> parse_query(ByteView message) {
    ares_dns_record_t* parsed = nullptr;
    if (ares_dns_parse(message.data(), message.size(), 0, &parsed) != ARES_SUCCESS)
        return fail(ErrorCode::invalid, "not a DNS message");
    const RecordPtr record(parsed);
    const char* name = nullptr;
    ares_dns_rec_type_t type{};
    ares_dns_class_t class_{};
    if (ares_dns_record_query_get(record.get(), 0, &name, &type, &class_) != ARES_SUCCESS)
        return fail(ErrorCode::invalid, "no question");
    DnsQuery query;
    query.id = ares_dns_record_get_id(record.get());
    query.name = name;
    query.type = static_cast<std::uint16_t>(type);
    query.class_ = static_cast<std::uint16_t>(class_);
    query.recursion_desired = (ares_dns_record_get_flags(record.get()) & ARES_FLAG_RD) != 0;
    if (const ares_dns_rr_t* opt = find_opt(record.get()); opt != nullptr) {
        query.edns = true;
        query.udp_size =
            std::max<std::uint16_t>(512, ares_dns_rr_get_u16(opt, ARES_RR_OPT_UDP_SIZE));
    }
    return query;
}

DnsWriter::DnsWriter(const DnsQuery& query, int rcode)
    : query_(query), record_(begin_answer(query, rcode, 0)), good_(record_ != nullptr) {}

DnsWriter::~DnsWriter() {
    ares_dns_record_destroy(record_);
}

void DnsWriter::add_address(DnsSection section, const std::string& name, const IpAddress& address) {
    const bool v4 = address.is_v4();
    ares_dns_rr_t* rr = add(record_, section, name, v4 ? ARES_REC_TYPE_A : ARES_REC_TYPE_AAAA);
    if (rr == nullptr) {
        good_ = false;
    } else if (v4) {
        const in_addr raw{.s_addr = htonl(address.v4_host_order())};
        good_ = good_ && ares_dns_rr_set_addr(rr, ARES_RR_A_ADDR, &raw) == ARES_SUCCESS;
    } else {
        ares_in6_addr raw{};
        std::memcpy(&raw, address.bytes().data(), 16);
        good_ = good_ && ares_dns_rr_set_addr6(rr, ARES_RR_AAAA_ADDR, &raw) == ARES_SUCCESS;
    }
}

void DnsWriter::add_srv(const std::string& name, std::uint16_t weight, std::uint16_t port,
                        const std::string& target) {
    ares_dns_rr_t* rr = add(record_, DnsSection::answer, name, ARES_REC_TYPE_SRV);
    good_ = good_ && rr != nullptr &&
            ares_dns_rr_set_u16(rr, ARES_RR_SRV_PRIORITY, 1) == ARES_SUCCESS &&
            ares_dns_rr_set_u16(rr, ARES_RR_SRV_WEIGHT, weight) == ARES_SUCCESS &&
            ares_dns_rr_set_u16(rr, ARES_RR_SRV_PORT, port) == ARES_SUCCESS &&
            ares_dns_rr_set_str(rr, ARES_RR_SRV_TARGET, target.c_str()) == ARES_SUCCESS;
}

void DnsWriter::add_ptr(const std::string& name, const std::string& target) {
    ares_dns_rr_t* rr = add(record_, DnsSection::answer, name, ARES_REC_TYPE_PTR);
    good_ = good_ && rr != nullptr &&
            ares_dns_rr_set_str(rr, ARES_RR_PTR_DNAME, target.c_str()) == ARES_SUCCESS;
}

void DnsWriter::add_soa(DnsSection section, const std::string& domain, std::uint32_t serial) {
    ares_dns_rr_t* rr = add(record_, section, domain, ARES_REC_TYPE_SOA);
    good_ = good_ && rr != nullptr &&
            ares_dns_rr_set_str(rr, ARES_RR_SOA_MNAME, domain.c_str()) == ARES_SUCCESS &&
            ares_dns_rr_set_str(rr, ARES_RR_SOA_RNAME, ("hostmaster." + domain).c_str()) ==
                ARES_SUCCESS &&
            ares_dns_rr_set_u32(rr, ARES_RR_SOA_SERIAL, serial) == ARES_SUCCESS &&
            ares_dns_rr_set_u32(rr, ARES_RR_SOA_REFRESH, 60) == ARES_SUCCESS &&
            ares_dns_rr_set_u32(rr, ARES_RR_SOA_RETRY, 60) == ARES_SUCCESS &&
            ares_dns_rr_set_u32(rr, ARES_RR_SOA_EXPIRE, 3600) == ARES_SUCCESS &&
            ares_dns_rr_set_u32(rr, ARES_RR_SOA_MINIMUM, limits::dns_ttl_seconds) == ARES_SUCCESS;
}

std::string DnsWriter::finish(std::size_t limit) {
    if (!good_) return {};
    std::string message = write(record_);
    if (message.size() <= limit) return message;
    const RecordPtr truncated(begin_answer(query_, dns_no_error, ARES_FLAG_TC));
    return write(truncated.get());
}

std::string error_answer(ByteView query, int rcode) {
    if (query.size() < header_size || (word(query, 2) & response_bit) != 0) return {};
    const auto question = read_question(query);
    std::string message(as_text(query.first(question ? question->end : header_size)));
    const auto flags = static_cast<std::uint16_t>(
        response_bit | (word(query, 2) & (opcode_bits | recursion_desired)) | recursion_available |
        (rcode & 0xf));
    put_word(message, 2, flags);
    put_word(message, 4, question ? 1 : 0);
    for (const std::size_t count : {6, 8, 10}) put_word(message, count, 0);
    return message;
}

bool answers(ByteView response, ByteView query) {
    const auto asked = read_question(query), answered = read_question(response);
    return asked && answered && answered->is_response() && answered->id == asked->id &&
           answered->name == asked->name && answered->type == asked->type &&
           answered->class_ == asked->class_;
}

void set_dns_id(std::string& message, std::uint16_t id) {
    if (message.size() >= header_size) put_word(message, 0, id);
}

std::uint16_t dns_id(ByteView message) {
    return message.size() < header_size ? std::uint16_t{0} : word(message, 0);
}

int dns_rcode(ByteView message) {
    return message.size() < header_size ? dns_server_failure : word(message, 2) & 0xf;
}

} // namespace hawser::host
