#include "store/snapshot_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <format>

#include "base/limits.h"

namespace hawser::store {

namespace {

// Closed when it goes out of scope.
class Descriptor {
  public:
    explicit Descriptor(int descriptor) : descriptor_(descriptor) {}
    Descriptor(const Descriptor&) = delete;
    Descriptor& operator=(const Descriptor&) = delete;
    ~Descriptor() {
        if (descriptor_ >= 0) ::close(descriptor_);
    }
    [[nodiscard]] int get() const { return descriptor_; }

  private:
    int descriptor_;
};

// A new name is in its directory only once that was written too.
Result<void> sync_directory_of(const std::string& path) {
    std::string directory = std::filesystem::path(path).parent_path().string();
    if (directory.empty()) directory = ".";
    const Descriptor opened(::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (opened.get() < 0 || ::fsync(opened.get()) != 0) {
        return fail_errno(errno, "writing the directory " + directory);
    }
    return {};
}

Result<void> parse_file(const std::string& path, SnapshotParser& parser) {
    const Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    if (file.get() < 0) return fail_errno(errno, "opening " + path);
    std::string buffer(limits::snapshot_chunk_bytes, '\0');
    while (true) {
        const ssize_t got = ::read(file.get(), buffer.data(), buffer.size());
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return fail_errno(errno, "reading " + path);
        if (got == 0) break;
        const Result<void> taken =
            parser.add(std::string_view(buffer).substr(0, static_cast<std::size_t>(got)));
        if (!taken) return fail(taken.error(), path);
    }
    if (Result<void> complete = parser.finish(); !complete) return fail(complete.error(), path);
    return {};
}

} // namespace

Result<SnapshotFile> SnapshotFile::create(const std::string& path) {
    SnapshotFile snapshot(path, -1);
    const std::string partial = snapshot.partial_path();
    snapshot.file_ =
        ::open(partial.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (snapshot.file_ < 0) return fail_errno(errno, "opening " + partial);
    if (::fchmod(snapshot.file_, 0600) != 0) return fail_errno(errno, "making " + partial);
    return snapshot;
}

SnapshotFile::~SnapshotFile() {
    if (file_ < 0) return;
    ::close(file_);
    ::unlink(partial_path().c_str());
}

std::string SnapshotFile::partial_path() const {
    return path_ + ".partial";
}

Result<void> SnapshotFile::append(std::string_view bytes) {
    size_ += bytes.size();
    if (size_ > limits::snapshot_bytes) {
        return fail(ErrorCode::resource_exhausted, path_ + ": more than a snapshot may have");
    }
    while (!bytes.empty()) {
        const ssize_t written = ::write(file_, bytes.data(), bytes.size());
        if (written < 0 && errno == EINTR) continue;
        if (written < 0) return fail_errno(errno, "writing " + partial_path());
        bytes.remove_prefix(static_cast<std::size_t>(written));
    }
    return {};
}

Result<void> SnapshotFile::keep() {
    if (::fsync(file_) != 0) return fail_errno(errno, "writing " + partial_path());
    if (::rename(partial_path().c_str(), path_.c_str()) != 0) {
        return fail_errno(errno, "naming " + path_);
    }
    ::close(std::exchange(file_, -1));
    return sync_directory_of(path_);
}

Result<SnapshotSummary> inspect_snapshot(const std::string& path) {
    SnapshotSummary summary;
    SnapshotParser parser([&summary](const model::Change& row) -> Result<void> {
        ++summary.rows[row.kind];
        return {};
    });
    if (Result<void> read = parse_file(path, parser); !read) return fail(std::move(read.error()));
    summary.header = *parser.header();
    summary.sha256 = parser.sha256();
    summary.bytes = parser.bytes();
    return summary;
}

Result<Snapshot> read_snapshot(const std::string& path) {
    Snapshot snapshot;
    SnapshotParser parser([&snapshot](model::Change row) -> Result<void> {
        snapshot.rows.push_back(std::move(row));
        return {};
    });
    if (Result<void> read = parse_file(path, parser); !read) return fail(std::move(read.error()));
    snapshot.header = *parser.header();
    return snapshot;
}

} // namespace hawser::store
