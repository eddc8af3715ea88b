// The records: RFC 8448's numbers, every rule of RFC 8446 §5 that a peer can break, and key
// updates, which mbedTLS itself does not know.
#include <doctest/doctest.h>

#include <algorithm>
#include <array>

#include "base/bytes.h"
#include "tls/records.h"

using namespace hawser;
using namespace hawser::tls;

namespace {

const CipherSuite& aes128() {
    return *find_cipher_suite(0x1301);
}

TrafficSecret secret_of(std::string_view bytes) {
    TrafficSecret secret(bytes.size());
    std::ranges::copy(as_bytes(bytes), secret.data());
    return secret;
}

TrafficSecret any_secret() {
    return secret_of(std::string(32, 'k'));
}

void add(LinearBuffer& buffer, std::string_view bytes) {
    const auto room = buffer.prepare(bytes.size());
    REQUIRE(room.size() >= bytes.size());
    std::ranges::copy(as_bytes(bytes), room.begin());
    buffer.commit(bytes.size());
}

std::string take(LinearBuffer& buffer) {
    std::string bytes(as_text(buffer.view()));
    buffer.consume(bytes.size());
    return bytes;
}

// Seals any record, as a peer might that keeps no rule.
class Forge {
  public:
    std::string record(std::uint8_t type, std::string_view content, std::size_t padding = 0) {
        return inner(std::string(content) + static_cast<char>(type) + std::string(padding, '\0'));
    }
    std::string inner(std::string text) {
        const std::size_t body = text.size() + tag_bytes;
        const std::array<std::uint8_t, 5> header = {23, 3, 3, static_cast<std::uint8_t>(body >> 8),
                                                    static_cast<std::uint8_t>(body)};
        const std::size_t count = text.size();
        text.resize(body);
        keys.seal(header, reinterpret_cast<std::uint8_t*>(text.data()), count);
        return std::string(as_text(header)) + text;
    }
    TrafficKeys keys{aes128(), any_secret()};
};

struct Reading {
    RecordReader reader{aes128(), any_secret()};
    LinearBuffer input{block_bytes};

    std::expected<RecordReader::Outcome, RecordReader::Failure> next(std::string_view bytes) {
        add(input, bytes);
        std::array<std::uint8_t, 20'000> plaintext;
        auto outcome = reader.next(input, plaintext);
        text = outcome ? as_text(ByteView(plaintext).first(outcome->count)) : "";
        return outcome;
    }
    std::string text;
};

constexpr std::uint8_t alert = 21, handshake = 22, data = 23;
using Event = RecordReader::Event;

} // namespace

TEST_CASE("keys and a record of RFC 8448, section 3") {
    const auto secret = secret_of(
        from_hex("9e40646ce79a7f9dc05af8889bce6552875afa0b06df0087f792ebb7c17504a5").value());
    std::array<std::uint8_t, 16> key;
    std::array<std::uint8_t, 12> iv;
    expand_label(aes128(), secret, "key", key);
    expand_label(aes128(), secret, "iv", iv);
    CHECK(to_hex(key) == "17422dda596ed5d9acd890e3c63f5051");
    CHECK(to_hex(iv) == "5b78923dee08579033e523d9");

    std::string plaintext;
    for (int i = 0; i < 50; ++i) plaintext.push_back(static_cast<char>(i));
    LinearBuffer output(outbound_bytes);
    RecordWriter writer(aes128(), secret);
    REQUIRE(writer.write(as_bytes(plaintext), output));
    CHECK(
        to_hex(output.view()) ==
        "1703030043a23f7054b62c94d0affafe8228ba55cbefacea42f914aa66bcab3f2b9819a8a5b46b395bd54a9a2"
        "0441e2b62974e1f5a6292a2977014bd1e3deae63aeebb21694915e4");
    std::array<std::uint8_t, 100> read;
    RecordReader reader(aes128(), secret);
    const auto outcome = reader.next(output, read);
    REQUIRE(outcome);
    CHECK(as_text(ByteView(read).first(outcome->count)) == plaintext);
}

TEST_CASE("data arrives in pieces of any size") {
    Forge forge;
    Reading side;
    const std::string record = forge.record(data, "hello", 7);
    for (const char byte : record.substr(0, record.size() - 1))
        CHECK(side.next({&byte, 1})->event == Event::need_more);
    CHECK(side.next(record.substr(record.size() - 1))->event == Event::data);
    CHECK(side.text == "hello");
    CHECK(side.input.empty());

    // A small buffer takes a record in turns, also when more arrives meanwhile.
    add(side.input, forge.record(data, "abcdef"));
    std::array<std::uint8_t, 4> small;
    CHECK(side.reader.next(side.input, small)->count == 4);
    add(side.input, forge.record(data, "ghi"));
    CHECK(side.reader.next(side.input, small)->count == 2);
    CHECK(small[1] == 'f');
    CHECK(side.reader.next(side.input, small)->count == 3);
    CHECK(side.reader.next(side.input, small)->event == Event::need_more);
}

