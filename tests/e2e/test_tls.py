"""TLS with other people's programs: OpenSSL's s_client and s_server, curl and nginx against the real
ports, in both roles."""

import os

from harness.checks import check, check_contains, check_equal, wait_until
from harness.hosts import wait_for_port
from harness.mesh import TUNNEL_PORT, service
from harness.programs import WEB_UID, fetch, refused, start_greeter

API_PORT = 7443


def start_mesh(mesh):
    mesh.start_server()
    web = mesh.start_agent("web", [service("web", user=WEB_UID)])
    api = mesh.start_agent("api", [service("api", port=8080)])
    mesh.server.allow(("web", "api"))
    start_greeter(api.host, 8080, "hello")
    return web, api


def credentials(agent):
    """Its own, as arguments of openssl's programs."""
    own = os.path.join(agent.data_dir, "node.pem")
    return ["-cert", own, "-key", own, "-cert_chain", own, *trust(agent)]


def trust(agent):
    return ["-CAfile", os.path.join(agent.data_dir, "roots.pem"), "-no-CApath", "-no-CAstore"]


def s_client(agent, address, *arguments):
    """What it says, having sent nothing and waited for what the other side says first."""
    # The input ends when the other side has had its time to speak: its SETTINGS, or an alert.
    return agent.host.run("sh", "-c", 'sleep 0.5 | exec openssl s_client "$@" 2>&1', "s_client",
                          "-connect", address, "-alpn", "h2", "-verify_return_error", *arguments)


def tunnel_handshakes(agent, result, side="server"):
    return agent.metric("hawser_tunnel_handshakes_total", side=side, result=result)


def test_openssl_opens_a_tunnel_with_every_suite_and_group(mesh):
    web, api = start_mesh(mesh)
    address = f"{api.host.ip4}:{TUNNEL_PORT}"
    suites = ["TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256"]
    chosen = [("P-256", suite, "prime256v1") for suite in suites]
    chosen += [("X25519", suites[0], "X25519"),
               # A share that is of no use: it is asked for another (HelloRetryRequest).
               ("P-521:P-256", suites[0], "prime256v1")]
    for group, suite, key in chosen:
        arguments = ["-groups", group, "-ciphersuites", suite]
        said = s_client(web, address, *credentials(web), *arguments).stdout
        for expected in (f"New, TLSv1.3, Cipher is {suite}", "Verification: OK",
                         "ALPN protocol: h2", "Peer signature type: ECDSA", key):
            check_contains(said, expected, f"s_client {arguments}")
        check("New Session Ticket" not in said, f"a ticket was given: {said}")


def test_openssl_is_refused_with_a_reason(mesh):
    web, api = start_mesh(mesh)
    address = f"{api.host.ip4}:{TUNNEL_PORT}"
    server = f"{mesh.server.host.ip4}:{API_PORT}"
    rsa = os.path.join(mesh.directory, "rsa.pem")
    web.host.output("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", rsa,
                    "-out", rsa + ".crt", "-subj", "/CN=stranger")
    cases = [(address, [*credentials(web), "-tls1_2"], "alert protocol version"),
             (server, [*credentials(web), "-tls1_2"], "alert protocol version"),
             (address, trust(web), "alert certificate required"),
             (address, ["-cert", rsa + ".crt", "-key", rsa, *trust(web)], "alert "),
             (address, [*credentials(web), "-groups", "P-521"], "alert handshake failure"),
             (address, [*credentials(web), "-alpn", "http/1.1"], "no application protocol")]
    for number, (where, arguments, alert) in enumerate(cases):
        result = s_client(web, where, *arguments)
        check_contains(result.stdout, alert, f"s_client {arguments}")
        if where == address:
            count = sum(1 for each, *_ in cases[:number + 1] if each == address)
            wait_until(lambda: tunnel_handshakes(api, "refused") == count, 5, f"{count} counted")
    check_equal(web.host.call(fetch, uid=WEB_UID), "hello", "a call of the mesh")


def s_server(host, *arguments):
    # An input that never ends: it would too.
    process = host.start("sh", "-c", 'rm -f input; mkfifo input; exec openssl s_server "$@" <>input',
                         "s_server", "-accept", str(TUNNEL_PORT), "-alpn", "h2", "-Verify", "3",
                         "-verify_return_error", *arguments, name="s_server")
    wait_for_port(host, TUNNEL_PORT)
    return process


