// Queries and readable answers for the DNS tests, made without the code under test.
#pragma once

#include <doctest/doctest.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/ip.h"

namespace hawser::host::test {

inline std::string word(unsigned value) {
    return {static_cast<char>(value >> 8), static_cast<char>(value)};
}

inline std::string wire_name(std::string_view name) {
    std::string bytes;
    while (!name.empty()) {
        const auto dot = std::min(name.find('.'), name.size());
        bytes += static_cast<char>(dot);
        bytes.append(name.substr(0, dot));
        name.remove_prefix(std::min(dot + 1, name.size()));
    }
    return bytes + '\0';
}

struct QueryOptions {
    unsigned id = 0x1234;
    unsigned flags = 0x0100; // recursion desired
    unsigned edns_size = 0;  // 0: no OPT record
    unsigned class_ = 1;
};
inline std::string query(std::string_view name, unsigned type, QueryOptions options = {}) {
    std::string bytes = word(options.id) + word(options.flags) + word(1) + word(0) + word(0) +
                        word(options.edns_size != 0 ? 1 : 0);
    bytes += wire_name(name) + word(type) + word(options.class_);
    if (options.edns_size != 0)
        bytes +=
            std::string(1, '\0') + word(41) + word(options.edns_size) + word(0) + word(0) + word(0);
    return bytes;
}

// An answer as an upstream gives it: the query's question, and one A record when `address` is not
// 0.
inline std::string upstream_answer(std::string query, unsigned rcode, std::uint32_t address) {
    query[2] = static_cast<char>(0x81);
    query[3] = static_cast<char>(0x80 | rcode);
    if (address == 0) return query;
    query[7] = 1;
    return query + word(0xc00c) + word(1) + word(1) + word(0) + word(60) + word(4) +
           word(address >> 16) + word(address & 0xffff);
}

// A message in readable form; each record is "section name type data".
struct Answer {
    unsigned id = 0, rcode = 0;
    bool response = false, authoritative = false, truncated = false, edns = false;
    std::string question;
    std::vector<std::string> records;
    [[nodiscard]] bool has(std::string_view record) const {
        return std::ranges::find(records, record) != records.end();
    }
};

class AnswerReader {
  public:
    explicit AnswerReader(std::string_view bytes) : bytes_(bytes) {}

    Answer read() {
        Answer answer;
        answer.id = number(2);
        const unsigned flags = number(2);
        answer.response = (flags & 0x8000) != 0;
        answer.authoritative = (flags & 0x0400) != 0;
        answer.truncated = (flags & 0x0200) != 0;
        answer.rcode = flags & 0xf;
        const unsigned questions = number(2);
        const unsigned counts[3] = {number(2), number(2), number(2)};
        for (unsigned i = 0; i < questions; ++i)
            answer.question =
                name() + " " + std::to_string(number(2)) + " " + std::to_string(number(2));
        for (int section = 0; section < 3; ++section)
            for (unsigned i = 0; i < counts[section]; ++i) record(answer, section);
        CHECK(at_ == bytes_.size());
        return answer;
    }

  private:
    unsigned number(int bytes) {
        unsigned value = 0;
        for (; bytes > 0; --bytes) {
            REQUIRE(at_ < bytes_.size());
            value = value << 8 | static_cast<unsigned char>(bytes_[at_++]);
        }
        return value;
    }
    std::string name() {
        std::string text;
        std::size_t back = 0;
        for (int guard = 0; guard < 128; ++guard) {
            const unsigned length = number(1);
            if (length == 0) break;
            if (length >= 0xc0) {
                const std::size_t target = (length & 0x3f) << 8 | number(1);
                if (back == 0) back = at_;
                at_ = target;
                continue;
            }
            if (!text.empty()) text += '.';
            for (unsigned i = 0; i < length; ++i) text += static_cast<char>(number(1));
        }
        if (back != 0) at_ = back;
        return text;
    }
    void record(Answer& answer, int section) {
        const std::string owner = name();
        const unsigned type = number(2), class_or_size = number(2), ttl = number(4),
                       length = number(2);
        const std::size_t end = at_ + length;
        if (type == 41) {
            answer.edns = true;
            CHECK(class_or_size == 1232);
            at_ = end;
            return;
        }
        const std::string text =
            std::string(1, "nsa"[section]) + " " + owner + " " + data(type, end);
        CHECK(ttl <= 60);
        REQUIRE(at_ == end);
        answer.records.push_back(text);
    }
    std::string data(unsigned type, std::size_t end) {
        if (type == 1) return "A " + IpAddress::v4(number(4)).to_string();
        if (type == 28) {
            std::array<std::uint8_t, 16> address;
            for (auto& byte : address) byte = static_cast<std::uint8_t>(number(1));
            return "AAAA " + IpAddress::v6(address).to_string();
        }
        if (type == 12) return "PTR " + name();
        if (type == 33) {
            number(2); // priority
            const unsigned weight = number(2), port = number(2);
            return "SRV " + std::to_string(weight) + " " + std::to_string(port) + " " + name();
        }
        if (type == 6) {
            const std::string primary = name(), mailbox = name();
            const unsigned serial = number(4);
            at_ = end;
            return "SOA " + primary + " " + mailbox + " " + std::to_string(serial);
        }
        at_ = end;
        return "type " + std::to_string(type);
    }

    std::string_view bytes_;
    std::size_t at_ = 0;
};

inline Answer read_answer(std::string_view bytes) {
    return AnswerReader(bytes).read();
}

} // namespace hawser::host::test
