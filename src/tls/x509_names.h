// The names that requests and certificates of this room carry.
#pragma once

#include <mbedtls/x509.h>

#include <string>
#include <string_view>

namespace hawser::tls {

// "CN=api": what RFC 4514 gives a meaning to is escaped; X.520 allows a common name 64 characters.
[[nodiscard]] std::string subject_of(std::string_view common_name);

// A subject alternative name of one URI, as mbedTLS's writers take it.
class UriName {
  public:
    explicit UriName(std::string uri) : uri_(std::move(uri)) {
        list_.node.type = MBEDTLS_X509_SAN_UNIFORM_RESOURCE_IDENTIFIER;
        list_.node.san.unstructured_name.tag = MBEDTLS_ASN1_IA5_STRING;
        list_.node.san.unstructured_name.p = reinterpret_cast<unsigned char*>(uri_.data());
        list_.node.san.unstructured_name.len = uri_.size();
    }
    UriName(const UriName&) = delete;
    UriName& operator=(const UriName&) = delete;

    [[nodiscard]] const mbedtls_x509_san_list* list() const { return &list_; }

  private:
    std::string uri_;
    mbedtls_x509_san_list list_{};
};

} // namespace hawser::tls
