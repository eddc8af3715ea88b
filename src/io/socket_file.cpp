#include "io/socket_file.h"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

namespace hawser::io {

void remove_socket_file(Acceptor& acceptor) {
    sockaddr_un address{};
    socklen_t length = sizeof address;
    if (::getsockname(acceptor.native_handle(), reinterpret_cast<sockaddr*>(&address), &length) !=
        0)
        return;
    // It may be gone with its folder already: that is what was wanted.
    if (address.sun_family == AF_UNIX && address.sun_path[0] != '\0')
        (void)::unlink(address.sun_path);
}

} // namespace hawser::io
