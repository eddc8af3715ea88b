// What is different between a resource before and after, field by field.
#pragma once

#include <nlohmann/json.hpp>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "console.h"
#include "model/proto/control.pb.h"
#include "model/row.h"

namespace hawser::cmd {

struct FieldChange {
    std::string field; // "timeouts.connect"
    nlohmann::json before;
    nlohmann::json after; // null: not there
};
[[nodiscard]] std::vector<FieldChange> changed_fields(const nlohmann::json& before,
                                                      const nlohmann::json& after);

// One resource; before or after is null where it does not exist.
struct ResourceDifference {
    model::Kind kind{};
    std::string key;
    nlohmann::json before;
    nlohmann::json after;

    [[nodiscard]] std::string_view verb() const; // "created", "changed", "deleted"
};
// From an answer's bytes, empty where there was nothing.
[[nodiscard]] Result<ResourceDifference> read_difference(model::Kind kind, std::string key,
                                                         const std::string& before,
                                                         const std::string& after);
[[nodiscard]] Result<std::vector<ResourceDifference>> read_differences(
    const google::protobuf::RepeatedPtrField<v1::Difference>& messages);

// {"kind", "name", "change", "fields": [{"field", "before", "after"}]}
[[nodiscard]] nlohmann::json to_json(const ResourceDifference& difference);
[[nodiscard]] nlohmann::json to_json(const std::vector<ResourceDifference>& differences);

// "policy/web-reads-api changed", then its fields, one a line.
void print(const ResourceDifference& difference);
// All, and how many more there are than the answer could take.
void print(const std::vector<ResourceDifference>& differences, std::uint32_t left_out);
void print_fields(const ResourceDifference& difference);

} // namespace hawser::cmd
