#include "host/accounts.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>

#include "host/files.h"

namespace hawser::host {
namespace {

constexpr std::size_t max_file = 16 << 20; // a few hundred thousand users

std::optional<std::uint32_t> number(std::string_view text) {
    std::uint32_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc{} || end != text.data() + text.size() || text.empty()) return {};
    return value;
}

// "name:password:number:…": the name and the number of a line.
struct Account {
    std::string_view name;
    std::uint32_t id;
};
std::optional<Account> account_in(std::string_view line) {
    const auto first = line.find(':');
    if (first == std::string_view::npos || first == 0) return {};
    const auto second = line.find(':', first + 1);
    if (second == std::string_view::npos) return {};
    const auto third = std::min(line.find(':', second + 1), line.size());
    const auto id = number(line.substr(second + 1, third - second - 1));
    if (!id) return {};
    return Account{.name = line.substr(0, first), .id = *id};
}

template <typename Matches>
Result<std::optional<std::pair<std::string, std::uint32_t>>> find(const std::string& path,
                                                                  Matches matches) {
    auto text = read_file(path, max_file);
    if (!text) return fail(std::move(text.error()));
    std::string_view rest = *text;
    while (!rest.empty()) {
        const auto end = std::min(rest.find('\n'), rest.size());
        const auto account = account_in(rest.substr(0, end));
        rest.remove_prefix(std::min(end + 1, rest.size()));
        if (account && matches(*account)) return std::pair{std::string(account->name), account->id};
    }
    return std::nullopt;
}

Result<std::uint32_t> id_of(std::string_view name, const std::string& path, std::string_view what) {
    auto found = find(path, [&](const Account& account) { return account.name == name; });
    if (!found) return fail(std::move(found.error()));
    if (!*found)
        return fail(ErrorCode::not_found,
                    "no " + std::string(what) + " '" + std::string(name) + "' in " + path);
    return (*found)->second;
}

} // namespace

Result<uid_t> user_id(std::string_view user, const std::string& passwd) {
    // (uid_t)-1 means "nobody in particular" to the kernel.
    if (const auto id = number(user); id && *id != static_cast<uid_t>(-1)) return *id;
    return id_of(user, passwd, "user");
}

Result<std::string> user_name(uid_t uid, const std::string& passwd) {
    auto found = find(passwd, [&](const Account& account) { return account.id == uid; });
    if (!found) return fail(std::move(found.error()));
    if (!*found)
        return fail(ErrorCode::not_found,
                    "no user with id " + std::to_string(uid) + " in " + passwd);
    return (*found)->first;
}

Result<gid_t> group_id(std::string_view name, const std::string& group) {
    return id_of(name, group, "group");
}

} // namespace hawser::host
