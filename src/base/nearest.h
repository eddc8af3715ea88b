// "unknown key 'prot'; did you mean 'port'?": the nearest known word to a misspelt one.
#pragma once

#include <span>
#include <string_view>

namespace hawser {

// The known word with the least edit distance (a swap of neighbours counts as one edit), or ""
// when none is near enough to be worth suggesting (more than a third of the word would change,
// at least one edit always allowed).
[[nodiscard]] std::string_view nearest(std::string_view word,
                                       std::span<const std::string_view> known);

} // namespace hawser
