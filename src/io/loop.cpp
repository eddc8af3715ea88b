#include "io/loop.h"

#include <pthread.h>

namespace hawser::io {

Loop::Loop(std::string name)
    : name_(std::move(name)), context_(1), work_(asio::make_work_guard(context_)) {}

Loop::~Loop() {
    stop();
    join();
}

void Loop::start() {
    thread_ = std::thread([this] {
        ::pthread_setname_np(::pthread_self(), name_.substr(0, 15).c_str());
        run();
    });
}

void Loop::run() {
    context_.run();
}

void Loop::stop() {
    context_.stop();
}

void Loop::join() {
    if (thread_.joinable()) thread_.join();
}

} // namespace hawser::io
