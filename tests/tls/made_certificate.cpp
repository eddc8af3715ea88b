#include "tls/made_certificate.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <format>

namespace hawser::tls::test {
namespace {

using namespace std::string_view_literals;

std::string name_of(const std::string& common_name) {
    if (common_name.empty()) return der_sequence({});
    return der_sequence(
        {der(0x31, der_sequence({der_oid("\x55\x04\x03"), der(0x0c, common_name)}))});
}

std::string time_of(WallTime time) {
    using namespace std::chrono;
    return der(0x18, std::format("{:%Y%m%d%H%M%S}Z",
                                 sys_seconds(duration_cast<seconds>(milliseconds(time)))));
}

std::string list_of(const std::vector<MadeExtension>& extensions) {
    std::string list;
    for (const MadeExtension& each : extensions)
        list += der_extension(each.id, each.value, each.critical);
    return der(0x30, list);
}

std::string key_of(const std::string& public_key_der, const std::string& key_pem) {
    return public_key_der.empty() ? value_of(public_key_of(key_pem)) : public_key_der;
}

std::string bit_string(std::string_view bytes) {
    return der(0x03, {"\0"sv, bytes});
}

} // namespace

std::string sign_with(const std::string& key_pem, std::string_view text) {
    PkHandle key;
    value_of(parse_private_key(key_pem, key.get()).transform([] { return 0; }));
    const std::string hash = sha256(as_bytes(text));
    std::array<unsigned char, 128> signature;
    std::size_t size = 0;
    if (mbedtls_pk_sign(key.get(), MBEDTLS_MD_SHA256, as_bytes(hash).data(), hash.size(),
                        signature.data(), signature.size(), &size, random_bytes, nullptr) != 0)
        throw std::runtime_error("cannot sign");
    return std::string(as_text(ByteView(signature).first(size)));
}

MadeExtension& CertificateForm::extension(std::string_view id) {
    const auto found = std::ranges::find(extensions, id, &MadeExtension::id);
    if (found != extensions.end()) return *found;
    return extensions.emplace_back(MadeExtension{.id = std::string(id), .value = {}});
}

void CertificateForm::drop(std::string_view id) {
    std::erase_if(extensions, [id](const MadeExtension& each) { return each.id == id; });
}

void CertificateForm::set_names(std::initializer_list<std::string_view> names) {
    extension(id_alternative_names).value = der(0x30, names);
}

void CertificateForm::set_uses(std::initializer_list<std::string_view> oids) {
    std::string list;
    for (const std::string_view oid : oids) list += der_oid(oid);
    extension(id_extended_key_usage).value = der(0x30, list);
}

CertificateForm good_leaf(const std::string& uri) {
    CertificateForm form;
    form.key_pem = value_of(generate_key_pem());
    form.extension(id_basic_constraints) = {std::string(id_basic_constraints), der_sequence({}),
                                            true};
    form.extension(id_key_usage) = {std::string(id_key_usage), "\x03\x02\x07\x80", true};
    form.set_uses({id_server_auth, id_client_auth});
    form.set_names({der_uri(uri)});
    return form;
}

CertificateForm good_authority(const std::string& name, const std::string& issuer,
                               int path_length) {
    CertificateForm form;
    form.key_pem = value_of(generate_key_pem());
    form.subject = name;
    form.issuer = issuer;
    const std::string length(1, static_cast<char>(path_length));
    form.extension(id_basic_constraints) = {
        std::string(id_basic_constraints),
        der_sequence({"\x01\x01\xff"sv, path_length < 0 ? "" : der(0x02, length)}), true};
    form.extension(id_key_usage) = {std::string(id_key_usage), "\x03\x02\x01\x06", true};
    return form;
}

std::string write_certificate(const CertificateForm& form, const std::string& issuer_key_pem) {
    const std::string extensions =
        form.extensions.empty() ? "" : der(0xa3, list_of(form.extensions));
    const std::string body = der_sequence(
        {form.version, der(0x02, form.serial), form.algorithm, name_of(form.issuer),
         der_sequence({time_of(form.not_before), time_of(form.not_after)}), name_of(form.subject),
         key_of(form.public_key_der, form.key_pem), extensions});
    return der_sequence({body, form.algorithm, bit_string(sign_with(issuer_key_pem, body))});
}

RequestForm good_request(const std::string& uri) {
    RequestForm form{.key_pem = value_of(generate_key_pem()), .public_key_der = {}};
    form.extensions = {{std::string(id_alternative_names), der_sequence({der_uri(uri)})}};
    return form;
}

std::string write_request(const RequestForm& form) {
    constexpr auto extension_request = "\x2a\x86\x48\x86\xf7\x0d\x01\x09\x0e"sv;
    const std::string attribute =
        der_sequence({der_oid(extension_request), der(0x31, list_of(form.extensions))});
    const std::string body =
        der_sequence({"\x02\x01\x00"sv, name_of("api"), key_of(form.public_key_der, form.key_pem),
                      der(0xa0, {attribute, form.more_attributes})});
    return der_sequence({body, form.algorithm, bit_string(sign_with(form.key_pem, body))});
}

} // namespace hawser::tls::test
