"""Joining, and everybody who must be turned away: refused, counted, logged with the peer."""

import os
import re
import socket
import ssl
import time

from harness.checks import PATIENCE, SLOWNESS, check, check_contains, check_equal, wait_until
from harness.mesh import TUNNEL_PORT, Server, service
from harness.programs import WEB_UID


def join(mesh, agent, token, *arguments):
    """`hawser join` on the agent's host, into its own folder."""
    return agent.host.run(mesh.binary, "join", token, "--data-dir", agent.data_dir, *arguments)


def refused_join(mesh, agent, token, *arguments):
    result = join(mesh, agent, token, *arguments)
    check_equal(result.returncode, 1, f"exit code of join ({result.stdout}{result.stderr})")
    check(not os.path.exists(os.path.join(agent.data_dir, "node.pem")), "an identity was stored")
    return result.stderr


def web_agent(mesh, name="web"):
    agent = mesh.add_agent(name, [service("web", user=WEB_UID)])
    agent.write_config()
    return agent


def test_join_enrols_a_host_once_and_says_so_again(mesh):
    mesh.start_server()
    agent = web_agent(mesh)
    token = mesh.server.create_token("web", ["web"])
    first = join(mesh, agent, token)
    check_equal(first.returncode, 0, f"join ({first.stderr})")
    again = join(mesh, agent, token)
    check_equal(again.returncode, 0, f"join again ({again.stderr})")
    key = os.path.join(agent.data_dir, "node.pem")
    check_equal(os.stat(key).st_mode & 0o777, 0o600, "mode of the key")
    check_equal(os.stat(agent.data_dir).st_mode & 0o777, 0o700, "mode of its folder")
    agent.start()
    check_contains(agent.output("status"), "hawser.local", "status")


def test_a_deleted_host_comes_back_with_a_new_token_while_its_agent_runs(mesh):
    mesh.start_server()
    agent = mesh.start_agent("web", [service("web", user=WEB_UID), service("api", port=8080)])
    mesh.server.output("delete", "node", "web")
    wait_until(lambda: not agent.status()["server"], 10, "the agent is turned away")
    token = mesh.server.create_token("web", ["web", "api"])
    joined = join(mesh, agent, token)
    check_equal(joined.returncode, 0, f"join ({joined.stderr})")
    check_contains(joined.stdout, "the agent of this host uses it", "what join says")
    wait_until(lambda: agent.status()["server"], 10, "the agent is back")
    wait_until(lambda: agent.is_registered({"name": "api", "port": 8080}), 10, "with its service")


def test_a_new_token_lets_a_host_offer_another_service(mesh):
    mesh.start_server()
    agent = mesh.add_agent("api", [service("api", port=8080), service("db", port=5432)])
    agent.enrol(names=["api"])
    agent.launch()
    wait_until(lambda: agent.is_registered({"name": "api", "port": 8080}), 15, "api is registered")
    check_equal(join(mesh, agent, mesh.server.create_token("api", ["api", "db"])).returncode, 0,
                "join with the new token")
    wait_until(lambda: agent.is_registered({"name": "db", "port": 5432}), 15, "db is registered")


def test_root_joins_for_the_owner_of_the_folder_and_says_what_is_next(mesh):
    mesh.start_server()
    agent = mesh.add_agent("web", [service("web", user=WEB_UID)],
                           intercept={"mode": "explicit"})
    del agent.config["servers"]  # the token has them
    agent.config["socket"] = os.path.join(agent.data_dir, "agent.sock")
    agent.write_config()
    os.mkdir(agent.data_dir, 0o700)
    os.chown(agent.data_dir, 61007, 61007)
    result = join(mesh, agent, mesh.server.create_token("web", ["web"]))
    check_equal(result.returncode, 0, f"join ({result.stderr})")
    check_contains(result.stdout, "next: ", "what join says")
    check_contains(result.stdout, "hawser agent", "what join says")
    for folder, _, names in os.walk(agent.data_dir):
        for path in [folder] + [os.path.join(folder, name) for name in names]:
            check_equal(os.stat(path).st_uid, 61007, f"owner of {path}")
    agent.process = agent.host.start(mesh.binary, "agent", "-c", agent.config_path, uid=61007,
                                     name="agent")
    wait_until(lambda: len(mesh.server.status()["agents"]) == 1, 15, "it finds the server")
    if SLOWNESS == 1:  # a sanitizer needs to look into its process
        check_equal(os.stat(f"/proc/{agent.process.pid}/environ").st_uid, 0,
                    "whose memory it is, and its core dumps would be")


