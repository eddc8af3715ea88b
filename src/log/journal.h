// The journal's native socket. Never waits: an entry that the journal does not take at once is
// refused, and the caller falls back to stderr.
#pragma once

#include <string>
#include <string_view>

namespace hawser::log {

// Whether stderr is a stream to the journal: JOURNAL_STREAM holds its device and inode.
[[nodiscard]] bool stderr_is_journal();

class JournalSocket {
  public:
    explicit JournalSocket(std::string path = "/run/systemd/journal/socket");
    ~JournalSocket();
    JournalSocket(const JournalSocket&) = delete;
    JournalSocket& operator=(const JournalSocket&) = delete;

    [[nodiscard]] bool send(std::string_view entry) const;

  private:
    std::string path_;
    int socket_ = -1;
};

} // namespace hawser::log
