#include "log/journal.h"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <string>

using namespace hawser::log;

namespace {

// A datagram socket at a path of its own, as the journal has one.
class FakeJournal {
  public:
    FakeJournal() {
        char name[] = "/tmp/hawser-journal-XXXXXX";
        REQUIRE(::mkdtemp(name) != nullptr);
        folder_ = name;
        socket_ = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        std::ranges::copy(path(), address.sun_path);
        REQUIRE(::bind(socket_, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0);
    }
    ~FakeJournal() {
        ::close(socket_);
        std::filesystem::remove_all(folder_);
    }
    FakeJournal(const FakeJournal&) = delete;
    FakeJournal& operator=(const FakeJournal&) = delete;

    [[nodiscard]] std::string path() const { return folder_ + "/socket"; }
    std::string receive() {
        std::string entry(10'000, '\0');
        const ssize_t got = ::recv(socket_, entry.data(), entry.size(), MSG_DONTWAIT);
        entry.resize(got < 0 ? 0 : static_cast<std::size_t>(got));
        return entry;
    }

  private:
    std::string folder_;
    int socket_ = -1;
};

} // namespace

TEST_CASE("entries arrive as they were sent") {
    FakeJournal journal;
    const JournalSocket socket(journal.path());
    CHECK(socket.send("PRIORITY=6\nMESSAGE=hello\n"));
    CHECK(journal.receive() == "PRIORITY=6\nMESSAGE=hello\n");
}

TEST_CASE("a journal that is away or full does not make anyone wait") {
    CHECK_FALSE(JournalSocket("/nonexistent/socket").send("MESSAGE=x\n"));
    CHECK_FALSE(JournalSocket(std::string(500, 'x')).send("MESSAGE=x\n"));
    FakeJournal journal;
    const JournalSocket socket(journal.path());
    int sent = 0;
    while (sent < 100'000 && socket.send("MESSAGE=x\n")) ++sent;
    CHECK(sent > 0);
    CHECK(sent < 100'000);
    journal.receive();
    CHECK(socket.send("MESSAGE=again\n"));
}

TEST_CASE("stderr is the journal when JOURNAL_STREAM says its device and inode") {
    struct stat status{};
    REQUIRE(::fstat(STDERR_FILENO, &status) == 0);
    const std::string own = std::to_string(status.st_dev) + ":" + std::to_string(status.st_ino);
    ::setenv("JOURNAL_STREAM", own.c_str(), 1);
    CHECK(stderr_is_journal());
    ::setenv("JOURNAL_STREAM", "1:2", 1);
    CHECK_FALSE(stderr_is_journal());
    ::setenv("JOURNAL_STREAM", "", 1);
    CHECK_FALSE(stderr_is_journal());
    ::unsetenv("JOURNAL_STREAM");
    CHECK_FALSE(stderr_is_journal());
}
