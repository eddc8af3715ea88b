#include "usage.h"

#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>

#include <cstdio>

#include "base/bytes.h"
#include "base/nearest.h"
#include "console.h"

namespace hawser::cmd {

namespace {

// The verb that was recognised last: "hawser token create".
const CLI::App& deepest(const CLI::App& app) {
    const auto parsed = app.get_subcommands();
    return parsed.empty() ? app : deepest(*parsed.back());
}

std::string full_name(const CLI::App& app) {
    const CLI::App* parent = app.get_parent();
    return parent == nullptr ? app.get_name() : full_name(*parent) + " " + app.get_name();
}

std::vector<std::string> words_of(const CLI::App& app) {
    std::vector<std::string> words;
    for (const CLI::Option* option : app.get_options()) {
        for (const std::string& name : option->get_lnames()) words.push_back("--" + name);
    }
    for (const CLI::App* verb : app.get_subcommands({})) words.push_back(verb->get_name());
    return words;
}

std::string suggestion(const CLI::App& app, const std::string& word) {
    const std::vector<std::string> words = words_of(app);
    const std::vector<std::string_view> known(words.begin(), words.end());
    const std::string_view near = nearest(word, known);
    return near.empty() ? "" : "; did you mean '" + std::string(near) + "'?";
}

std::string message_of(CLI::App& root, const CLI::App& verb, const CLI::ParseError& error,
                       const std::vector<std::string>& words) {
    if (words.empty()) return "no command";
    const std::vector<std::string> left = root.remaining(true);
    // What could not be placed says more than what is therefore missing.
    const auto code = static_cast<CLI::ExitCodes>(error.get_exit_code());
    const bool is_extra =
        code == CLI::ExitCodes::ExtrasError || code == CLI::ExitCodes::RequiredError;
    if (!is_extra || left.empty()) return error.what();
    const std::string kind = left.front().starts_with('-')      ? "option "
                             : verb.get_subcommands({}).empty() ? "argument "
                                                                : "command ";
    return "unknown " + kind + quote(left.front()) + suggestion(verb, left.front());
}

// Whether the words name a verb: then it can be asked for help.
bool is_verb(const CLI::App* app, const std::vector<std::string>& words) {
    for (const std::string& word : words) {
        const auto named =
            app->get_subcommands([&](const CLI::App* verb) { return verb->get_name() == word; });
        if (named.empty()) return false;
        app = named.front();
    }
    return true;
}

} // namespace

std::vector<std::string> in_our_words(const CLI::App& root, std::vector<std::string> words) {
    if (words.size() == 1 && words[0] == "--version") return {"version"};
    if (!words.empty() && words[0] == "help") {
        words.erase(words.begin());
        if (is_verb(&root, words)) words.emplace_back("--help");
    }
    for (std::size_t i = 0; i < words.size(); ++i) {
        const bool option = words[i] == "-o" || words[i] == "--output";
        if (option && i + 1 < words.size() && words[i + 1] == "json")
            words.erase(words.begin() + static_cast<std::ptrdiff_t>(i) + 1);
        else if (words[i] != "-ojson" && words[i] != "--output=json")
            continue;
        words[i] = "--json";
    }
    return words;
}

int end_parsing(CLI::App& root, const CLI::ParseError& error,
                const std::vector<std::string>& words) {
    const CLI::App& verb = deepest(root);
    if (error.get_exit_code() == static_cast<int>(CLI::ExitCodes::Success)) {
        const CLI::App* parent = verb.get_parent();
        std::fputs(verb.help(parent == nullptr ? "" : full_name(*parent)).c_str(), stdout);
        return done;
    }
    const std::string message = printable(message_of(root, verb, error, words), 1000);
    std::fprintf(stderr, "hawser: %s (see %s --help)\n", message.c_str(), full_name(verb).c_str());
    return usage;
}

} // namespace hawser::cmd
