"""The kernel rules a host gets, keeps and loses."""

import json
import os
import signal
import socket

from harness.checks import check, check_contains, check_equal, wait_until
from harness.mesh import service
from harness.programs import WEB_UID, dial, fetch, refused, start_echo, start_greeter

UNIT = os.path.join(os.path.dirname(__file__), "../../systemd/hawser-agent.service")


def start_host(mesh, **config):
    mesh.start_server()
    return mesh.start_agent("web", [service("web", user=WEB_UID), service("api", port=8080)],
                            **config)


def tables(agent):
    return agent.host.output("nft", "list", "tables").split("\n")[:-1]


def test_stopping_an_agent_leaves_nothing_in_the_kernel(mesh):
    agent = mesh.start_server() and start_untouched(mesh)
    before = agent.host.output("nft", "list", "ruleset")
    routes = agent.host.output("ip", "rule"), agent.host.output("ip", "route", "show", "table",
                                                                "all")
    agent.enrol()
    agent.start()
    check_equal(tables(agent), ["table inet foreign", "table inet hawser"], "tables while it runs")
    agent.stop()
    check_equal(agent.host.output("nft", "list", "ruleset"), before, "rules after the stop")
    check_equal((agent.host.output("ip", "rule"), agent.host.output(
        "ip", "route", "show", "table", "all")), routes, "routes after the stop")


def start_untouched(mesh):
    """An agent's host that has rules of its own."""
    agent = mesh.add_agent("web", [service("web", user=WEB_UID)])
    agent.host.output("nft", "add table inet foreign { chain c { type filter hook input priority 0;"
                      " tcp dport 1 drop; }; }")
    return agent


def test_on_exit_closed_keeps_the_mesh_unreachable_when_the_agent_stops(mesh):
    agent = start_host(mesh, intercept={"mode": "transparent", "on_exit": "closed"})
    address = agent.host.output("dig", "+short", "api.mesh").strip()
    agent.stop()
    check_equal(tables(agent), ["table inet hawser"], "the table that refuses")
    check_equal(agent.host.call(lambda: refused(address), uid=WEB_UID), "refused", "a VIP")
    agent.start()
    check_contains(agent.output("intercept", "status"), "match", "intercept status")


def run_exec_stop_post(agent):
    """What systemd runs when the agent has ended in whatever way."""
    with open(UNIT) as unit:
        [command] = [line.strip().removeprefix("ExecStopPost=-").split() for line in unit
                     if line.startswith("ExecStopPost=")]
    check_equal(command[0], "/usr/bin/hawser", "the program of ExecStopPost")
    agent.host.output(agent.mesh.binary, *command[1:])


def mesh_routes(agent):
    return (agent.host.output("ip", "route", "show", "proto", "104")
            + agent.host.output("ip", "-6", "route", "show", "proto", "104"))


def test_the_rules_of_a_killed_agent_are_removed_by_its_unit(mesh):
    agent = start_host(mesh)
    agent.kill_9()
    check_equal(tables(agent), ["table inet hawser"], "left by the killed agent")
    asked = agent.hawser("intercept", "status")
    check_equal(asked.returncode, 3, "intercept status with no agent")
    check_contains(asked.stderr, "hawser intercept leave", "what it says of the rules")
    run_exec_stop_post(agent)
    check_equal((tables(agent), mesh_routes(agent)), ([], ""), "tables and routes")
    check("kernel rules" not in agent.hawser("intercept", "status").stderr, "there are none")
    check_equal(agent.host.output("dig", "+short", "outside.test"), "192.0.2.7\n",
                "the host's own lookups")
    run_exec_stop_post(agent)  # nothing there: fine


def test_the_rules_of_a_killed_agent_are_closed_if_it_was_to_close_them(mesh):
    agent = start_host(mesh, intercept={"mode": "transparent", "on_exit": "closed"})
    address = agent.host.output("dig", "+short", "api.mesh").strip()
    outsider = mesh.add_host("outsider")
    start_greeter(agent.host, 8080, "hello")
    host_address = agent.host.ip4
    agent.kill_9()
    # Even if the configuration has become unreadable meanwhile.
    agent.host.file("agent.toml", "[intercept\n")
    run_exec_stop_post(agent)
    run_exec_stop_post(agent)
    check_equal(agent.host.call(lambda: refused(address), uid=WEB_UID), "refused", "a VIP")
    check_equal(outsider.call(lambda: refused(host_address, 8080)), "refused", "a service's port")
    check_equal(agent.host.output("dig", "+short", "outside.test"), "192.0.2.7\n",
                "the host's own lookups")


def test_an_agent_that_ends_before_its_rules_are_there_takes_those_of_the_killed_one_along(mesh):
    agent = start_host(mesh)
    agent.kill_9()
    check_equal(tables(agent), ["table inet hawser"], "left by the killed agent")
    ready, done = os.pipe(), os.pipe()

    def occupy():
        with socket.create_server(("127.0.0.1", 15053)):
            os.write(ready[1], b"!")
            os.read(done[0], 1)
        return True

    occupied = agent.host.background(occupy)
    os.read(ready[0], 1)
    check(agent.launch().wait(20) != 0, "it cannot start without its port")
    check_equal((tables(agent), mesh_routes(agent)), ([], ""), "tables and routes")
    os.write(done[1], b"!")
    occupied.result()
    agent.start()


def test_an_agent_in_explicit_mode_removes_what_it_left_in_transparent_mode(mesh):
    agent = start_host(mesh)
    agent.kill_9()
    agent.config["intercept"] = {"mode": "explicit"}
    agent.write_config()
    agent.start()
    check_equal((tables(agent), mesh_routes(agent)), ([], ""), "tables and routes")


