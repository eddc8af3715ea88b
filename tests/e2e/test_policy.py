"""Who may call whom, and what the network gets to see."""

import socket

from harness.capture import hello_kind, tls_records
from harness.checks import check, check_contains, check_equal, wait_until
from harness.mesh import TUNNEL_PORT, service
from harness.programs import (BATCH_UID, STRANGER_UID, WEB_UID, echoed, fetch, fetch_many, refused,
                              start_echo, start_greeter)


def start_pair(mesh, **config):
    mesh.start_server()
    web = mesh.start_agent("web", [service("web", user=WEB_UID), service("batch", user=BATCH_UID)],
                           **config)
    api = mesh.start_agent("api", [service("api", port=8080)], **config)
    return web, api


def policy(action, source="web"):
    return f'[[policy]]\nname = "p"\nservice = "api"\naction = "{action}"\nfrom = ["{source}"]\n'


def test_without_a_policy_nobody_is_let_in(mesh):
    web, api = start_pair(mesh)
    start_greeter(api.host, 8080, "hello")
    check_equal(web.host.call(refused, uid=WEB_UID), "reset", "web's call")
    wait_until(lambda: api.metric("hawser_policy_decisions_total", decision="deny") >= 1, 5,
               "the refusal is counted by the host that refused")
    check_contains(api.logs(), "hawser.local/svc/web", "its log names the caller")


def test_apply_wait_returns_when_the_new_policy_decides(mesh):
    web, api = start_pair(mesh)
    start_greeter(api.host, 8080, "hello")
    for action in ("allow", "deny", "allow", "deny"):
        mesh.server.apply(policy(action))
        # No waiting here: the very next connection is decided by it.
        if action == "allow":
            check_equal(web.host.call(fetch, uid=WEB_UID), "hello", "web's call")
        else:
            check_equal(web.host.call(refused, uid=WEB_UID), "reset", "web's call")


def test_only_the_service_that_a_policy_names_is_let_in(mesh):
    web, api = start_pair(mesh)
    start_greeter(api.host, 8080, "hello")
    mesh.server.apply(policy("allow"))
    check_equal(web.host.call(fetch, uid=WEB_UID), "hello", "web's call")
    check_equal(web.host.call(refused, uid=BATCH_UID), "reset", "batch's call")
    check_equal(web.host.call(refused, uid=STRANGER_UID), "reset", "a stranger's call")
    check_equal(web.host.call(refused), "reset", "root's call")
    mesh.server.apply(policy("allow", "*"))
    check_equal(web.host.call(fetch, uid=BATCH_UID), "hello", "batch's call, any service allowed")
    check_equal(web.host.call(refused, uid=STRANGER_UID), "reset", "a stranger is no service")


def test_deny_wins_over_allow(mesh):
    web, api = start_pair(mesh)
    start_greeter(api.host, 8080, "hello")
    mesh.server.apply(policy("allow", "*") + policy("deny").replace('"p"', '"q"'))
    check_equal(web.host.call(refused, uid=WEB_UID), "reset", "web's call")
    check_equal(web.host.call(fetch, uid=BATCH_UID), "hello", "batch's call")
    check_equal(mesh.server.hawser("delete", "policy", "q").returncode, 0, "delete policy q")
    wait_until(lambda: web.host.call(lambda: fetch_many(1), uid=WEB_UID) == ["hello"], 5,
               "without the deny, web is let in")


def test_the_wire_carries_only_tls_13(mesh):
    web, api = start_pair(mesh)
    start_echo(api.host, 8080)
    mesh.server.apply(policy("allow"))
    capture = mesh.capture(web.host)
    marker = b"this-must-not-be-readable"
    for _ in range(5):
        check_equal(web.host.call(lambda: echoed(marker * 1000), uid=WEB_UID), marker * 1000,
                    "echo")
    check(not capture.saw(marker), "the payload can be read on the wire")
    check(not capture.saw(b"api.mesh"), "the service's name can be read on the wire")
    tunnels = {stream: data for stream, data in capture.streams().items()
               if TUNNEL_PORT in (stream[1], stream[3])}
    hellos = [hello_kind(data) for data in tunnels.values()]
    check(1 in hellos and 2 in hellos, f"a handshake was seen: {hellos}")
    carried = 0
    for stream, data in tunnels.items():
        records = tls_records(data)
        carried += sum(length for kind, _, length in records if kind == 23)
        if hello_kind(data) == 2:  # supported_versions in the ServerHello: TLS 1.3
            check(b"\x00\x2b\x00\x02\x03\x04" in data[:200], f"{stream}: not TLS 1.3")
    check(carried > 2 * 5 * len(marker) * 1000, f"only {carried} bytes of application data")
    others = {port for stream in capture.streams() for port in (stream[1], stream[3])
              if port < 32768} - {TUNNEL_PORT, 7443, 53}
    check_equal(others, set(), "other ports on the wire")


def test_the_second_connection_to_a_host_costs_no_handshake(mesh):
    web, api = start_pair(mesh, workers=1)
    start_greeter(api.host, 8080, "hello")
    mesh.server.apply(policy("allow"))
    web.host.call(fetch, uid=WEB_UID)
    before = web.metric("hawser_tunnel_handshakes_total")
    check(before >= 1, f"the first connection made a tunnel: {before}")
    check_equal(web.host.call(lambda: fetch_many(50), uid=WEB_UID), ["hello"] * 50, "answers")
    check_equal(web.metric("hawser_tunnel_handshakes_total"), before, "handshakes")


def test_a_caller_is_known_also_when_the_kernel_changed_its_port(mesh):
    """Two connections from one port to two services: redirected to one listener, one of them gets
    another source port on the way."""
    mesh.start_server()
    web = mesh.start_agent("web", [service("web", user=WEB_UID)])
    api = mesh.start_agent("api", [service("api", port=8080), service("cache", port=8081)])
    mesh.server.allow(("web", "api"), ("web", "cache"))
    start_greeter(api.host, 8080, "api")
    start_greeter(api.host, 8081, "cache")
    mesh.wait_passing("api", 1, seen_by=[mesh.server, web])
    mesh.wait_passing("cache", 1, seen_by=[mesh.server, web])

    def call():
        answers, open_connections = [], []
        port = 0
        for name in ("api.mesh", "cache.mesh"):
            address = socket.gethostbyname(name)
            connection = socket.socket()
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            connection.bind(("127.0.0.1", port))
            connection.settimeout(10)
            connection.connect((address, 80))
            port = connection.getsockname()[1]
            open_connections.append(connection)
            answers.append(connection.recv(100).decode())
        return answers

    check_equal(web.host.call(call, uid=WEB_UID, timeout=30), ["api", "cache"], "the answers")
