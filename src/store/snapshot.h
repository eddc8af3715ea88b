// A snapshot: the registry as it was after one entry of the log, as a stream of bytes. Servers send
// it to those whom the log cannot help any more, and operators keep it in files.
//
//   "hawser snapshot\n", the format's number
//   frames: length, CRC-32C, payload        (numbers as in fields.h)
//     'H' the header, first and once
//     'R' rows, in the order of kind and key
//     'E' the SHA-256 of everything before this frame, last and once
//
// Every frame is checked before it is believed, and nothing of a snapshot may be used before its
// end was: a stream that is cut off, altered, reordered or goes on is refused.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/sha256.h"
#include "base/units.h"
#include "model/row.h"
#include "raft/types.h"

namespace hawser::store {

struct SnapshotHeader {
    std::string trust_domain;
    raft::Base base; // the entry it was taken after, and who was a member then
    std::uint64_t rows = 0;
    std::uint32_t level = 0; // of commands (model/command.h) that whoever goes on from it must know
    WallTime made_at = 0;
    std::string made_by; // the version of the program
    std::string meta;    // the registry's, opaque here
    bool operator==(const SnapshotHeader&) const = default;
};

// The stream, encoded as it is read: what it holds on to are the rows themselves, which it shares
// with the registry, so that beginning one costs little. The same rows give the same bytes, so any
// part can be read again. One thread at a time.
class SnapshotSource {
  public:
    // `rows` in the order of kind and key; the header's number of them is set from them.
    SnapshotSource(SnapshotHeader header, std::vector<model::Change> rows);

    struct Piece {
        std::string bytes; // not empty, at most what was asked for
        bool last = false; // they end the stream
    };
    // Reading on costs what is read, about limits::snapshot_chunk_bytes at most; jumping ahead of
    // everything read so far costs all that is passed over.
    [[nodiscard]] Result<Piece> read(std::uint64_t offset, std::size_t most);

    [[nodiscard]] const SnapshotHeader& header() const { return header_; }

  private:
    struct Frame {
        std::uint64_t offset = 0;
        std::size_t first_row = 0;
    };
    // The place of `offset` in the stream: its frame is then in current_. False: behind the end.
    bool seek(std::uint64_t offset);
    void encode_next();
    [[nodiscard]] std::string encode_rows(std::size_t& row) const;

    SnapshotHeader header_;
    std::vector<model::Change> rows_;
    std::vector<Frame> frames_;     // encoded so far, first and second the header and what precedes
    std::size_t next_row_ = 0;      // the first that is in none of them
    std::uint64_t next_offset_ = 0; // where the next frame begins
    Sha256 hash_;                   // of everything before that
    bool ended_ = false;
    std::size_t current_frame_ = 0;
    std::string current_; // its bytes
};

// Takes the stream apart again, in pieces of any size.
class SnapshotParser {
  public:
    using RowHandler = std::function<Result<void>(model::Change row)>;
    explicit SnapshotParser(RowHandler on_row) : on_row_(std::move(on_row)) {}

    // After a failure there is no going on.
    [[nodiscard]] Result<void> add(std::string_view bytes);
    // Nothing is missing, and all of it is what was written.
    [[nodiscard]] Result<void> finish() const;

    [[nodiscard]] const std::optional<SnapshotHeader>& header() const { return header_; }
    [[nodiscard]] const std::string& sha256() const { return sha256_; } // once complete
    [[nodiscard]] std::uint64_t bytes() const { return bytes_; }

  private:
    [[nodiscard]] Result<bool> take_opening(); // false: needs more bytes
    [[nodiscard]] Result<bool> take_frame();
    [[nodiscard]] Result<void> take_payload(std::string_view payload);
    [[nodiscard]] Result<void> take_header(std::string_view fields);
    [[nodiscard]] Result<void> take_rows(std::string_view fields);
    [[nodiscard]] Result<void> take_end(std::string_view hash);

    RowHandler on_row_;
    std::string pending_; // less than a frame
    std::uint64_t bytes_ = 0;
    bool opened_ = false;
    std::optional<SnapshotHeader> header_;
    std::uint64_t rows_ = 0;
    Sha256 hash_;
    std::string sha256_; // empty: the end was not there yet
};

} // namespace hawser::store
