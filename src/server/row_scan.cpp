#include "server/row_scan.h"

namespace hawser::server {

std::vector<model::Change> RowScan::next(const registry::Tables& tables, std::size_t most) {
    std::vector<model::Change> rows;
    for (; kind_ < registry::kind_places; ++kind_, key_.clear()) {
        const auto kind = static_cast<model::Kind>(kind_);
        if (!model::visible_to_agents(kind)) continue;
        const registry::Table& table = tables.rows(kind);
        for (auto row = table.upper_bound(key_); row != table.end(); ++row) {
            if (rows.size() == most) return rows;
            key_ = row->first;
            if (row->second.index > index_) continue;
            rows.push_back({.kind = kind,
                            .key = row->first,
                            .index = row->second.index,
                            .value = row->second.value});
        }
    }
    return rows;
}

} // namespace hawser::server
