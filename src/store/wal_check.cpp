// The format is SQLite's ("WAL-mode File Format", 1–4); see wal_check.h.
#include "store/wal_check.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <format>
#include <fstream>
#include <optional>
#include <string_view>
#include <vector>

#include "base/bytes.h"

namespace hawser::store {

namespace {

constexpr std::size_t header_bytes = 32;
constexpr std::size_t frame_header_bytes = 24;
constexpr std::uint32_t magic = 0x377f'0682; // its last bit: words of checksums are big end first
constexpr std::size_t most_page_bytes = 65'536;

std::uint32_t big_endian(const std::uint8_t* at) {
    return std::uint32_t{at[0]} << 24 | std::uint32_t{at[1]} << 16 | std::uint32_t{at[2]} << 8 |
           at[3];
}
std::uint32_t little_endian(const std::uint8_t* at) {
    return std::uint32_t{at[3]} << 24 | std::uint32_t{at[2]} << 16 | std::uint32_t{at[1]} << 8 |
           at[0];
}

struct Checksum {
    std::uint32_t first = 0, second = 0;
    bool operator==(const Checksum&) const = default;

    void add(ByteView bytes, bool big) {
        for (std::size_t at = 0; at + 8 <= bytes.size(); at += 8) {
            const auto word = big ? big_endian : little_endian;
            first += word(&bytes[at]) + second;
            second += word(&bytes[at + 4]) + first;
        }
    }
    static Checksum read(const std::uint8_t* at) {
        return {.first = big_endian(at), .second = big_endian(at + 4)};
    }
};

struct Header {
    bool big = false;
    std::size_t page_bytes = 0;
    std::array<std::uint8_t, 8> salts{};
    Checksum checksum;
};

// One frame, judged by what came before it.
struct Frame {
    bool salts_right = false;
    bool commits = false; // as it says
    Checksum stored, computed;

    [[nodiscard]] bool valid() const { return salts_right && stored == computed; }
};

Frame judge(ByteView bytes, const Header& header, Checksum before) {
    Frame frame;
    frame.commits = big_endian(&bytes[4]) != 0;
    frame.salts_right = std::ranges::equal(bytes.subspan(8, 8), header.salts);
    frame.stored = Checksum::read(&bytes[16]);
    before.add(bytes.first(8), header.big);
    before.add(bytes.subspan(frame_header_bytes), header.big);
    frame.computed = before;
    return frame;
}

class Reader {
  public:
    explicit Reader(const std::string& path) : file_(path, std::ios::binary) {}

    // Empty: the file ends before.
    [[nodiscard]] ByteView read(std::size_t count) {
        buffer_.resize(count);
        file_.read(reinterpret_cast<char*>(buffer_.data()), static_cast<std::streamsize>(count));
        return file_ ? ByteView(buffer_) : ByteView();
    }

  private:
    std::ifstream file_;
    std::vector<std::uint8_t> buffer_;
};

// None: there is no log yet.
Result<std::optional<Header>> read_header(Reader& reader) {
    const ByteView bytes = reader.read(header_bytes);
    // A new file may have its length before its contents.
    if (std::ranges::all_of(bytes, [](std::uint8_t byte) { return byte == 0; }))
        return std::optional<Header>();
    Header header{.big = (bytes[3] & 1) != 0, .page_bytes = big_endian(&bytes[8])};
    std::ranges::copy(bytes.subspan(16, 8), header.salts.begin());
    header.checksum.add(bytes.first(24), header.big);
    if ((big_endian(bytes.data()) & ~1U) != magic ||
        header.checksum != Checksum::read(&bytes[24]) || header.page_bytes > most_page_bytes) {
        return fail(ErrorCode::corrupt, "its header fails its checksum");
    }
    return header;
}

// What follows a frame that is not valid. The next one's checksum continues either from what the
// damaged one says of itself or from what it holds: one of both is still as it was written.
bool transactions_follow(Reader& reader, const Header& header, const Frame& damaged) {
    bool transaction_over = damaged.commits;
    std::vector<Checksum> before{damaged.stored, damaged.computed};
    while (true) {
        const ByteView bytes = reader.read(frame_header_bytes + header.page_bytes);
        if (bytes.empty()) return false;
        std::optional<Frame> valid;
        for (const Checksum& checksum : before) {
            const Frame frame = judge(bytes, header, checksum);
            if (frame.valid()) valid = frame;
        }
        if (!valid) return false;
        if (transaction_over) return true;
        transaction_over = valid->commits;
        before = {valid->stored};
    }
}

} // namespace

Result<void> check_write_ahead_log(const std::string& path) {
    Reader reader(path);
    const auto damaged = [&](const std::string& what) {
        return fail(ErrorCode::corrupt, std::format("{} is damaged: {}", path, what));
    };
    Result<std::optional<Header>> header = read_header(reader);
    if (!header) return damaged(header.error().message);
    if (!*header) return {};
    Checksum before = (**header).checksum;
    for (std::uint64_t number = 1;; ++number) {
        const ByteView bytes = reader.read(frame_header_bytes + (**header).page_bytes);
        if (bytes.empty()) return {};
        const Frame frame = judge(bytes, **header, before);
        before = frame.computed;
        if (frame.valid()) continue;
        // With right contents only its salts can be wrong, and of an older log both would be.
        if (frame.stored == frame.computed || transactions_follow(reader, **header, frame)) {
            return damaged(std::format("frame {} fails its checksum", number));
        }
        return {};
    }
}

} // namespace hawser::store
