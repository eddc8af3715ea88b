// The log under power cuts. Everything the store asks of the disk is written down; then the power
// fails after each single operation, and the disk is what it may be then: what was synced, and of
// what was not, any sectors. Whatever the store makes of that must be the log as some write left
// it, and no earlier than the last one that was acknowledged.
#include <algorithm>
#include <fstream>
#include <map>
#include <random>
#include <utility>

#include "raft/bootstrap.h"
#include "store/faulty_disk.h"
#include "store/log_store.h"
#include "store/temporary_directory.h"

namespace hawser::store::test {

namespace {

using Operation = FaultyDisk::Operation;

constexpr raft::ServerId self = 7;
constexpr std::size_t sector = 512;

// The disk as of one moment: contents that are safe, and what was asked for since.
class Disk {
  public:
    void take(const Operation& operation) {
        File& file = files_[operation.file];
        if (operation.kind == Operation::Kind::sync) {
            if (!std::exchange(file.in_directory, true)) sync_directory();
            sync(file);
        } else {
            file.pending.push_back(operation);
        }
    }

    // What is found after the power is back.
    [[nodiscard]] std::map<std::string, std::string> after_power_cut(std::mt19937& random) const {
        std::map<std::string, std::string> found;
        std::bernoulli_distribution reached(std::uniform_real_distribution(0.0, 1.0)(random));
        for (const auto& [name, file] : files_) {
            std::string contents = file.safe;
            for (const Operation& pending : file.pending) {
                if (pending.kind != Operation::Kind::write) {
                    if (reached(random)) apply(pending, contents);
                    continue;
                }
                for (std::size_t at = 0; at < pending.data.size();) {
                    const std::size_t place = pending.offset + at;
                    const std::size_t count =
                        std::min(sector - place % sector, pending.data.size() - at);
                    if (reached(random)) put(contents, place, pending.data.substr(at, count));
                    at += count;
                }
            }
            found[name] = std::move(contents);
        }
        return found;
    }

  private:
    struct File {
        std::string safe;
        std::vector<Operation> pending;
        bool in_directory = false;
    };

    static void sync(File& file) {
        for (const Operation& pending : file.pending) apply(pending, file.safe);
        file.pending.clear();
    }
    // SQLite does it with the first sync of a new file, and so makes removals last.
    void sync_directory() {
        for (auto& [name, file] : files_) {
            const bool removed =
                std::ranges::contains(file.pending, Operation::Kind::remove, &Operation::kind);
            if (removed) sync(file);
        }
    }

    static void put(std::string& contents, std::size_t at, const std::string& data) {
        if (contents.size() < at + data.size()) contents.resize(at + data.size());
        contents.replace(at, data.size(), data);
    }
    static void apply(const Operation& operation, std::string& contents) {
        switch (operation.kind) {
            case Operation::Kind::write: put(contents, operation.offset, operation.data); break;
            case Operation::Kind::truncate: contents.resize(operation.offset); break;
            case Operation::Kind::remove: contents.clear(); break;
            case Operation::Kind::sync: break;
        }
    }

    std::map<std::string, File> files_;
};

// What the log should hold.
struct Model {
    raft::HardState hard_state;
    raft::Base base;
    std::vector<raft::Entry> entries;

    void take(const raft::Persist& write) {
        hard_state = write.hard_state;
        if (write.reset) {
            entries.clear();
            base = *write.reset;
        }
        if (write.entries.empty()) return;
        std::erase_if(entries, [&](const raft::Entry& entry) {
            return entry.index >= write.entries.front().index;
        });
        entries.insert(entries.end(), write.entries.begin(), write.entries.end());
    }
    void compact(const raft::Base& to) {
        base = to;
        std::erase_if(entries,
                      [&](const raft::Entry& entry) { return entry.index <= to.position.index; });
    }
    [[nodiscard]] raft::Index last() const {
        return entries.empty() ? base.position.index : entries.back().index;
    }
    [[nodiscard]] bool equals(const raft::Restored& restored) const {
        return hard_state == restored.hard_state && base == restored.base &&
               std::ranges::equal(entries, restored.entries,
                                  [](const raft::Entry& a, const raft::Entry& b) {
                                      return a.position() == b.position() && a.kind == b.kind &&
                                             *a.data == *b.data;
                                  });
    }
};

// Writes as a server makes them, at random, and the model of them.
class Workload {
  public:
    explicit Workload(unsigned seed) : random_(seed) {}

