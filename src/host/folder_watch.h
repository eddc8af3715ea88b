// Tells that something in a folder changed: inotify on the folder or, while there is none, on the
// nearest one above it, for its appearing. What changed is for the caller to find out; what
// symbolic links in it point to is not watched. Control loop only.
#pragma once

#include <asio/posix/basic_stream_descriptor.hpp>

#include <chrono>
#include <string>

#include "base/result.h"
#include "io/loop.h"

namespace hawser::host {

class FolderWatch {
  public:
    // From now on nothing is missed. Errors: not_found never; a folder that may not be entered, or
    // the kernel's limit of watches.
    static Result<FolderWatch> open(io::Executor executor, std::string path);

    // Returns when something changed since the watch was opened or this last returned, once the
    // folder has been quiet for a moment (a file is being written, several are being replaced).
    [[nodiscard]] io::Task<Result<void>> changed(std::chrono::milliseconds quiet);

  private:
    using Descriptor = asio::posix::basic_stream_descriptor<io::Executor>;
    FolderWatch(Descriptor events, std::string path)
        : events_(std::move(events)), path_(std::move(path)) {}
    [[nodiscard]] Result<void> arm();
    [[nodiscard]] Result<void> arm_nearest();
    [[nodiscard]] bool drain();
    [[nodiscard]] io::Task<bool> readable_within(std::chrono::milliseconds time);

    Descriptor events_;
    std::string path_;
    int watch_ = -1;
    bool on_folder_ = false; // not on one above it
};

} // namespace hawser::host
