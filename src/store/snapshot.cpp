#include "store/snapshot.h"

#include <algorithm>
#include <format>
#include <utility>

#include "base/bytes.h"
#include "base/limits.h"
#include "model/command.h"
#include "store/fields.h"

namespace hawser::store {

namespace {

constexpr std::string_view magic = "hawser snapshot\n";
constexpr std::uint64_t format_version = 1;
constexpr std::size_t opening_bytes = magic.size() + 8;
constexpr std::size_t frame_head_bytes = 16;
// A frame is closed when it is large enough, so the last row may be the largest there is.
constexpr std::size_t largest_payload = limits::snapshot_chunk_bytes + limits::rpc_message_bytes;
constexpr std::size_t hash_bytes = 32;

enum class FrameKind : char { header = 'H', rows = 'R', end = 'E' };

std::unexpected<Error> corrupt(std::string message) {
    return fail(ErrorCode::corrupt, "the snapshot " + std::move(message));
}

std::string opening() {
    FieldWriter fields;
    fields.number(format_version);
    return std::string(magic) + fields.bytes();
}

std::string make_frame(FrameKind kind, std::string_view content) {
    const std::string payload = static_cast<char>(kind) + std::string(content);
    FieldWriter head;
    head.number(payload.size()).number(crc32c(as_bytes(payload)));
    return std::move(head).take() + payload;
}

std::string encode(const SnapshotHeader& header) {
    FieldWriter fields;
    fields.text(header.trust_domain);
    fields.number(header.base.position.index).number(header.base.position.term);
    fields.text(raft::encode(header.base.configuration));
    fields.number(header.rows).number(header.level);
    fields.number(static_cast<std::uint64_t>(header.made_at));
    fields.text(header.made_by).text(header.meta);
    return std::move(fields).take();
}

Result<SnapshotHeader> decode_header(std::string_view bytes) {
    FieldReader fields(bytes);
    SnapshotHeader header;
    header.trust_domain = fields.text();
    header.base.position.index = fields.number();
    header.base.position.term = fields.number();
    Result<raft::Configuration> members = raft::decode_configuration(fields.text());
    header.rows = fields.number();
    header.level = static_cast<std::uint32_t>(fields.number());
    header.made_at = static_cast<WallTime>(fields.number());
    header.made_by = fields.text();
    header.meta = fields.text();
    if (!fields.complete()) return corrupt("has a header of another form");
    if (!members) return fail(std::move(members.error()), "the snapshot's members");
    header.base.configuration = std::move(*members);
    return header;
}

} // namespace

// --- writing ---------------------------------------------------------------------------------

SnapshotSource::SnapshotSource(SnapshotHeader header, std::vector<model::Change> rows)
    : header_(std::move(header)), rows_(std::move(rows)) {
    header_.rows = rows_.size();
    encode_next();
}

Result<SnapshotSource::Piece> SnapshotSource::read(std::uint64_t offset, std::size_t most) {
    if (most == 0 || !seek(offset)) {
        return fail(ErrorCode::out_of_range,
                    std::format("the snapshot has nothing at byte {}", offset));
    }
    const std::uint64_t skip = offset - frames_[current_frame_].offset;
    Piece piece{.bytes = current_.substr(skip, most), .last = false};
    piece.last = ended_ && offset + piece.bytes.size() == next_offset_;
    return piece;
}

bool SnapshotSource::seek(std::uint64_t offset) {
    while (offset >= next_offset_ && !ended_) encode_next();
    if (offset >= next_offset_) return false;
    const auto behind = std::ranges::upper_bound(frames_, offset, {}, &Frame::offset);
    const auto frame = static_cast<std::size_t>(behind - frames_.begin()) - 1;
    if (frame == current_frame_) return true;
    // What was passed is made again: the opening with its header, rows, or the hash of it all.
    current_frame_ = frame;
    std::size_t row = frames_[frame].first_row;
    if (frame == 0) {
        current_ = opening() + make_frame(FrameKind::header, encode(header_));
    } else if (row < rows_.size()) {
        current_ = encode_rows(row);
    } else {
        current_ = make_frame(FrameKind::end, hash_.digest());
    }
    return true;
}

void SnapshotSource::encode_next() {
    current_frame_ = frames_.size();
    frames_.push_back({.offset = next_offset_, .first_row = next_row_});
    if (current_frame_ == 0) {
        current_ = opening() + make_frame(FrameKind::header, encode(header_));
    } else if (next_row_ < rows_.size()) {
        current_ = encode_rows(next_row_);
    } else {
        current_ = make_frame(FrameKind::end, hash_.digest());
        ended_ = true;
    }
    next_offset_ += current_.size();
    if (!ended_) hash_.add(as_bytes(current_));
}

std::string SnapshotSource::encode_rows(std::size_t& row) const {
    FieldWriter fields;
    for (; row < rows_.size() && fields.bytes().size() < limits::snapshot_chunk_bytes; ++row) {
        const model::Change& change = rows_[row];
        fields.number(static_cast<std::uint64_t>(change.kind)).number(change.index);
        fields.text(model::encode(*change.value));
    }
    return make_frame(FrameKind::rows, fields.bytes());
}

// --- reading ---------------------------------------------------------------------------------

Result<void> SnapshotParser::add(std::string_view bytes) {
    bytes_ += bytes.size();
    if (bytes_ > limits::snapshot_bytes) return corrupt("is larger than any registry");
    pending_.append(bytes);
    while (true) {
        const Result<bool> taken = opened_ ? take_frame() : take_opening();
        if (!taken) return fail(taken.error());
        if (!*taken) return {};
    }
}

Result<void> SnapshotParser::finish() const {
    if (!opened_ || sha256_.empty()) return corrupt("is cut off");
    return {};
}

Result<bool> SnapshotParser::take_opening() {
    const std::string_view seen = std::string_view(pending_).substr(0, magic.size());
    if (!magic.starts_with(seen)) {
        return fail(ErrorCode::invalid, "this is not a snapshot of hawser");
    }
    if (pending_.size() < opening_bytes) return false;
    const std::string_view begin = std::string_view(pending_).substr(0, opening_bytes);
    const std::uint64_t format = FieldReader(begin.substr(magic.size())).number();
    if (format != format_version) {
        return fail(ErrorCode::unimplemented,
                    std::format("the snapshot has format {}, this version reads {}", format,
                                format_version));
    }
    hash_.add(as_bytes(begin));
    pending_.erase(0, opening_bytes);
    opened_ = true;
    return true;
}

Result<bool> SnapshotParser::take_frame() {
    if (!sha256_.empty() && !pending_.empty()) return corrupt("goes on after its end");
    if (pending_.size() < frame_head_bytes) return false;
    FieldReader head(std::string_view(pending_).substr(0, frame_head_bytes));
    const std::uint64_t length = head.number();
    const std::uint64_t checksum = head.number();
    if (length == 0 || length > largest_payload) {
        return corrupt(std::format("has a frame of {} bytes", length));
    }
    if (pending_.size() < frame_head_bytes + length) return false;
    const std::string_view payload =
        std::string_view(pending_).substr(frame_head_bytes, static_cast<std::size_t>(length));
    if (crc32c(as_bytes(payload)) != checksum) {
        return corrupt(std::format("fails its checksum before byte {}",
                                   bytes_ - pending_.size() + frame_head_bytes + length));
    }
    if (Result<void> taken = take_payload(payload); !taken) return fail(taken.error());
    hash_.add(as_bytes(std::string_view(pending_).substr(0, frame_head_bytes + length)));
    pending_.erase(0, frame_head_bytes + static_cast<std::size_t>(length));
    return true;
}

Result<void> SnapshotParser::take_payload(std::string_view payload) {
    const std::string_view content = payload.substr(1);
    const auto kind = static_cast<FrameKind>(payload.front());
    if ((kind == FrameKind::header) == header_.has_value()) {
        return corrupt("does not begin with its header");
    }
    switch (kind) {
        case FrameKind::header: return take_header(content);
        case FrameKind::rows: return take_rows(content);
        case FrameKind::end: return take_end(content);
    }
    return corrupt("has a frame of no known kind");
}

Result<void> SnapshotParser::take_header(std::string_view fields) {
    Result<SnapshotHeader> header = decode_header(fields);
    if (!header) return fail(std::move(header.error()));
    if (header->level > model::newest_level) {
        return fail(ErrorCode::unimplemented,
                    std::format("the snapshot was made by hawser {} and needs commands of level "
                                "{}, this version knows levels up to {}",
                                printable(header->made_by), header->level, model::newest_level));
    }
    header_ = std::move(*header);
    return {};
}

Result<void> SnapshotParser::take_rows(std::string_view bytes) {
    FieldReader fields(bytes);
    while (!fields.complete()) {
        const std::uint64_t kind = fields.number();
        const std::uint64_t index = fields.number();
        const std::string value = fields.text();
        if (++rows_ > header_->rows) return corrupt("has more rows than it says");
        if (kind > static_cast<std::uint64_t>(model::last_kind) || value.empty()) {
            return corrupt("has a row of another form");
        }
        Result<model::Resource> resource = model::decode(static_cast<model::Kind>(kind), value);
        if (!resource) return fail(std::move(resource.error()), "the snapshot");
        model::Change row{.kind = static_cast<model::Kind>(kind),
                          .key = model::key_of(*resource),
                          .index = index,
                          .value = std::make_shared<const model::Resource>(std::move(*resource))};
        if (Result<void> taken = on_row_(std::move(row)); !taken) return taken;
    }
    return {};
}

Result<void> SnapshotParser::take_end(std::string_view hash) {
    if (hash.size() != hash_bytes || hash != hash_.digest()) return corrupt("fails its SHA-256");
    if (rows_ != header_->rows) {
        return corrupt(std::format("has {} rows, its header says {}", rows_, header_->rows));
    }
    sha256_ = hash;
    return {};
}

} // namespace hawser::store
