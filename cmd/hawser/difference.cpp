#include "difference.h"

#include <format>
#include <memory>
#include <set>
#include <utility>

#include "base/bytes.h"
#include "resource_json.h"

namespace hawser::cmd {

using nlohmann::json;

namespace {

constexpr std::size_t shown_value = 400;

void compare(const std::string& field, const json& before, const json& after,
             std::vector<FieldChange>& changes) {
    if (before == after) return;
    const bool nested = (before.is_object() || before.is_null()) &&
                        (after.is_object() || after.is_null()) &&
                        !(before.is_null() && after.is_null());
    if (!nested) {
        changes.push_back({.field = field, .before = before, .after = after});
        return;
    }
    std::set<std::string> names;
    for (const json* side : {&before, &after}) {
        if (!side->is_object()) continue;
        for (const auto& [name, value] : side->items()) names.insert(name);
    }
    for (const std::string& name : names) {
        const auto member = [&name](const json& of) {
            return of.is_object() ? of.value(name, json()) : json();
        };
        compare(field.empty() ? name : field + "." + name, member(before), member(after), changes);
    }
}

Result<json> as_json(model::Kind kind, const std::string& key, const std::string& bytes) {
    if (bytes.empty()) return json();
    Result<model::Resource> resource = model::decode(kind, bytes);
    if (!resource) return fail(std::move(resource.error()), "the answer");
    json value = to_json(
        model::Change{.kind = kind,
                      .key = key,
                      .index = 0,
                      .value = std::make_shared<const model::Resource>(std::move(*resource))});
    value.erase("index");
    return value;
}

std::string text_of(const json& value) {
    if (value.is_null()) return "(none)";
    return printable(value.dump(-1, ' ', false, json::error_handler_t::replace), shown_value);
}

Tone tone_of(std::string_view verb) {
    if (verb == "created") return Tone::good;
    return verb == "deleted" ? Tone::bad : Tone::plain;
}

} // namespace

std::vector<FieldChange> changed_fields(const json& before, const json& after) {
    std::vector<FieldChange> changes;
    compare("", before, after, changes);
    return changes;
}

std::string_view ResourceDifference::verb() const {
    if (before.is_null()) return "created";
    return after.is_null() ? "deleted" : "changed";
}

Result<ResourceDifference> read_difference(model::Kind kind, std::string key,
                                           const std::string& before, const std::string& after) {
    Result<json> was = as_json(kind, key, before);
    if (!was) return fail(std::move(was.error()));
    Result<json> is = as_json(kind, key, after);
    if (!is) return fail(std::move(is.error()));
    return ResourceDifference{
        .kind = kind, .key = std::move(key), .before = std::move(*was), .after = std::move(*is)};
}

Result<std::vector<ResourceDifference>> read_differences(
    const google::protobuf::RepeatedPtrField<v1::Difference>& messages) {
    std::vector<ResourceDifference> differences;
    for (const v1::Difference& message : messages) {
        if (message.kind() > static_cast<std::uint32_t>(model::last_kind)) {
            return fail(ErrorCode::corrupt, "the answer names a kind this version does not know");
        }
        Result<ResourceDifference> difference =
            read_difference(static_cast<model::Kind>(message.kind()), message.key(),
                            message.before(), message.after());
        if (!difference) return fail(std::move(difference.error()));
        differences.push_back(std::move(*difference));
    }
    return differences;
}

json to_json(const ResourceDifference& difference) {
    json fields = json::array();
    for (const FieldChange& change : changed_fields(difference.before, difference.after)) {
        fields.push_back(
            {{"field", change.field}, {"before", change.before}, {"after", change.after}});
    }
    return {{"kind", to_string(difference.kind)},
            {"name", difference.key},
            {"change", difference.verb()},
            {"fields", std::move(fields)}};
}

json to_json(const std::vector<ResourceDifference>& differences) {
    json all = json::array();
    for (const ResourceDifference& difference : differences) all.push_back(to_json(difference));
    return all;
}

void print(const ResourceDifference& difference) {
    print_line(toned(std::format("{}/{} {}", to_string(difference.kind),
                                 printable(difference.key, 200), difference.verb()),
                     tone_of(difference.verb())));
    print_fields(difference);
}

void print(const std::vector<ResourceDifference>& differences, std::uint32_t left_out) {
    for (const ResourceDifference& difference : differences) print(difference);
    if (left_out != 0) print_line(std::format("and {} more", left_out));
}

void print_fields(const ResourceDifference& difference) {
    for (const FieldChange& change : changed_fields(difference.before, difference.after)) {
        if (change.before.is_null()) {
            print_line(std::format("    {}: {}", change.field, text_of(change.after)));
        } else {
            print_line(std::format("    {}: {} -> {}", change.field, text_of(change.before),
                                   text_of(change.after)));
        }
    }
}

} // namespace hawser::cmd