    // Changes the model and the store the same way.
    Result<void> step(LogStore& store) {
        const int choice = pick(0, 9);
        if (choice == 0 && model.entries.size() > 4) return compact(store);
        std::vector<raft::Persist> writes;
        for (int i = pick(1, 3); i > 0; --i) {
            writes.push_back(write(choice == 1 && i == 1));
            model.take(writes.back());
        }
        return store.persist(writes);
    }

    Model model;

  private:
    int pick(int least, int most) { return std::uniform_int_distribution(least, most)(random_); }

    raft::Persist write(bool reset) {
        raft::Persist made{.hard_state = model.hard_state, .reset = std::nullopt, .entries = {}};
        if (pick(0, 3) == 0) made.hard_state = {.term = made.hard_state.term + 1, .vote = self};
        raft::Index first = model.last() + 1;
        if (reset) {
            made.reset = {.position = {.index = first + 50, .term = made.hard_state.term},
                          .configuration = {.voters = {self}}};
            first += 51;
        } else if (pick(0, 2) == 0 && !model.entries.empty()) {
            const auto replaced = static_cast<raft::Index>(
                pick(0, static_cast<int>(std::min<std::size_t>(model.entries.size(), 6))));
            first -= replaced;
        }
        for (int i = pick(0, 4); i > 0; --i) {
            made.entries.push_back(
                {.index = first++,
                 .term = made.hard_state.term,
                 .kind = raft::EntryKind::command,
                 .data = raft::make_payload(std::string(static_cast<std::size_t>(pick(0, 12'000)),
                                                        static_cast<char>(pick('a', 'z'))))});
        }
        return made;
    }

    Result<void> compact(LogStore& store) {
        const raft::Entry& to = model.entries[static_cast<std::size_t>(
            pick(0, static_cast<int>(model.entries.size()) - 1))];
        const raft::Base base{.position = to.position(), .configuration = {.voters = {self}}};
        model.compact(base);
        return store.compact(base);
    }

    std::mt19937 random_;
};

// The states that writes left behind, and when the disk had been asked for everything of them.
struct Acknowledged {
    std::size_t operations = 0;
    Model model;
};

std::vector<Acknowledged> run(FaultyDisk& disk, const std::string& path, unsigned seed, int steps) {
    Workload workload(seed);
    disk.recording = true;
    Result<LogStore> store = LogStore::open(path);
    REQUIRE(store.has_value());
    std::vector<Acknowledged> history{{.operations = disk.operations.size(), .model = {}}};
    REQUIRE(store->bootstrap(self, {.hard_state = {.term = 1, .vote = self}}).has_value());
    workload.model.hard_state = {.term = 1, .vote = self};
    history.push_back({.operations = disk.operations.size(), .model = workload.model});
    for (int i = 0; i < steps; ++i) {
        const Result<void> stepped = workload.step(*store);
        if (!stepped) FAIL(stepped.error().message);
        history.push_back({.operations = disk.operations.size(), .model = workload.model});
    }
    disk.recording = false;
    return history;
}

// Which of the states this is; none: it is none of them.
std::optional<std::size_t> state_of(const std::vector<Acknowledged>& history,
                                    const raft::Restored& restored) {
    for (std::size_t i = history.size(); i > 0; --i) {
        if (history[i - 1].model.equals(restored)) return i - 1;
    }
    return std::nullopt;
}

} // namespace

TEST_CASE("the log is what was written, whatever is cut, replaced, reset and reopened") {
    for (unsigned seed = 1; seed <= 2; ++seed) {
        CAPTURE(seed);
        const TemporaryDirectory directory;
        Workload workload(seed);
        std::optional<LogStore> store;
        for (int i = 0; i < 150; ++i) {
            if (i % 10 == 0) {
                store.reset();
                Result<LogStore> opened = LogStore::open(directory.file("log.db"));
                REQUIRE(opened.has_value());
                store = std::move(*opened);
            }
            REQUIRE(workload.step(*store).has_value());
            const Result<raft::Restored> restored = store->load();
            REQUIRE(restored.has_value());
            REQUIRE(workload.model.equals(*restored));
        }
    }
}

TEST_CASE("a power cut after any operation loses nothing acknowledged and tears nothing") {
    const TemporaryDirectory directory, after;
    const std::string path = directory.file("log.db");
    const std::string found_path = after.file("log.db");
    FaultyDisk disk;
    disk.syncs_for_real = false;
    const std::vector<Acknowledged> history = run(disk, path, 3, 120);
    CHECK(disk.operations.size() > 1500); // with checkpoints among them

    Disk model;
    std::mt19937 random(11);
    std::size_t acknowledged = 0, later = 0;
    for (std::size_t cut = 1; cut <= disk.operations.size(); ++cut) {
        model.take(disk.operations[cut - 1]);
        while (acknowledged + 1 < history.size() && history[acknowledged + 1].operations <= cut)
            ++acknowledged;
        if (cut < history.front().operations) continue; // there was nothing to lose
        for (const auto& [name, contents] : model.after_power_cut(random)) {
            const std::string ending = name.substr(path.size());
            std::ofstream(found_path + ending, std::ios::binary | std::ios::trunc) << contents;
        }
        CAPTURE(cut);
        Result<LogStore> store = LogStore::open(found_path);
        if (!store) FAIL(store.error().message);
        const Result<raft::Restored> restored = store->load();
        if (!restored) FAIL(restored.error().message);
        const std::optional<std::size_t> state = state_of(history, *restored);
        REQUIRE(state.has_value());
        REQUIRE(*state >= acknowledged);
        if (*state > acknowledged) ++later;
    }
    CHECK(later > 0); // some writes were there before they were acknowledged
}

TEST_CASE("a byte flipped in what a crash left behind is noticed, or costs the last write only") {
    const TemporaryDirectory directory, after;
    FaultyDisk disk;
    disk.syncs_for_real = false;
    const std::vector<Acknowledged> history = run(disk, directory.file("log.db"), 5, 12);
    std::map<std::string, std::string> files;
    Disk model;
    for (const Operation& operation : disk.operations) model.take(operation);
    std::mt19937 random(1);
    for (const auto& [name, contents] : model.after_power_cut(random))
        files[name.substr(directory.file("log.db").size())] = contents;

    const std::string path = after.file("log.db");
    std::size_t noticed = 0, last_lost = 0;
    const std::size_t size = files["-wal"].size();
    REQUIRE(size > 50'000);
    for (std::size_t at = 0; at < size; at += at < 200 ? 1 : 97) {
        CAPTURE(at);
        std::string damaged = files["-wal"];
        damaged[at] = static_cast<char>(damaged[at] ^ 4);
        std::ofstream(path, std::ios::binary | std::ios::trunc) << files[""];
        std::ofstream(path + "-wal", std::ios::binary | std::ios::trunc) << damaged;
        Result<LogStore> store = LogStore::open(path);
        if (!store) {
            CHECK(store.error().code == ErrorCode::corrupt);
            ++noticed;
            continue;
        }
        const Result<raft::Restored> restored = store->load();
        REQUIRE(restored.has_value());
        const std::optional<std::size_t> state = state_of(history, *restored);
        REQUIRE(state.has_value());
        REQUIRE(*state >= history.size() - 2);
        if (*state == history.size() - 2) ++last_lost;
    }
    CHECK(noticed > 300);
    CHECK(last_lost > 0);
}

} // namespace hawser::store::test
