"""Names: what an unmodified resolver sees on a host with an agent."""

import contextlib
import ipaddress
import os
import socket

from harness.checks import check, check_contains, check_equal
from harness.hosts import GATEWAY4
from harness.mesh import service
from harness.programs import WEB_UID


def start_host(mesh):
    mesh.start_server()
    api = mesh.start_agent("api", [service("api", port=8080, weight=5)])
    web = mesh.start_agent("web", [service("web", user=WEB_UID)])
    return web.host, api.host


def dig(host, *words):
    return host.output("dig", "+time=2", "+tries=1", *words, uid=WEB_UID)


def short(host, *words):
    return dig(host, "+short", *words).split("\n")[:-1]


def test_a_service_has_one_stable_address_of_each_family(mesh):
    web, api = start_host(mesh)
    (v4,), (v6,) = short(web, "api.mesh", "A"), short(web, "api.mesh", "AAAA")
    check(ipaddress.ip_address(v4) in ipaddress.ip_network("240.0.0.0/8"), f"A {v4}")
    check(ipaddress.ip_address(v6) in ipaddress.ip_network("fd68:6177::/64"), f"AAAA {v6}")
    check_equal((short(api, "API.Mesh.", "A"), short(api, "api.mesh", "AAAA")), ([v4], [v6]),
                "the same on the other host, whatever the case")
    resolved = web.call(lambda: sorted({entry[4][0] for entry in socket.getaddrinfo(
        "api.mesh", 80, type=socket.SOCK_STREAM)}), uid=WEB_UID)
    check_equal(resolved, sorted([v4, v6]), "getaddrinfo")
    check_contains(dig(web, "api.mesh"), "flags: qr aa", "authoritative")


def test_srv_names_the_live_instances(mesh):
    web, api = start_host(mesh)
    answers = short(web, "_api._tcp.mesh", "SRV")
    check_equal(len(answers), 1, f"one instance: {answers}")
    _, _, port, target = answers[0].split()
    check_equal((port, target), ("8080", "api.node.mesh."), "port and target")
    check_equal(short(web, "api.node.mesh", "A"), [api.ip4], "the host's own address")


def test_names_that_do_not_exist_are_nxdomain_and_other_types_are_empty(mesh):
    web, _ = start_host(mesh)
    check_contains(dig(web, "nobody.mesh"), "status: NXDOMAIN", "nobody.mesh")
    check_contains(dig(web, "a.b.c.mesh"), "status: NXDOMAIN", "a.b.c.mesh")
    empty = dig(web, "api.mesh", "MX")
    check_contains(empty, "status: NOERROR", "api.mesh MX")
    check_contains(empty, "ANSWER: 0", "api.mesh MX")


def test_other_names_are_asked_outside(mesh):
    web, _ = start_host(mesh)
    check_equal(short(web, "outside.test", "A"), ["192.0.2.7"], "a name outside of the mesh")
    check_contains(dig(web, "nobody.test"), "status: NXDOMAIN", "NXDOMAIN from outside")


def test_nameservers_that_are_not_captured_are_told(mesh):
    mesh.start_server()
    agent = mesh.add_agent("web", [service("web", user=WEB_UID)])
    agent.enrol()
    agent.start()
    check_equal(agent.status()["warnings"], [], "warnings with remote nameservers only")
    agent.host.file("resolv.conf", f"nameserver 127.0.0.53\nnameserver {GATEWAY4}\n")
    [warning] = agent.wait_status(lambda status: status["warnings"], 10, "a warning")["warnings"]
    check_contains(warning, GATEWAY4, "the nameserver that is not captured")


def test_a_resolver_of_the_hosts_own_is_asked_and_reaches_its_upstreams(mesh):
    """As with systemd-resolved or dnsmasq beside a nameserver of the network."""
    mesh.start_server()
    agent = mesh.add_agent("web", [service("web", user=WEB_UID), service("api", port=8080)])
    agent.host.file("resolv.conf", f"nameserver 127.0.0.1\nnameserver {GATEWAY4}\n")
    ready = os.pipe()

    def resolve():
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
            server.bind(("127.0.0.1", 53))
            os.write(ready[1], b"!")
            while True:
                query, peer = server.recvfrom(4096)
                with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
                    asking.settimeout(1)
                    asking.sendto(query, (GATEWAY4, 53))
                    with contextlib.suppress(TimeoutError):
                        server.sendto(asking.recv(4096), peer)

    agent.host.background(resolve)
    os.read(ready[0], 1)
    agent.enrol()
    agent.start()
    check_equal(short(agent.host, "outside.test", "A"), ["192.0.2.7"], "outside of the mesh")
    check_equal(len(short(agent.host, "api.mesh", "A")), 1, "in the mesh")


def test_the_responder_answers_over_udp_and_tcp_at_its_own_port(mesh):
    web, _ = start_host(mesh)
    for option in ("+notcp", "+tcp"):
        answer = short(web, "@127.0.0.1", "-p", "15053", option, "api.mesh", "A")
        check_equal(len(answer), 1, f"{option}: {answer}")
