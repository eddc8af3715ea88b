#include "tls/certificate_form.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <format>
#include <string_view>
#include <utility>
#include <vector>

#include "tls/der.h"

namespace hawser::tls {
namespace {

using namespace std::string_view_literals;

constexpr auto subject_alt_name = "\x55\x1d\x11"sv;
constexpr auto key_usage = "\x55\x1d\x0f"sv;
constexpr auto extended_key_usage = "\x55\x1d\x25"sv;
constexpr auto basic_constraints = "\x55\x1d\x13"sv;
constexpr auto name_constraints = "\x55\x1d\x1e"sv;
constexpr auto extension_request = "\x2a\x86\x48\x86\xf7\x0d\x01\x09\x0e"sv;
// Their values are DER too. Those of other arcs may be anything.
constexpr auto certificate_extensions = "\x55\x1d"sv;

constexpr std::size_t longest_serial = 20; // RFC 5280 §4.1.2.2
constexpr std::size_t most_extensions = 32;

struct Extension {
    std::string_view id;
    ByteView value;
};

// `list`: the content of a SEQUENCE OF Extension. None: it is not that.
std::optional<std::vector<Extension>> extensions_in(ByteView list) {
    std::vector<Extension> extensions;
    DerReader reader(list);
    while (!reader.at_end() && extensions.size() <= most_extensions) {
        const auto extension = reader.next(DerTag::sequence);
        if (!extension) return std::nullopt;
        DerReader fields(extension->content);
        const auto id = fields.next(DerTag::object_identifier);
        (void)fields.next(DerTag::boolean); // critical
        const auto value = fields.next(DerTag::octet_string);
        if (!id || !value || !fields.at_end()) return std::nullopt;
        extensions.push_back({.id = as_text(id->content), .value = value->content});
    }
    return extensions;
}

std::optional<std::string> check_extensions(const std::vector<Extension>& extensions) {
    if (extensions.size() > most_extensions)
        return std::format("has more than {} extensions", most_extensions);
    for (auto each = extensions.begin(); each != extensions.end(); ++each) {
        if (std::ranges::contains(extensions.begin(), each, each->id, &Extension::id))
            return "has an extension twice";
        if (each->id.starts_with(certificate_extensions) && !is_der(each->value))
            return "has an extension that is not DER";
    }
    return std::nullopt;
}

std::optional<std::string> check_serial(ByteView serial) {
    if ((serial[0] & 0x80) != 0) return "its serial number is negative";
    if (serial.size() == 1 && serial[0] == 0) return "its serial number is zero";
    // A leading zero octet only says that it is positive.
    if (serial.size() - (serial[0] == 0 ? 1 : 0) > longest_serial)
        return std::format("its serial number is longer than {} bytes", longest_serial);
    return std::nullopt;
}

constexpr auto malformed = "malformed: not a certificate's structure";

// `tbs`: the content of a TBSCertificate.
std::optional<std::string> check_to_be_signed(ByteView tbs) {
    DerReader fields(tbs);
    const auto version = fields.next(DerTag::context_0);
    if (!version || as_text(version->content) != "\x02\x01\x02"sv) return "not of X.509 version 3";
    const auto serial = fields.next(DerTag::integer);
    if (!serial) return malformed;
    if (auto wrong = check_serial(serial->content)) return wrong;
    const auto algorithm = fields.next(DerTag::sequence), issuer = fields.next(DerTag::sequence);
    const auto validity = fields.next(DerTag::sequence), subject = fields.next(DerTag::sequence);
    const auto key = fields.next(DerTag::sequence);
    if (!algorithm || !issuer || !validity || !subject || !key) return malformed;
    const auto wrapped = fields.next(DerTag::context_3);
    if (!wrapped) return fields.at_end() ? "has no extensions" : "has unique identifiers";
    DerReader list(wrapped->content);
    const auto sequence = list.next(DerTag::sequence);
    const auto extensions = sequence ? extensions_in(sequence->content) : std::nullopt;
    if (!extensions || !list.at_end() || !fields.at_end()) return malformed;
    if (auto wrong = check_extensions(*extensions)) return wrong;
    // RFC 5280 wants them critical and obeyed; mbedTLS knows none, and ours have none.
    if (std::ranges::contains(*extensions, name_constraints, &Extension::id))
        return "has name constraints, which are not supported";
    return std::nullopt;
}

std::optional<std::string> check_requested(const std::vector<Extension>& extensions) {
    if (auto wrong = check_extensions(extensions)) return wrong;
    constexpr std::array known{subject_alt_name, key_usage, extended_key_usage, basic_constraints};
    for (const Extension& each : extensions) {
        if (!std::ranges::contains(known, each.id)) return "asks for an unknown extension";
        // A leaf's is the empty sequence: CA is FALSE by default.
        if (each.id == basic_constraints && as_text(each.value) != "\x30\x00"sv)
            return "asks to be an authority (CA:TRUE)";
    }
    return std::nullopt;
}

// `attributes`: the content of a request's [0].
std::optional<std::string> check_attributes(ByteView attributes) {
    constexpr auto wrong_structure = "not a request's structure";
    DerReader reader(attributes);
    bool seen = false;
    while (!reader.at_end()) {
        const auto attribute = reader.next(DerTag::sequence);
        if (!attribute) return wrong_structure;
        DerReader fields(attribute->content);
        const auto id = fields.next(DerTag::object_identifier);
        const auto values = fields.next(DerTag::set);
        if (!id || !values || !fields.at_end()) return wrong_structure;
        if (as_text(id->content) != extension_request) return "has an unknown attribute";
        if (std::exchange(seen, true)) return "asks for extensions twice";
        DerReader lists(values->content);
        const auto list = lists.next(DerTag::sequence);
        const auto extensions = list ? extensions_in(list->content) : std::nullopt;
        if (!extensions || !lists.at_end()) return wrong_structure;
        if (auto wrong = check_requested(*extensions)) return wrong;
    }
    return std::nullopt;
}

} // namespace

std::optional<std::string> check_certificate_form(ByteView der) {
    if (!is_der(der)) return "malformed: not DER, or with bytes after it";
    const auto certificate = DerReader(der).next(DerTag::sequence);
    if (!certificate) return malformed;
    const auto tbs = DerReader(certificate->content).next(DerTag::sequence);
    return tbs ? check_to_be_signed(tbs->content) : malformed;
}

std::optional<std::string> check_request_form(ByteView der) {
    if (!is_der(der)) return "not DER, or with bytes after it";
    const auto request = DerReader(der).next(DerTag::sequence);
    const auto info = request ? DerReader(request->content).next(DerTag::sequence) : std::nullopt;
    if (!info) return "not a request's structure";
    DerReader fields(info->content);
    const bool all = fields.next(DerTag::integer) && fields.next(DerTag::sequence) &&
                     fields.next(DerTag::sequence);
    if (!all) return "not a request's structure";
    const auto attributes = fields.next(DerTag::context_0);
    if (attributes)
        if (auto wrong = check_attributes(attributes->content)) return wrong;
    if (!fields.at_end()) return "not a request's structure";
    return std::nullopt;
}

} // namespace hawser::tls
