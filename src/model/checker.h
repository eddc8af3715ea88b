// How resources are checked; for validation's own files.
#pragma once

#include <cstddef>
#include <format>
#include <set>
#include <span>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/result.h"
#include "model/identity.h"
#include "model/resources.h"

namespace hawser::model {

// One resource's checks in a row: the first failure stays, with the resource named in front.
class Checker {
  public:
    explicit Checker(std::string subject) : subject_(std::move(subject)) {}

    Checker& require(bool condition, std::string_view message) {
        if (ok() && !condition) refuse(std::string(message));
        return *this;
    }
    Checker& require(const Result<void>& checked) {
        if (ok() && !checked) refuse(checked.error().message);
        return *this;
    }
    // Names without repetition; "*" only where `any` is allowed.
    Checker& require_names(std::span<const std::string> names, std::string_view what,
                           std::size_t limit, bool any = false) {
        require(names.size() <= limit, std::format("more than {} {}s", limit, what));
        std::set<std::string_view> seen;
        for (const std::string& name : names) {
            if (!ok()) break;
            if (!any || name != any_source) require(check_name(name, what));
            require(seen.insert(name).second,
                    std::format("{} {} is listed twice", what, quote(name)));
        }
        return *this;
    }

    [[nodiscard]] bool ok() const { return result_.has_value(); }
    [[nodiscard]] Result<void> result() && { return std::move(result_); }

  private:
    void refuse(std::string message) {
        result_ = fail(ErrorCode::invalid, subject_ + ": " + std::move(message));
    }

    std::string subject_;
    Result<void> result_;
};

inline bool is_plain_text(std::string_view text, std::size_t limit) {
    return text.size() <= limit && printable(text, limit) == text;
}

} // namespace hawser::model