def test_a_used_token_is_refused(mesh):
    mesh.start_server()
    first, second = web_agent(mesh), web_agent(mesh, "web2")
    token = mesh.server.create_token("web", ["web"])
    check_equal(join(mesh, first, token).returncode, 0, "the first use")
    check_contains(refused_join(mesh, second, token), "used", "the reason")
    check_contains(mesh.server.logs(), second.host.ip4, "the server's log names the peer")
    check_contains(str(mesh.server.status()["refusals"]), "'what': 'joins'", "it is counted")
    check_contains(mesh.server.output("status"), "1 joins (", "status shows it")


def test_an_expired_token_is_refused(mesh):
    mesh.start_server()
    agent = web_agent(mesh)
    token = mesh.server.create_token("web", ["web"], "--ttl", "1s")
    ends = time.time() + 1.1
    wait_until(lambda: time.time() > ends, 5, "its end")
    check_contains(refused_join(mesh, agent, token), "expired", "the reason")
    # A host whose clock is behind asks the server, which knows better.
    check_equal(mesh.server.hawser("token", "list").returncode, 0, "token list")


def test_a_revoked_token_is_refused(mesh):
    mesh.start_server()
    agent = web_agent(mesh)
    token = mesh.server.create_token("web", ["web"])
    listed = mesh.server.output("token", "list", "--json")
    identifier = re.search(r'"id":\s*"([0-9a-f]+)"', listed)[1]
    mesh.server.output("token", "revoke", identifier)
    refused_join(mesh, agent, token)
    check_contains(mesh.server.logs(), agent.host.ip4, "the server's log names the peer")


def test_a_mistyped_token_is_told_from_a_wrong_one(mesh):
    mesh.start_server()
    agent = web_agent(mesh)
    token = mesh.server.create_token("web", ["web"])
    mistyped = token[:30] + ("A" if token[30] != "A" else "B") + token[31:]
    result = join(mesh, agent, mistyped)
    check(result.returncode in (1, 2), f"exit code {result.returncode}")
    check_contains(result.stderr, "token", "the reason")
    check_equal(len(result.stderr.strip().split("\n")), 1, f"lines in {result.stderr!r}")


def test_a_server_whose_ca_is_not_the_pinned_one_is_not_believed(mesh):
    mesh.start_server()
    token = mesh.server.create_token("web", ["web"])
    impostor = Server(mesh, mesh.add_host("impostor"))
    impostor.initialise()
    impostor.start()
    agent = web_agent(mesh)
    reason = refused_join(mesh, agent, token, impostor.address)
    check(re.search(r"pin|root|certificate|trust", reason), f"the reason: {reason}")
    check_equal(join(mesh, agent, token).returncode, 0, "the token is still good for its server")


def test_a_host_may_only_offer_what_its_token_allows(mesh):
    mesh.start_server()
    agent = mesh.add_agent("api", [service("api", port=8080), service("db", port=5432)])
    agent.enrol(names=["api"])
    agent.launch()
    wait_until(lambda: "db" in agent.logs(), 15, "the refusal is logged")
    wait_until(lambda: mesh.server.hawser("services", "api").returncode == 0, 15,
               "the service it may offer is registered all the same")
    result = mesh.server.hawser("services", "db", "--json")
    check(result.returncode != 0 or '"node": "api"' not in result.stdout,
          f"db was registered: {result.stdout}")


# --- the tunnel's port ---------------------------------------------------------------------------


def start_target(mesh):
    """An agent to attack and a host to do it from."""
    mesh.start_server()
    api = mesh.start_agent("api", [service("api", port=8080)])
    return api, mesh.add_host("intruder")


def told(api, intruder):
    def refusals():
        metrics = api.metrics()
        return sum(value for series, value in metrics.items()
                   if series.startswith("hawser_tunnel_handshakes_total")
                   and 'result="ok"' not in series)

    wait_until(lambda: refusals() >= 1, 8, "the refusal is counted")
    check_contains(api.logs(), intruder.ip4, "the log names the peer")


