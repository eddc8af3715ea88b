// The file of a Unix listener (listen_unix): gone with its listener.
#pragma once

#include "io/socket.h"

namespace hawser::io {

// Removes the socket file; listeners without one are left alone. Before the listener's close.
void remove_socket_file(Acceptor& acceptor);

} // namespace hawser::io
