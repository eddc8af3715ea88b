// tls-sessions: the load of the tls bench on our sessions, in memory and on one thread.
//   tls-sessions CASE MILLISECONDS DIRECTORY
// CASE is `handshake`, `first-handshake` or a number of bytes a write; the directory has what
// tests/bench/bench_tls.py put there. Prints how much was done in a second of processor time: the
// machine may have other things to do. openssl.c does the same in the same words.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <fstream>
#include <iterator>
#include <string>
#include <thread>
#include <vector>

#include "base/check.h"
#include "tls/session.h"
#include "tls/x509.h"

namespace {

using namespace hawser;
using namespace hawser::tls;

double processor_seconds() {
    timespec time{};
    HAWSER_CHECK(::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time) == 0);
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) * 1e-9;
}

// The value, or the end of the program: nothing is measured where something fails.
template <typename T>
T value_of(Result<T> result) {
    if (result) return *std::move(result);
    std::fprintf(stderr, "%s\n", result.error().message.c_str());
    std::exit(1);
}

std::string read_file(const std::string& path) {
    std::ifstream file(path);
    return {std::istreambuf_iterator<char>(file), {}};
}

CredentialsPtr load(const std::string& directory, const std::string& name) {
    const auto chain = [&](const std::string& file) {
        return value_of(chain_from_pem(read_file(directory + "/" + file)));
    };
    return value_of(make_credentials({
        .trust_domain = "bench",
        .own = KeyPair{.chain_pem = read_file(directory + "/" + name + ".chain.pem"),
                       .key_pem = SecretText(read_file(directory + "/" + name + ".key.pem"))},
        .trust = {.roots = chain("root.pem"), .intermediates = chain("intermediate.pem")},
    }));
}

// All that one has to send, as a socket would carry it.
void carry(Session& from, Session& to) {
    while (!from.output().empty()) {
        const auto room = to.receive_buffer(from.output().size());
        const std::size_t count = std::min(room.size(), from.output().size());
        std::ranges::copy(from.output().first(count), room.begin());
        to.received(count);
        from.consume_output(count);
    }
}

struct Connection {
    Connection(const CredentialsPtr& web, const CredentialsPtr& api)
        : client(value_of(Session::create(web, Role::client))),
          server(value_of(Session::create(api, Role::server))) {
        for (bool done = false; !done;) {
            const bool client_done = value_of(client->handshake());
            carry(*client, *server);
            const bool server_done = value_of(server->handshake());
            carry(*server, *client);
            done = client_done && server_done;
        }
    }

    std::unique_ptr<Session> client, server;
};

double bulk(const CredentialsPtr& web, const CredentialsPtr& api, std::size_t size,
            double seconds) {
    const Connection connection(web, api);
    const std::vector<std::uint8_t> text(size, 'x');
    std::vector<std::uint8_t> plaintext(64 << 10);
    const double begin = processor_seconds();
    double end = begin, bytes = 0;
    while (end < begin + seconds) {
        for (int i = 0; i < 100; ++i) {
            if (auto written = connection.client->write(text); !written)
                value_of(Result<int>(fail(std::move(written.error()))));
            carry(*connection.client, *connection.server);
            std::size_t read = 0;
            while (read < size) {
                const std::size_t count = value_of(connection.server->read(plaintext)).count;
                HAWSER_CHECK(count > 0);
                read += count;
            }
            bytes += static_cast<double>(read);
        }
        end = processor_seconds();
    }
    return bytes / (end - begin);
}

double handshakes(const CredentialsPtr& web, const CredentialsPtr& api, double seconds) {
    const double begin = processor_seconds();
    double end = begin;
    int count = 0;
    for (; end < begin + seconds; ++count) {
        const Connection connection(web, api);
        end = processor_seconds();
    }
    return count / (end - begin);
}

// Each on a thread that has seen no certificate before.
double first_handshakes(const CredentialsPtr& web, const CredentialsPtr& api, double seconds) {
    double busy = 0;
    int count = 0;
    for (; busy < seconds; ++count)
        std::jthread([&] {
            const double begin = processor_seconds();
            const Connection connection(web, api);
            busy += processor_seconds() - begin;
        }).join();
    return count / busy;
}

} // namespace

int main(int count, char** arguments) {
    if (count != 4) return 2;
    const std::string what = arguments[1], directory = arguments[3];
    const double seconds = std::atof(arguments[2]) / 1000;
    const CredentialsPtr web = load(directory, "web"), api = load(directory, "api");
    double rate = 0;
    if (what == "handshake")
        rate = handshakes(web, api, seconds);
    else if (what == "first-handshake")
        rate = first_handshakes(web, api, seconds);
    else
        rate = bulk(web, api, static_cast<std::size_t>(std::atoi(what.c_str())), seconds);
    std::printf("%.1f\n", rate);
    return 0;
}
