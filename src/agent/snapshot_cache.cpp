#include "agent/snapshot_cache.h"

#include <chrono>
#include <string_view>
#include <utility>

#include "base/bytes.h"
#include "host/files.h"
#include "log/log.h"

namespace hawser::agent {
namespace {

constexpr std::string_view format_line = "hawser snapshot 1\n";
constexpr std::size_t checksum_size = 8; // hexadecimal
constexpr std::size_t most_bytes = std::size_t{1} << 30;
constexpr std::chrono::seconds between_writes{1};

std::string checksum(std::string_view bytes) {
    const std::uint32_t value = crc32c(as_bytes(bytes));
    const std::uint8_t order[4] = {
        static_cast<std::uint8_t>(value >> 24), static_cast<std::uint8_t>(value >> 16),
        static_cast<std::uint8_t>(value >> 8), static_cast<std::uint8_t>(value)};
    return to_hex(order);
}

} // namespace

std::string encode_cache(const v1::MeshChanges& state) {
    const std::string message = state.SerializeAsString();
    std::string content(format_line);
    content += checksum(message);
    content += message;
    return content;
}

Result<v1::MeshChanges> decode_cache(std::string_view content) {
    if (!content.starts_with(format_line)) return fail(ErrorCode::corrupt, "not a snapshot");
    content.remove_prefix(format_line.size());
    if (content.size() < checksum_size) return fail(ErrorCode::corrupt, "cut off");
    const std::string_view message = content.substr(checksum_size);
    if (content.substr(0, checksum_size) != checksum(message))
        return fail(ErrorCode::corrupt, "the checksum is wrong");
    v1::MeshChanges state;
    if (!state.ParseFromArray(message.data(), static_cast<int>(message.size())))
        return fail(ErrorCode::corrupt, "not a valid message");
    return state;
}

SnapshotCache::SnapshotCache(std::string file)
    : file_(std::move(file)), writer_([this] { write_until_stopped(); }) {}

SnapshotCache::~SnapshotCache() {
    flush();
}

Result<std::optional<v1::MeshChanges>> SnapshotCache::load(const std::string& file) {
    auto content = host::read_file(file, most_bytes);
    if (!content) {
        if (content.error().code == ErrorCode::not_found) return std::optional<v1::MeshChanges>();
        return fail(std::move(content.error()));
    }
    auto state = decode_cache(*content);
    if (!state) return fail(std::move(state.error()), file);
    return std::optional(std::move(*state));
}

void SnapshotCache::save(v1::MeshChanges state) {
    const std::lock_guard lock(mutex_);
    if (stopping_) return;
    waiting_ = std::move(state);
    wake_.notify_one();
}

void SnapshotCache::flush() {
    {
        const std::lock_guard lock(mutex_);
        stopping_ = true;
        wake_.notify_one();
    }
    if (writer_.joinable()) writer_.join();
}

void SnapshotCache::write_until_stopped() {
    std::unique_lock lock(mutex_);
    while (true) {
        wake_.wait(lock, [this] { return stopping_ || waiting_; });
        if (!waiting_) return;
        const v1::MeshChanges state = std::move(*waiting_);
        waiting_.reset();
        lock.unlock();
        if (auto written = host::write_file(file_, encode_cache(state), 0600); !written)
            log::warn("the mesh snapshot was not cached", {{"error", written.error()}});
        lock.lock();
        wake_.wait_for(lock, between_writes, [this] { return stopping_; });
    }
}

} // namespace hawser::agent
