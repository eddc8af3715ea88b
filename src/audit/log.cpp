#include "audit/log.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <format>

#include "audit/reader.h"

namespace hawser::audit {

namespace {

Result<void> sync_folder(const std::string& folder) {
    const int directory = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (directory < 0) return fail_errno(errno, "opening " + folder);
    const int synced = ::fsync(directory);
    const int error = errno;
    ::close(directory);
    if (synced != 0) return fail_errno(error, "syncing " + folder);
    return {};
}

Result<void> make_folder(const std::string& folder) {
    if (::mkdir(folder.c_str(), 0700) != 0) {
        if (errno == EEXIST) return {};
        return fail_errno(errno, "making " + folder);
    }
    return sync_folder(folder.substr(0, folder.find_last_of('/')));
}

// The record that a file begins or ends with.
std::optional<Record> record_at(const OpenFile& file, bool at_end) {
    std::optional<Record> record;
    const Result<void> read = file.read([&](const OpenFile::Line& line) {
        Result<Record> parsed = parse(line.text);
        record = parsed ? std::optional(std::move(*parsed)) : std::nullopt;
        return at_end;
    });
    return read ? record : std::nullopt;
}

// The chain that is written now: all files, or those from the last one that begins with a break.
struct LastChain {
    std::size_t first_file = 0;
    std::string why; // it began anew
};
LastChain last_chain(const std::vector<OpenFile>& files) {
    for (std::size_t i = files.size(); i-- > 0;) {
        const std::optional<Record> record = record_at(files[i], false);
        if (record && record->entry.kind == kind_break)
            return {.first_file = i, .why = record->entry.detail};
    }
    return {};
}

} // namespace

ssize_t Disk::write(int file, std::string_view bytes) {
    return ::write(file, bytes.data(), bytes.size());
}

int Disk::sync(int file) {
    return ::fdatasync(file);
}

Log::Log(LogOptions options) : options_(std::move(options)) {}

Log::Log(Log&& other) noexcept
    : options_(std::move(other.options_)),
      file_(std::exchange(other.file_, -1)),
      size_(other.size_),
      head_(std::move(other.head_)),
      synced_(std::move(other.synced_)),
      new_files_(other.new_files_),
      dropping_due_(other.dropping_due_),
      repaired_(std::move(other.repaired_)),
      damage_(std::move(other.damage_)),
      failure_(std::move(other.failure_)) {}

Log::~Log() {
    if (file_ >= 0) ::close(file_);
}

std::string Log::path_of(const std::string& name) const {
    return options_.folder + "/" + name;
}

// --- opening ----------------------------------------------------------------------------------

Result<Log> Log::open(LogOptions options, std::optional<Head> known, WallTime now) {
    Log log(std::move(options));
    if (Result<void> made = make_folder(log.options_.folder); !made)
        return fail(std::move(made.error()), "opening the audit log");
    if (Result<void> torn = log.take_away_torn_line(); !torn)
        return fail(std::move(torn.error()), "opening the audit log");
    if (Result<void> gone_on = log.go_on(std::move(known), now); !gone_on)
        return fail(std::move(gone_on.error()), "opening the audit log");
    return log;
}

Result<void> Log::go_on(std::optional<Head> known, WallTime now) {
    Result<std::vector<OpenFile>> files = open_files(options_.folder);
    if (!files) return fail(std::move(files.error()));
    const LastChain chain = last_chain(*files);
    damage_ = chain.why;
    Verifier verifier = chain.why.empty() ? Verifier(known) : Verifier::after_break(known);
    const Result<Report> report =
        verify(std::span(*files).subspan(chain.first_file), std::move(verifier));
    if (!report) return fail(report.error());
    if (report->problem) {
        std::uint64_t reached = std::max(report->last, known ? known->sequence : 0);
        if (!files->empty()) {
            const std::optional<Record> last = record_at(files->back(), true);
            reached =
                std::max({reached, files->back().name().first, last ? last->head.sequence : 0});
        }
        const std::string place =
            report->problem->file.empty()
                ? std::string()
                : std::format("{}, line {}: ", report->problem->file, report->problem->line);
        return begin_anew(reached, place + report->problem->what, now);
    }
    head_ = synced_ = report->head;
    if (files->empty()) return begin_file();
    return use(files->back().name());
}

// A file that holds nothing at all goes, too: it was begun and no record reached it.
Result<void> Log::take_away_torn_line() {
    Result<std::vector<OpenFile>> files = open_files(options_.folder);
    if (!files) return fail(std::move(files.error()));
    if (files->empty()) return {};
    const OpenFile& last = files->back();
    const std::string path = path_of(last.name().name);
    std::uint64_t whole = 0;
    Result<void> read = last.read([&](const OpenFile::Line& line) {
        whole = line.whole ? line.offset + line.text.size() + 1 : line.offset;
        return true;
    });
    if (!read) return read;
    whole = std::min(whole, last.size());
    const std::uint64_t torn = last.size() - whole;
    if (torn > line_bytes) return {}; // no crash leaves that
    if (torn > 0) {
        repaired_ = std::format(
            "{} ended with {} bytes of a record that was never complete; they "
            "were taken away",
            last.name().name, torn);
        if (::truncate(path.c_str(), static_cast<off_t>(whole)) != 0)
            return fail_errno(errno, "cutting " + path);
    }
    if (whole == 0 && ::unlink(path.c_str()) != 0) return fail_errno(errno, "removing " + path);
    return sync_folder(options_.folder);
}

Result<void> Log::begin_anew(std::uint64_t after, const std::string& why, WallTime now) {
    head_ = {.sequence = after};
    damage_ = why;
    if (Result<void> begun = begin_file(); !begun) return begun;
    const Entry entry{.time = now,
                      .server = options_.server,
                      .kind = std::string(kind_break),
                      .who = "server:" + options_.server,
                      .detail = why};
    if (Result<void> written = write({&entry, 1}); !written) return written;
    return sync();
}

// --- files ------------------------------------------------------------------------------------

Result<void> Log::use(const FileName& name) {
    const std::string path = path_of(name.name);
    const int file =
        ::open(path.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (file < 0) return fail_errno(errno, "opening " + path);
    struct stat status{};
    const bool known = ::fstat(file, &status) == 0;
    if (!known || !S_ISREG(status.st_mode)) {
        ::close(file);
        return fail(ErrorCode::corrupt, path + " is not a file");
    }
    if (file_ >= 0) ::close(file_);
    file_ = file;
    size_ = static_cast<std::uint64_t>(status.st_size);
    return {};
}

// One that is there already, and empty, is of an earlier try.
Result<void> Log::begin_file() {
    const FileName name{.name = file_name(head_.sequence + 1), .first = head_.sequence + 1};
    if (Result<void> used = use(name); !used) return used;
    if (size_ != 0)
        return fail(ErrorCode::corrupt, path_of(name.name) + " is in the way of the audit log");
    ++new_files_;
    dropping_due_ = true;
    return sync_folder(options_.folder);
}

// The record that says so comes first: files that are gone without one were taken by somebody else.
Result<void> Log::drop_old(WallTime now) {
    Result<std::vector<FileName>> names = list_files(options_.folder);
    if (!names) return fail(std::move(names.error()));
    std::size_t count =
        names->size() > options_.keep_files ? names->size() - options_.keep_files : 0;
    for (; options_.keep_for != Duration::zero() && count + 1 < names->size(); ++count) {
        struct stat status{};
        if (::stat(path_of((*names)[count].name).c_str(), &status) != 0) break;
        if (now - WallTime{status.st_mtime} * 1000 <= options_.keep_for.count()) break;
    }
    dropping_due_ = false;
    if (count == 0) return {};
    dropping_due_ = true;
    const Entry entry{.time = now,
                      .server = options_.server,
                      .kind = std::string(kind_dropped),
                      .who = "server:" + options_.server,
                      .what = {std::format("{} files", count)},
                      .of = (*names)[count].first - 1};
    if (Result<void> written = write({&entry, 1}); !written) return written;
    if (Result<void> synced = sync(); !synced) return synced;
    dropping_due_ = false;
    for (std::size_t i = 0; i < count; ++i) {
        const std::string path = path_of((*names)[i].name);
        if (::unlink(path.c_str()) != 0) return fail_errno(errno, "removing " + path);
    }
    return sync_folder(options_.folder);
}

// --- appending --------------------------------------------------------------------------------

Result<void> Log::append(std::span<const Entry> entries) {
    if (failure_) return fail(*failure_);
    if (entries.empty()) return {};
    if (size_ >= options_.file_bytes) {
        Result<void> begun = sync();
        if (begun) begun = begin_file();
        if (!begun) return fail(std::move(begun.error()), "going on with another file");
    }
    if (dropping_due_) {
        if (Result<void> dropped = drop_old(entries.front().time); !dropped)
            return fail(std::move(dropped.error()), "dropping old files");
    }
    return write(entries);
}

Result<void> Log::write(std::span<const Entry> entries) {
    std::string bytes;
    Head head = head_;
    for (const Entry& entry : entries) {
        Sealed sealed = seal(head, entry);
        bytes += sealed.line;
        bytes += '\n';
        head = std::move(sealed.head);
    }
    Disk& disk = options_.disk == nullptr ? real_disk_ : *options_.disk;
    for (std::string_view rest = bytes; !rest.empty();) {
        const ssize_t written = disk.write(file_, rest);
        if (written < 0 && errno == EINTR) continue;
        if (written <= 0) {
            const int error = written == 0 ? ENOSPC : errno;
            const std::unexpected<Error> why = fail_errno(error, "writing to the audit log");
            const bool undone = ::ftruncate(file_, static_cast<off_t>(size_)) == 0;
            const bool full = error == ENOSPC || error == EDQUOT || error == EFBIG;
            return undone && full ? Result<void>(why) : give_up(why);
        }
        rest.remove_prefix(static_cast<std::size_t>(written));
    }
    size_ += bytes.size();
    head_ = std::move(head);
    return {};
}

// After it failed, nobody knows what the disk holds.
Result<void> Log::sync() {
    if (failure_) return fail(*failure_);
    if (synced_ == head_) return {};
    Disk& disk = options_.disk == nullptr ? real_disk_ : *options_.disk;
    if (disk.sync(file_) != 0) return give_up(fail_errno(errno, "syncing the audit log"));
    synced_ = head_;
    return {};
}

Result<void> Log::give_up(std::unexpected<Error> why) {
    failure_ = why.error();
    failure_->message += "; nothing more is recorded until this server is restarted";
    return fail(*failure_);
}

} // namespace hawser::audit
