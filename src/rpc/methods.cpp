#include <map>

#include "base/check.h"
#include "rpc/server.h"

namespace hawser::rpc {

struct Methods::Tables {
    std::map<std::string, Method, std::less<>> methods;
};

std::shared_ptr<Methods::Tables> Methods::make_tables() {
    return std::make_shared<Tables>();
}

void Methods::unary(std::string path, UnaryHandler handler, Guard guard) {
    Method method{.unary = std::move(handler), .streaming = nullptr, .guard = std::move(guard)};
    HAWSER_CHECK(tables_->methods.emplace(std::move(path), std::move(method)).second);
}

void Methods::streaming(std::string path, StreamingHandler handler, Guard guard) {
    Method method{.unary = nullptr, .streaming = std::move(handler), .guard = std::move(guard)};
    HAWSER_CHECK(tables_->methods.emplace(std::move(path), std::move(method)).second);
}

const Method* Methods::find(std::string_view path) const {
    const auto found = tables_->methods.find(path);
    return found == tables_->methods.end() ? nullptr : &found->second;
}

} // namespace hawser::rpc