def test_intercept_status_notices_rules_in_explicit_mode(mesh):
    agent = start_host(mesh, intercept={"mode": "explicit"})
    check_equal(agent.hawser("intercept", "status").returncode, 0, "untouched")
    agent.host.output("nft", "add table inet hawser { chain nat_output { type nat hook output "
                      "priority -100; udp dport 53 redirect to :15053; }; }")
    changed = agent.hawser("intercept", "status", "--json")
    answer = json.loads(changed.stdout)
    check_equal((changed.returncode, answer["matches"]), (1, False), "with rules")
    check_contains(answer["difference"], "15053", "the difference names the rule")
    check_contains(agent.hawser("intercept", "status").stdout, "nft delete table inet hawser",
                   "what to do")


def test_a_second_signal_skips_the_wait_for_connections_but_not_the_removal_of_rules(mesh):
    mesh.start_server()
    web = mesh.start_agent("web", [service("web", user=WEB_UID)])
    api = mesh.start_agent("api", [service("api", port=8080)])
    mesh.server.allow(("web", "api"))
    start_echo(api.host, 8080)
    ready = os.pipe()

    def hold():
        with dial() as connection:
            connection.sendall(b"one")
            connection.recv(10)
            os.write(ready[1], b"!")
            try:
                connection.recv(10)  # as long as the agents let it
            except ConnectionResetError:
                pass
        return True

    holding = web.host.background(hold, uid=WEB_UID)
    os.read(ready[0], 1)
    web.process.popen.send_signal(signal.SIGTERM)
    wait_until(lambda: web.logs().count("stopping") >= 1, 5, "it heard the first signal")
    check(web.process.running(), "it waits for the connection")
    web.process.popen.send_signal(signal.SIGTERM)
    check_equal(web.process.wait(4), 0, "exit code")
    check_equal((tables(web), mesh_routes(web)), ([], ""), "tables and routes")
    holding.result()


def test_intercept_status_notices_a_rule_changed_by_hand(mesh):
    agent = start_host(mesh)
    intact = agent.hawser("intercept", "status", "--json")
    check_equal((intact.returncode, json.loads(intact.stdout)["matches"]), (0, True), "untouched")
    agent.host.output("nft", "insert", "rule", "inet", "hawser", "nat_output", "tcp", "dport",
                      "4242", "accept")
    changed = agent.hawser("intercept", "status", "--json")
    answer = json.loads(changed.stdout)
    check_equal((changed.returncode, answer["matches"]), (1, False), "one rule more")
    check_contains(answer["difference"], "4242", "the difference names the rule")
    agent.host.output("nft", "flush", "ruleset")
    gone = agent.hawser("intercept", "status")
    check_equal(gone.returncode, 1, "no table at all")


def test_status_notices_missing_rules(mesh):
    agent = start_host(mesh)
    check_contains(agent.output("status"), "the kernel's rules match", "status of an intact host")
    agent.host.output("nft", "flush", "ruleset")
    text = agent.output("status")
    check_contains(text, "the kernel's rules are missing or were changed", "status")
    check_contains(text, "hawser intercept status", "what to do")


def test_plaintext_from_the_network_to_a_services_port_is_reset_and_told(mesh):
    agent = start_host(mesh)
    outsider = mesh.add_host("outsider")
    start_greeter(agent.host, 8080, "hello")
    address = agent.host.ip4
    check_equal(outsider.call(lambda: refused(address, 8080)), "reset", "from the network")
    check_equal(agent.host.call(lambda: fetch("127.0.0.1", 8080)), "hello", "from the host itself")
    wait_until(lambda: agent.metric("hawser_connections_refused_total", reason="plaintext") >= 1,
               5, "it is counted")
    check_contains(agent.logs(), outsider.ip4, "the log names the peer")


def test_the_network_cannot_reach_where_a_hosts_own_callers_are_led(mesh):
    agent = start_host(mesh)
    mesh.server.allow(("web", "api"))
    start_greeter(agent.host, 8080, "hello")
    outsider = mesh.add_host("outsider")
    for address in (agent.host.ip4, agent.host.ip6):
        check_equal(outsider.call(lambda: refused(address, 15001)), "refused", address)
    for record in ("A", "AAAA"):
        address = agent.host.output("dig", "+short", "api.mesh", record).strip()
        check_equal(agent.host.call(lambda: fetch(address), uid=WEB_UID), "hello", address)


def test_what_is_not_tcp_to_a_mesh_address_is_refused_at_once(mesh):
    agent = start_host(mesh)
    address = agent.host.output("dig", "+short", "api.mesh").strip()

    def send_datagram():
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            sender.settimeout(5)
            sender.connect((address, 9999))
            try:
                sender.send(b"x")
                sender.recv(10)
            except ConnectionRefusedError:
                return "refused"
        return "silence"

    check_equal(agent.host.call(send_datagram, uid=WEB_UID), "refused", "a datagram")


def test_other_traffic_of_the_host_is_left_alone(mesh):
    agent = start_host(mesh)
    other = mesh.add_host("other")
    start_greeter(other, 80, "outside of the mesh")
    address = other.ip4
    check_equal(agent.host.call(lambda: fetch(address, 80), uid=WEB_UID), "outside of the mesh",
                "a plain connection to a host without an agent")

    def unknown_address():
        try:
            with dial("240.255.255.254", 80) as connection:
                return connection.recv(1) or "closed"
        except OSError as error:
            return type(error).__name__

    check_equal(agent.host.call(unknown_address, uid=WEB_UID), "ConnectionResetError",
                "a mesh address nobody has")
