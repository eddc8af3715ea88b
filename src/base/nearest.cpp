#include "base/nearest.h"

#include <algorithm>
#include <array>

namespace hawser {

namespace {

constexpr std::size_t longest_word = 64; // beyond it nothing is a typing slip

// Optimal string alignment: insertions, deletions, replacements and swaps of neighbours. Keeps
// the last three rows of the usual table.
std::size_t edit_distance(std::string_view a, std::string_view b) {
    std::array<std::array<std::size_t, longest_word + 1>, 3> rows{};
    for (std::size_t j = 0; j <= b.size(); ++j) rows[0][j] = j;
    for (std::size_t i = 1; i <= a.size(); ++i) {
        auto& row = rows[i % 3];
        const auto& above = rows[(i - 1) % 3];
        row[0] = i;
        for (std::size_t j = 1; j <= b.size(); ++j) {
            const std::size_t change = a[i - 1] == b[j - 1] ? 0 : 1;
            row[j] = std::min({above[j] + 1, row[j - 1] + 1, above[j - 1] + change});
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
                row[j] = std::min(row[j], rows[(i - 2) % 3][j - 2] + 1);
            }
        }
    }
    return rows[a.size() % 3][b.size()];
}

} // namespace

std::string_view nearest(std::string_view word, std::span<const std::string_view> known) {
    if (word.empty() || word.size() > longest_word) return {};
    // Never the whole word: "x" is not a misspelt "y".
    const std::size_t allowed =
        std::min(std::max<std::size_t>(word.size() / 3, 1), word.size() - 1);
    std::string_view best;
    std::size_t best_distance = allowed + 1;
    for (const std::string_view candidate : known) {
        if (candidate.size() > longest_word) continue;
        const std::size_t distance = edit_distance(word, candidate);
        if (distance < best_distance) {
            best = candidate;
            best_distance = distance;
        }
    }
    return best;
}

} // namespace hawser
