#include "history.h"

#include <cerrno>
#include <nlohmann/json.hpp>

namespace hawser::chaos {

namespace {

const char* to_string(Operation operation) {
    switch (operation) {
        case Operation::read: return "read";
        case Operation::write: return "write";
        case Operation::compare_and_set: return "cas";
    }
    return "";
}

const char* to_string(Outcome outcome) {
    switch (outcome) {
        case Outcome::ok: return "ok";
        case Outcome::refused: return "refused";
        case Outcome::unknown: return "unknown";
    }
    return "";
}

const char* to_string(Event event) {
    switch (event) {
        case Event::begin: return "begin";
        case Event::row: return "row";
        case Event::complete: return "complete";
        case Event::change: return "change";
        case Event::seen: return "seen";
    }
    return "";
}

} // namespace

Result<History> History::create(const std::string& path) {
    std::FILE* file = std::fopen(path.c_str(), "we");
    if (file == nullptr) return fail_errno(errno, path);
    return History(file);
}

History::~History() {
    if (file_ != nullptr) std::fclose(file_);
}

void History::add(const Call& call) {
    ++counts_[static_cast<std::size_t>(call.outcome)];
    nlohmann::json line{{"client", call.client},           {"key", call.key},
                        {"op", to_string(call.operation)}, {"outcome", to_string(call.outcome)},
                        {"call", call.called_at},          {"value", call.value}};
    if (call.outcome != Outcome::unknown) line["return"] = call.returned_at;
    if (call.outcome == Outcome::ok) line["index"] = call.index;
    if (call.operation == Operation::read) line["found"] = call.found;
    if (call.operation == Operation::compare_and_set) line["if_index"] = call.if_index;
    std::fprintf(file_, "%s\n", line.dump().c_str());
}

void History::add(const Told& told) {
    if (told.event == Event::change) ++changes_;
    nlohmann::json line{
        {"watcher", told.watcher}, {"event", to_string(told.event)}, {"index", told.index}};
    if (told.event == Event::row || told.event == Event::change) {
        line["key"] = told.key;
        line["value"] = told.value;
    }
    std::fprintf(file_, "%s\n", line.dump().c_str());
}

} // namespace hawser::chaos
