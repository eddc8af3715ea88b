"""Certificates: renewed in time, and worth nothing in other hands."""

import json
import os
import re

from harness.checks import check, check_contains, check_equal, wait_until
from harness.hosts import wait_for_port
from harness.mesh import TUNNEL_PORT, service
from harness.programs import WEB_UID, dial, fetch, fetch_many, refused, start_greeter


def start_pair(mesh, **server_config):
    mesh.start_server(**server_config)
    web = mesh.start_agent("web", [service("web", user=WEB_UID)])
    api = mesh.start_agent("api", [service("api", port=8080)])
    mesh.server.allow(("web", "api"))
    start_greeter(api.host, 8080, "hello")
    return web, api


def expiries(agent):
    return {entry["identity"]: entry["not_after"] for entry in agent.status()["certificates"]}


def test_certificates_are_renewed_while_traffic_goes_on(mesh):
    web, api = start_pair(mesh, certificate_lifetime="10s")
    before = {agent: expiries(agent) for agent in (web, api)}

    def renewed_twice():
        answers = web.host.call(lambda: fetch_many(5), uid=WEB_UID)
        check_equal(answers, ["hello"] * 5, "answers while certificates change")
        changes.append(expiries(web))
        return len({json.dumps(each, sort_keys=True) for each in changes}) >= 4

    changes = []
    wait_until(renewed_twice, 30, "web's certificates changed several times")
    for agent, old in before.items():
        new = expiries(agent)
        check_equal(set(new), set(old), "identities")
        check(all(new[name] > old[name] for name in old), f"{old} became {new}")
    check(all(line.find("ERROR") < 0 for line in web.logs().split("\n")), "an error was logged")


def test_every_service_has_its_own_certificate_and_key(mesh):
    mesh.start_server()
    agent = mesh.start_agent("web", [service("web", user=WEB_UID), service("api", port=8080)])
    identities = set(expiries(agent))
    check_equal(identities, {f"spiffe://hawser.local/{name}"
                             for name in ("node/web", "svc/web", "svc/api")}, "identities")
    keys = set()
    for path in ("node.pem", "services/web.pem", "services/api.pem"):
        path = os.path.join(agent.data_dir, path)
        check_equal(os.stat(path).st_mode & 0o777, 0o600, f"mode of {path}")
        with open(path) as file:
            text = file.read()
        keys.add(text[:text.index("-----END")])
        certificate = agent.host.output("openssl", "x509", "-noout", "-ext", "subjectAltName",
                                        "-in", path)
        check_equal(len(re.findall("URI:", certificate)), 1, f"URIs in {path}: {certificate}")
    check_equal(len(keys), 3, "different keys")


def test_a_stranger_who_knocks_on_and_on_is_counted_but_does_not_fill_the_log(mesh):
    mesh.start_server()
    agent = mesh.start_agent("api", [service("api", port=8080)])
    outsider, address = mesh.add_host("outsider"), agent.host.ip4
    times = 300

    def knock():
        for _ in range(times):
            with dial(address, TUNNEL_PORT) as connection:
                connection.sendall(b"GET / HTTP/1.1\r\n\r\n")
                try:
                    connection.recv(100)
                except ConnectionResetError:
                    pass
        return True

    outsider.call(knock)
    wait_until(lambda: agent.metric("hawser_tunnel_handshakes_total", side="server",
                                    result="refused") == times, 10, "each is counted")
    lines = [line for line in agent.logs().splitlines() if "refused a tunnel" in line]
    check(lines and outsider.ip4 in lines[0], f"the first is told at once, with its peer: {lines}")
    check(len(lines) <= 8, f"few lines in all: {lines}")  # each worker's first, then one in 10 s


def impersonate(host, pem_path):
    """Listens on the host's tunnel port with somebody's key and certificates."""
    process = host.start("openssl", "s_server", "-accept", str(TUNNEL_PORT), "-key", pem_path,
                         "-cert", pem_path, "-cert_chain", pem_path, "-alpn", "h2", "-verify", "3",
                         "-quiet")
    wait_for_port(host, TUNNEL_PORT)
    return process


def handshakes(agent, result):
    return agent.metric("hawser_tunnel_handshakes_total", side="client", result=result)


def test_a_tunnel_is_opened_only_to_the_host_that_was_chosen(mesh):
    web, api = start_pair(mesh)
    evil = mesh.start_agent("evil", [service("evil", port=8081)])
    check_equal(web.host.call(fetch, uid=WEB_UID), "hello", "web's call")
    # With no server, web goes on believing that api is where it was.
    mesh.server.stop()
    api.kill_9()
    good = handshakes(web, "ok")
    for name, pem in (("another host of the mesh", os.path.join(evil.data_dir, "node.pem")),
                      ("a service of another host",
                       os.path.join(evil.data_dir, "services/evil.pem"))):
        listener = impersonate(api.host, pem)
        check_equal(web.host.call(refused, uid=WEB_UID), "reset", f"a call to {name}")
        check_equal(handshakes(web, "ok"), good, f"handshakes accepted from {name}")
        listener.kill()
    complaints = web.logs().count("peer certificate")
    check(complaints >= 2, "the log says what was wrong with the certificates")
    check_contains(web.logs(), f"{api.host.ip4}:{TUNNEL_PORT}", "the log names the peer")
    # The same with the right certificate, which is believed; openssl cannot do the rest.
    listener = impersonate(api.host, os.path.join(api.data_dir, "node.pem"))
    check_equal(web.host.call(refused, uid=WEB_UID), "reset", "a call to something else than hawser")
    check_contains(listener.log(), "CN = web", "the caller showed its certificate")
    check_equal(web.logs().count("peer certificate"), complaints, "complaints about certificates")
    listener.kill()