TEST_CASE("each rule that a record breaks has its reason and its alert") {
    struct Broken {
        std::string record;
        Alert alert;
        std::string_view message;
    };
    Forge forge;
    const auto fresh = [&forge](auto make) {
        forge.~Forge();
        new (&forge) Forge;
        return make();
    };
    const std::string header("\x17\x03\x03", 3);
    const std::vector<Broken> cases = {
        {std::string("\x14\x03\x03\x00\x01\x01", 6), Alert::unexpected_message,
         "unexpected kind of TLS record"},
        {std::string("\x17\x04\x03\x00\x20", 5), Alert::unexpected_message,
         "unexpected kind of TLS record"},
        {header + "\x41\x01", Alert::record_overflow, "TLS record too long"},
        {header + std::string("\x00\x10", 2) + std::string(16, 'x'), Alert::bad_record_mac,
         "TLS record too short"},
        {header + std::string("\x00\x20", 2) + std::string(32, 'x'), Alert::bad_record_mac,
         "TLS record was changed on its way"},
        {fresh([&] { return forge.inner(std::string(20, '\0')); }), Alert::unexpected_message,
         "TLS record without a type"},
        {fresh([&] { return forge.record(data, std::string(16'385, 'x')); }),
         Alert::record_overflow, "TLS record too long"},
        {fresh([&] { return forge.record(20, "\x01"); }), Alert::unexpected_message,
         "unexpected kind of TLS record"},
        {fresh([&] { return forge.record(99, "?"); }), Alert::unexpected_message,
         "unexpected kind of TLS record"},
        {fresh([&] { return forge.record(alert, "\x02"); }), Alert::decode_error,
         "malformed TLS alert"},
        {fresh([&] { return forge.record(handshake, ""); }), Alert::unexpected_message,
         "empty TLS handshake record"},
        {fresh([&] { return forge.record(handshake, std::string("\x01\0\0\x01x", 5)); }),
         Alert::unexpected_message, "unexpected TLS handshake message"},
        {fresh([&] { return forge.record(handshake, std::string("\x18\0\0\x02\0\0", 6)); }),
         Alert::unexpected_message, "unexpected TLS handshake message"},
        {fresh([&] { return forge.record(handshake, std::string("\x18\0\0\x01\x02", 5)); }),
         Alert::illegal_parameter, "malformed TLS key update"},
        {fresh([&] { return forge.record(handshake, std::string("\x18\0\0\x01\0\x18", 6)); }),
         Alert::illegal_parameter, "malformed TLS key update"},
        {fresh([&] { return forge.record(handshake, "\x04\x7f\x01\x01"); }), Alert::decode_error,
         "TLS session ticket too long"},
        {fresh([&] {
             return forge.record(handshake, std::string("\x04\0\0\x09", 4)) +
                    forge.record(data, "x");
         }),
         Alert::unexpected_message, "TLS message interrupted by other records"},
    };
    for (const Broken& broken : cases) {
        CAPTURE(std::string(broken.message));
        Reading side;
        auto outcome = side.next(broken.record);
        if (outcome && outcome->count == 0 && outcome->event == Event::data)
            outcome = side.next({});
        REQUIRE_FALSE(outcome);
        CHECK(outcome.error().error.message == broken.message);
        CHECK(outcome.error().alert == broken.alert);
        CHECK(outcome.error().error.code == ErrorCode::corrupt);
    }
}

TEST_CASE("a record survives no changed byte, no repetition and no omission") {
    Forge forge;
    const std::string first = forge.record(data, "first"), second = forge.record(data, "second");
    for (std::size_t at = 0; at < first.size(); ++at) {
        std::string changed = first;
        changed[at] = static_cast<char>(changed[at] ^ 1);
        Reading side;
        const auto outcome = side.next(changed);
        CHECK((!outcome || outcome->event == Event::need_more));
    }
    Reading repeated, omitted;
    CHECK(repeated.next(first));
    CHECK_FALSE(repeated.next(first));
    CHECK_FALSE(omitted.next(second));
}

TEST_CASE("close_notify ends the data, other alerts are the peer's refusal") {
    {
        Forge forge;
        Reading side;
        CHECK(side.next(forge.record(alert, std::string("\x01\x5a", 2)))->event == Event::data);
        CHECK(side.next(forge.record(alert, std::string("\x01\0", 2)))->event == Event::closed);
    }
    for (const auto& [code, message] : {std::pair{'\x2d', "the peer refused: certificate expired"},
                                        std::pair{'\x50', "the peer refused: internal error"},
                                        std::pair{'\x7f', "the peer refused: alert 127"}}) {
        Forge forge;
        Reading side;
        const auto outcome = side.next(forge.record(alert, std::string("\x02") + code));
        REQUIRE_FALSE(outcome);
        CHECK(outcome.error().error.message == message);
        CHECK_FALSE(outcome.error().alert); // none is sent back
    }
}

TEST_CASE("tickets are skipped, however they are cut up") {
    Forge forge;
    Reading side;
    const std::string ticket = std::string("\x04\0\x01\x2c", 4) + std::string(300, 't');
    CHECK(side.next(forge.record(handshake, ticket))->event == Event::data);
    CHECK(side.next(forge.record(handshake, ticket + ticket.substr(0, 2)))->event == Event::data);
    CHECK(side.next(forge.record(handshake, ticket.substr(2, 100)))->event == Event::data);
    CHECK(side.next(forge.record(handshake, ticket.substr(102)))->event == Event::data);
    CHECK(side.next(forge.record(data, "after"))->count == 5);
    CHECK(side.text == "after");
}

TEST_CASE("the peer's key updates are followed, and answered with the next write") {
    Forge forge;
    Reading side;
    CHECK(side.next(forge.record(data, "old"))->count == 3);
    CHECK(side.next(forge.record(handshake, std::string("\x18\0\0\x01\0", 5)))->event ==
          Event::data);
    forge.keys.update();
    CHECK(side.next(forge.record(data, "new"))->count == 3);
    CHECK(side.text == "new");
    // In two records, and asking for ours.
    CHECK(side.next(forge.record(handshake, std::string("\x18\0", 2)))->event == Event::data);
    CHECK(side.next(forge.record(handshake, std::string("\0\x01\x01", 3)))->event ==
          Event::key_request);
    forge.keys.update();
    CHECK(side.next(forge.record(data, "newer"))->count == 5);

    RecordWriter writer(aes128(), any_secret());
    LinearBuffer output(outbound_bytes);
    REQUIRE(writer.write(as_bytes("before"), output));
    writer.request_update();
    writer.request_update(); // twice before we write: one answer
    REQUIRE(writer.write(as_bytes("after"), output));
    Reading other;
    CHECK(other.next(take(output))->count == 6);
    CHECK(other.next({})->event == Event::data); // the update
    CHECK(other.next({})->count == 5);
    CHECK(other.text == "after");
    CHECK(other.next({})->event == Event::need_more);
}

TEST_CASE("records that carry nothing are counted") {
    Forge forge;
    Reading side;
    for (int i = 0; i < 32; ++i) REQUIRE(side.next(forge.record(data, "")));
    CHECK(side.next(forge.record(data, "x"))->count == 1); // and begins anew
    for (int i = 0; i < 32; ++i) REQUIRE(side.next(forge.record(data, "")));
    const auto outcome = side.next(forge.record(data, ""));
    REQUIRE_FALSE(outcome);
    CHECK(outcome.error().error.message == "too many TLS records without data");
}

TEST_CASE("writes are cut into full records, back to back, up to the bound") {
    LinearBuffer output(outbound_bytes);
    RecordWriter writer(aes128(), any_secret());
    const std::string text(40'000, 'x');
    REQUIRE(writer.write(as_bytes(text), output));
    CHECK(output.size() == sealed_size(text.size()));
    CHECK(sealed_size(text.size()) == text.size() + 3 * record_overhead);
    CHECK(sealed_size(0) == 0);
    REQUIRE(writer.write({}, output));
    CHECK(output.size() == sealed_size(text.size()));

    const std::size_t before = output.size();
    const std::string huge(outbound_bytes, 'x');
    const auto refused = writer.write(as_bytes(huge), output);
    REQUIRE_FALSE(refused);
    CHECK(refused.error().code == ErrorCode::resource_exhausted);
    CHECK(output.size() == before);
    // What is refused leaves no gap in the sequence.
    REQUIRE(writer.write(as_bytes("end"), output));
    RecordReader reader(aes128(), any_secret());
    std::array<std::uint8_t, 20'000> plaintext;
    std::size_t total = 0;
    for (int i = 0; i < 4; ++i) total += reader.next(output, plaintext)->count;
    CHECK(total == 40'003);
    CHECK(output.empty());
}
