// The command line's entry. For now it only says what it is.
#include <cstdio>
#include <string_view>

#include "build_info.h"

int main(int argc, char** argv) {
    if (argc != 2 || std::string_view(argv[1]) != "version") {
        std::fputs("usage: hawser version\n", stderr);
        return 2;
    }
    std::printf("hawser %s (%s)\n%s\n", build_version, build_commit, build_libraries);
    return 0;
}
