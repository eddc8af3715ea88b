#include "audit/reader.h"

#include <algorithm>
#include <deque>
#include <iterator>
#include <map>
#include <ranges>

namespace hawser::audit {

namespace {

bool fits(const Record& record, const Query& query) {
    return record.entry.time >= query.since && record.entry.who.starts_with(query.who) &&
           (query.kind.empty() || record.entry.kind == query.kind);
}

using Results = std::map<std::uint64_t, Entry>; // by the record that they are of

// Of one file; a result stands behind its record, in the same file or a later one.
Result<std::deque<Record>> read_records(const OpenFile& file, const Query& query, Results& results,
                                        std::uint64_t& unreadable) {
    std::deque<Record> records;
    Result<void> read = file.read([&](const OpenFile::Line& line) {
        Result<Record> record = parse(line.text);
        if (!record) {
            ++unreadable;
        } else if (record->entry.kind == kind_result) {
            results.insert_or_assign(record->entry.of, std::move(record->entry));
        } else if (fits(*record, query)) {
            records.push_back(std::move(*record));
            if (records.size() > query.most) records.pop_front();
        }
        return true;
    });
    if (!read) return fail(std::move(read.error()));
    for (Record& record : records) {
        const auto result = results.find(record.head.sequence);
        if (result == results.end()) continue;
        record.entry.index = result->second.index;
        record.entry.result = result->second.result;
    }
    return records;
}

} // namespace

Result<Report> verify(std::span<const OpenFile> files, Verifier verifier) {
    Report report{.files = files.size(), .head = {}, .server = {}, .problem = {}};
    Problem at;
    for (const OpenFile& file : files) {
        at = {.file = file.name().name};
        Result<void> read = file.read([&](const OpenFile::Line& line) {
            at.line = line.number;
            std::optional<std::string> wrong;
            if (!line.whole) {
                wrong = "the last line is not complete: it was cut, or never written to its end";
            } else {
                wrong = verifier.take(line.text);
            }
            const bool first = line.number == 1;
            if (!wrong && first && verifier.head().sequence != file.name().first)
                wrong = "the file's name is not of its first record: it was renamed or replaced";
            if (wrong) report.problem = {.file = at.file, .line = at.line, .what = *wrong};
            return !wrong;
        });
        if (!read) return fail(std::move(read.error()));
        if (report.problem) break;
    }
    if (!report.problem) {
        if (std::optional<std::string> missing = verifier.finish())
            report.problem = {.file = at.file, .line = at.line, .what = std::move(*missing)};
    }
    report.first = verifier.first();
    report.last = verifier.head().sequence;
    report.head = verifier.head();
    report.server = verifier.server();
    report.compared = verifier.compared();
    return report;
}

Result<Listing> list(std::span<const OpenFile> files, const Query& query) {
    Listing listing;
    Results results;
    std::vector<Record> newest_first;
    for (const OpenFile& file : std::views::reverse(files)) {
        Result<std::deque<Record>> records = read_records(file, query, results, listing.unreadable);
        if (!records) return fail(std::move(records.error()));
        std::ranges::move(std::views::reverse(*records), std::back_inserter(newest_first));
        if (newest_first.size() >= query.most) break;
    }
    newest_first.resize(std::min(newest_first.size(), query.most));
    std::ranges::reverse(newest_first);
    listing.records = std::move(newest_first);
    return listing;
}

} // namespace hawser::audit