def test_plaintext_to_the_tunnel_port_is_refused_and_told(mesh):
    api, intruder = start_target(mesh)
    address = api.host.ip4

    def shout():
        with socket.create_connection((address, TUNNEL_PORT), timeout=10) as connection:
            connection.sendall(b"GET / HTTP/1.1\r\nhost: api.mesh\r\n\r\n")
            answer = b""
            try:
                while piece := connection.recv(1000):
                    answer += piece
            except ConnectionResetError:
                pass
            return answer

    answer = intruder.call(shout)
    check(len(answer) <= 7 and not answer.startswith(b"HTTP"), f"at most a TLS alert: {answer!r}")
    told(api, intruder)


def make_certificate(folder, uri):
    """A CA of the intruder's own, and a certificate of it for the URI."""
    import subprocess

    ca, key = os.path.join(folder, "ca"), os.path.join(folder, "leaf")
    extensions = os.path.join(folder, "extensions")
    with open(extensions, "w") as file:
        file.write(f"subjectAltName=URI:{uri}\nextendedKeyUsage=clientAuth,serverAuth\n"
                   "keyUsage=digitalSignature\nbasicConstraints=critical,CA:false\n")
    curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    for command in (
            ["req", "-x509", *curve, "-keyout", ca + ".key", "-out", ca + ".pem", "-subj",
             "/CN=hawser", "-days", "1"],
            ["req", *curve, "-keyout", key + ".key", "-out", key + ".csr", "-subj", "/CN=x"],
            ["x509", "-req", "-in", key + ".csr", "-CA", ca + ".pem", "-CAkey", ca + ".key",
             "-CAcreateserial", "-days", "1", "-extfile", extensions, "-out", key + ".pem"]):
        subprocess.run(["openssl", *command], check=True, capture_output=True, timeout=20)
    return key + ".pem", key + ".key"


def handshake(address, certificate=None, maximum=ssl.TLSVersion.TLSv1_3):
    """What becomes of a TLS session: 'answered' if the server goes on talking, else why not."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_alpn_protocols(["h2"])
    context.maximum_version = maximum
    if certificate:
        context.load_cert_chain(*certificate)
    try:
        with socket.create_connection((address, TUNNEL_PORT), timeout=10) as plain:
            with context.wrap_socket(plain) as session:
                session.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes(3) + b"\x04" + bytes(5))
                data = session.recv(1000)
                # In TLS 1.3 the client is done before the server has judged its certificate:
                # only what comes then tells.
                while data and not data.startswith(b"\x00"):
                    data = session.recv(1000)
                return "answered" if data and session.recv(1000) else "closed"
    except (ssl.SSLError, ConnectionError) as error:
        return type(error).__name__


def test_a_certificate_of_another_ca_is_refused_and_told(mesh):
    api, intruder = start_target(mesh)
    certificate = make_certificate(mesh.directory, "spiffe://hawser.local/svc/web")
    address = api.host.ip4
    outcome = intruder.call(lambda: handshake(address, certificate))
    check(outcome != "answered", "the session was accepted")
    told(api, intruder)


def test_a_peer_without_a_certificate_is_refused_and_told(mesh):
    api, intruder = start_target(mesh)
    address = api.host.ip4
    check(intruder.call(lambda: handshake(address)) != "answered", "the session was accepted")
    told(api, intruder)


def test_tls_12_is_refused(mesh):
    api, intruder = start_target(mesh)
    address = api.host.ip4
    outcome = intruder.call(lambda: handshake(address, maximum=ssl.TLSVersion.TLSv1_2))
    check(outcome != "answered", "TLS 1.2 was accepted")
    told(api, intruder)


def test_a_silent_peer_is_cut_off(mesh):
    api, intruder = start_target(mesh)
    address = api.host.ip4

    def stay_silent():
        with socket.create_connection((address, TUNNEL_PORT), timeout=15 * PATIENCE) as connection:
            try:
                return connection.recv(100)
            except ConnectionResetError:
                return b""

    began = time.monotonic()
    answer = intruder.call(stay_silent, timeout=20)
    check(len(answer) <= 7, f"at most an alert: {answer!r}")
    check(time.monotonic() - began < 12 * PATIENCE, "cut off only after a long while")


