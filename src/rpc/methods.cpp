#include <map>

#include "base/check.h"
#include "rpc/server.h"

namespace hawser::rpc {

struct Methods::Tables {
    std::map<std::string, UnaryHandler, std::less<>> unary;
    std::map<std::string, StreamingHandler, std::less<>> streaming;
};

std::shared_ptr<Methods::Tables> Methods::make_tables() {
    return std::make_shared<Tables>();
}

void Methods::unary(std::string path, UnaryHandler handler) {
    HAWSER_CHECK(tables_->unary.emplace(std::move(path), std::move(handler)).second);
}

void Methods::streaming(std::string path, StreamingHandler handler) {
    HAWSER_CHECK(tables_->streaming.emplace(std::move(path), std::move(handler)).second);
}

const UnaryHandler* Methods::find_unary(std::string_view path) const {
    const auto found = tables_->unary.find(path);
    return found == tables_->unary.end() ? nullptr : &found->second;
}

const StreamingHandler* Methods::find_streaming(std::string_view path) const {
    const auto found = tables_->streaming.find(path);
    return found == tables_->streaming.end() ? nullptr : &found->second;
}

} // namespace hawser::rpc
