// Lines of an audit log for tests.
#pragma once

#include <string>
#include <vector>

#include "audit/record.h"

namespace hawser::audit::test {

struct Chain {
    std::vector<std::string> lines;
    std::vector<Head> heads; // after each

    void add(Entry entry) {
        Sealed sealed = seal(heads.empty() ? start : heads.back(), entry);
        lines.push_back(std::move(sealed.line));
        heads.push_back(std::move(sealed.head));
    }
    Head start{};
};

inline Entry make_entry(int number) {
    return {.time = 1'790'000'000'000 + number,
            .server = "s1",
            .kind = "apply",
            .who = "uid:0",
            .what = {"service a" + std::to_string(number)}};
}

inline Chain make_chain(int records, const std::string& marked = {}) {
    Chain chain;
    for (int i = 1; i <= records; ++i) {
        Entry entry = make_entry(i);
        entry.detail = marked;
        chain.add(std::move(entry));
    }
    return chain;
}

} // namespace hawser::audit::test
