/* openssl-sessions: the load of the tls bench on OpenSSL, in memory and on one thread.
 *   openssl-sessions CASE MILLISECONDS DIRECTORY GROUP
 * CASE is `handshake` or a number of bytes a write. As sessions.cpp, whose words it uses: TLS 1.3,
 * TLS_AES_128_GCM_SHA256, both sides show and verify a chain of leaf and intermediate, no tickets.
 * Built by bench_tls.py with the machine's own compiler and libssl. */
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static double processor_seconds(void) {
    struct timespec time;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
    return (double)time.tv_sec + (double)time.tv_nsec * 1e-9;
}

/* Nothing is measured where something fails. */
static void must(int good, const char* what) {
    if (good) return;
    fprintf(stderr, "%s\n", what);
    ERR_print_errors_fp(stderr);
    exit(1);
}

static SSL_CTX* load(const char* directory, const char* name, const char* group, int server) {
    char path[4096];
    SSL_CTX* context = SSL_CTX_new(server ? TLS_server_method() : TLS_client_method());
    must(context != NULL, "context");
    must(SSL_CTX_set_min_proto_version(context, TLS1_3_VERSION), "version");
    must(SSL_CTX_set_ciphersuites(context, "TLS_AES_128_GCM_SHA256"), "suite");
    must(SSL_CTX_set1_groups_list(context, group), "group");
    must(SSL_CTX_set_num_tickets(context, 0), "tickets");
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
    snprintf(path, sizeof path, "%s/%s.chain.pem", directory, name);
    must(SSL_CTX_use_certificate_chain_file(context, path), path);
    snprintf(path, sizeof path, "%s/%s.key.pem", directory, name);
    must(SSL_CTX_use_PrivateKey_file(context, path, SSL_FILETYPE_PEM), path);
    snprintf(path, sizeof path, "%s/root.pem", directory);
    must(SSL_CTX_load_verify_locations(context, path, NULL), path);
    snprintf(path, sizeof path, "%s/intermediate.pem", directory);
    must(SSL_CTX_load_verify_locations(context, path, NULL), path);
    return context;
}

struct connection {
    SSL *client, *server;
};

static struct connection shake(SSL_CTX* web, SSL_CTX* api) {
    struct connection made = {SSL_new(web), SSL_new(api)};
    BIO* to_server = BIO_new(BIO_s_mem());
    BIO* to_client = BIO_new(BIO_s_mem());
    must(made.client && made.server && to_server && to_client, "session");
    BIO_up_ref(to_server);
    BIO_up_ref(to_client);
    BIO_set_mem_eof_return(to_server, -1);
    BIO_set_mem_eof_return(to_client, -1);
    SSL_set_bio(made.client, to_client, to_server);
    SSL_set_bio(made.server, to_server, to_client);
    SSL_set_connect_state(made.client);
    SSL_set_accept_state(made.server);
    for (int client = 0, server = 0; client != 1 || server != 1;) {
        client = SSL_do_handshake(made.client);
        must(client == 1 || SSL_get_error(made.client, client) == SSL_ERROR_WANT_READ, "client");
        server = SSL_do_handshake(made.server);
        must(server == 1 || SSL_get_error(made.server, server) == SSL_ERROR_WANT_READ, "server");
    }
    must(SSL_get_verify_result(made.client) == X509_V_OK, "verification");
    return made;
}

static void end(struct connection made) {
    SSL_free(made.client);
    SSL_free(made.server);
}

static double bulk(SSL_CTX* web, SSL_CTX* api, size_t size, double seconds) {
    struct connection made = shake(web, api);
    char* text = calloc(1, size);
    char* plaintext = malloc(64 << 10);
    const double begin = processor_seconds();
    double now = begin, bytes = 0;
    while (now < begin + seconds) {
        for (int i = 0; i < 100; ++i) {
            must(SSL_write(made.client, text, (int)size) == (int)size, "write");
            size_t read = 0;
            while (read < size) {
                const int count = SSL_read(made.server, plaintext, 64 << 10);
                must(count > 0, "read");
                read += (size_t)count;
            }
            bytes += (double)read;
        }
        now = processor_seconds();
    }
    end(made);
    return bytes / (now - begin);
}

static double handshakes(SSL_CTX* web, SSL_CTX* api, double seconds) {
    const double begin = processor_seconds();
    double now = begin;
    int count = 0;
    for (; now < begin + seconds; ++count) {
        end(shake(web, api));
        now = processor_seconds();
    }
    return count / (now - begin);
}

int main(int count, char** arguments) {
    if (count != 5) return 2;
    SSL_CTX* web = load(arguments[3], "web", arguments[4], 0);
    SSL_CTX* api = load(arguments[3], "api", arguments[4], 1);
    const double seconds = atof(arguments[2]) / 1000;
    const double rate = strcmp(arguments[1], "handshake") == 0
                            ? handshakes(web, api, seconds)
                            : bulk(web, api, (size_t)atoi(arguments[1]), seconds);
    printf("%.1f\n", rate);
    return 0;
}
