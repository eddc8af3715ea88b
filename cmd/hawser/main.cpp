// The command line's entry. For now it only says what it is.
#include <cstdio>
#include <string_view>

#include <ares.h>
#include <google/protobuf/stubs/common.h>
#include <llhttp.h>
#include <mbedtls/version.h>
#include <nghttp2/nghttp2ver.h>
#include <sqlite3.h>

#include "build_info.h"

int main(int argc, char** argv) {
    if (argc != 2 || std::string_view(argv[1]) != "version") {
        std::fputs("usage: hawser version\n", stderr);
        return 2;
    }
    std::printf("hawser %s (%s)\n", build_version, build_commit);
    std::printf("mbedtls %s, nghttp2 %s, llhttp %d.%d.%d, sqlite %s, protobuf %d, c-ares %s\n",
                MBEDTLS_VERSION_STRING, NGHTTP2_VERSION, LLHTTP_VERSION_MAJOR, LLHTTP_VERSION_MINOR,
                LLHTTP_VERSION_PATCH, SQLITE_VERSION, GOOGLE_PROTOBUF_VERSION, ARES_VERSION_STR);
    return 0;
}
