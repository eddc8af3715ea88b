#include "proxy/repeats.h"

#include <utility>

namespace hawser::proxy {

bool Repeats::first(Line line, Time now) {
    if (counts_.size() >= most_subjects && !counts_.contains(line)) {
        line.subject = "others";
        line.reason.clear();
    }
    const auto [entry, added] = counts_.try_emplace(std::move(line), Count{.since = now});
    if (!added) ++entry->second.more;
    return added;
}

std::vector<Repeats::Summary> Repeats::due(Time now) {
    std::vector<Summary> summaries;
    for (auto entry = counts_.begin(); entry != counts_.end();) {
        auto& [line, count] = *entry;
        if (now - count.since < interval) {
            ++entry;
        } else if (count.more == 0) {
            entry = counts_.erase(entry);
        } else {
            summaries.push_back({.line = line, .times = std::exchange(count.more, 0)});
            count.since = now;
            ++entry;
        }
    }
    return summaries;
}

} // namespace hawser::proxy
