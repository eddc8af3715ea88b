#include "server/row_scan.h"

#include <doctest/doctest.h>

#include <memory>

namespace hawser::server::test {

namespace {

using Lines = std::vector<std::string>;

template <typename T>
model::Change row(const std::string& name, std::uint64_t index) {
    T resource;
    resource.name = name;
    return {.kind = registry::kind_for<T>,
            .key = name,
            .index = index,
            .value = std::make_shared<const model::Resource>(std::move(resource))};
}

registry::Tables tables_of(const std::vector<model::Change>& rows) {
    registry::Tables tables;
    for (const model::Change& row : rows) tables.carry_out(row);
    return tables;
}

Lines read(RowScan& scan, const registry::Tables& tables, std::size_t most) {
    Lines lines;
    for (const model::Change& row : scan.next(tables, most)) lines.push_back(row.key);
    return lines;
}

} // namespace

TEST_CASE("rows come in parts, each once, tokens not at all") {
    model::Change token = row<model::Policy>("t", 1);
    token.kind = model::Kind::join_token;
    const registry::Tables tables =
        tables_of({row<model::Policy>("a", 1), row<model::Policy>("b", 2),
                   row<model::Policy>("c", 3), row<model::Node>("n", 2), token});
    RowScan scan(3);
    CHECK(read(scan, tables, 2) == Lines{"n", "a"});
    CHECK(read(scan, tables, 2) == Lines{"b", "c"});
    CHECK(read(scan, tables, 2).empty());
    RowScan whole(3);
    CHECK(read(whole, tables, 100).size() == 4);
    RowScan nothing(3);
    CHECK(read(nothing, registry::Tables(), 100).empty());
}

TEST_CASE("what changes as rows are read is left to its changes") {
    registry::Tables tables = tables_of({row<model::Policy>("a", 1), row<model::Policy>("b", 1),
                                         row<model::Policy>("c", 1), row<model::Policy>("d", 1)});
    RowScan scan(1);
    CHECK(read(scan, tables, 1) == Lines{"a"});
    tables.carry_out(row<model::Policy>("a", 2));  // read before
    tables.carry_out(row<model::Policy>("aa", 3)); // new
    tables.carry_out({.kind = model::Kind::policy, .key = "b", .index = 4, .value = nullptr});
    tables.carry_out(row<model::Policy>("c", 5));
    CHECK(read(scan, tables, 100) == Lines{"d"});
}

} // namespace hawser::server::test