def test_openssl_answers_a_tunnel_with_every_suite_and_group(mesh):
    web, api = start_mesh(mesh)
    mesh.server.stop()  # web goes on believing that api is where it was
    api.kill_9()
    for arguments, expected in [([], "CIPHER is TLS_AES_128_GCM_SHA256"),
                                (["-groups", "X25519"], "Shared groups: x25519"),
                                (["-ciphersuites", "TLS_AES_256_GCM_SHA384"],
                                 "CIPHER is TLS_AES_256_GCM_SHA384"),
                                (["-ciphersuites", "TLS_CHACHA20_POLY1305_SHA256"],
                                 "CIPHER is TLS_CHACHA20_POLY1305_SHA256")]:
        listener = s_server(api.host, *credentials(api), *arguments)
        call = web.host.background(refused, uid=WEB_UID)
        for each in (expected, "subject=CN = web", "ALPN protocols selected: h2"):
            wait_until(lambda: each in listener.log(), 5, f"s_server {arguments} says {each}")
        listener.kill()  # it would never speak HTTP/2
        check_equal(call.result(), "reset", "a call to something but hawser")
    listener = s_server(api.host, *credentials(api), "-tls1_2")
    check_equal(web.host.call(refused, uid=WEB_UID), "reset", "a call to TLS 1.2")
    check_contains(web.logs(), "the peer refused: protocol version", "why")
    listener.kill()


def test_curl_asks_the_server(mesh):
    web, _ = start_mesh(mesh)
    url = f"https://{mesh.server.host.ip4}:{API_PORT}/hawser.v1.Api/Get"
    own = os.path.join(web.data_dir, "node.pem")
    # Our certificates name no hosts, which curl insists on unless it verifies nothing: s_client does.
    said = s_client(web, f"{mesh.server.host.ip4}:{API_PORT}", *trust(web)).stdout
    check_contains(said, "Verification: OK", "s_client and the server's chain")
    curl = ["curl", "-sS", "-k", "--http2", "-H", "content-type: application/grpc",
            "--data-binary", "x", "-o", "/dev/null", "-w", "%{http_version} %{http_code}"]
    for certificate in ([], ["--cert", own]):
        result = web.host.run(*curl, *certificate, "--tlsv1.3", url)
        check_equal((result.stdout, result.stderr), ("2 200", ""), f"curl {certificate}")
    old = web.host.run(*curl, "--tls-max", "1.2", url)
    check_equal(old.returncode, 35, f"curl with TLS 1.2: {old.stdout}{old.stderr}")
    check_contains(old.stderr, "protocol version", "why")


def test_nginx_answers_a_tunnel(mesh):
    """Its HTTP/2 is whole, so the handshake is: what it refuses is the request."""
    web, api = start_mesh(mesh)
    mesh.server.stop()
    api.kill_9()
    own, folder = os.path.join(api.data_dir, "node.pem"), os.path.join(mesh.directory, "nginx")
    os.mkdir(folder)
    temporary = "".join(f"{kind}_temp_path {folder}/{kind};\n" for kind in
                        ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
    config = api.host.file("nginx-tls.conf", f"""
daemon off; master_process off; pid {folder}/pid; error_log stderr info; user root;
events {{ worker_connections 64; }}
http {{ access_log {folder}/access; {temporary}
  server {{ listen {TUNNEL_PORT} ssl http2; ssl_protocols TLSv1.3; ssl_verify_depth 3;
           ssl_certificate {own}; ssl_certificate_key {own}; ssl_verify_client on;
           ssl_client_certificate {api.data_dir}/roots.pem; }} }}
""")
    api.host.start("/usr/sbin/nginx", "-p", folder, "-e", "stderr", "-c", config, name="nginx")
    wait_for_port(api.host, TUNNEL_PORT)
    before = tunnel_handshakes(web, "ok", "client")
    check_equal(web.host.call(refused, uid=WEB_UID), "reset", "a call to nginx")
    check(tunnel_handshakes(web, "ok", "client") > before, "the handshake was good")
