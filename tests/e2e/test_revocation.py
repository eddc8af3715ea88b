"""What ends when somebody may no longer: open connections too, at once, and no others."""

import json
import os
import select
import time

from harness.checks import check, check_contains, check_equal, wait_until
from harness.mesh import service
from harness.programs import (BATCH_UID, WEB_UID, dial, echoed, refused, start_echo)

PROMPT = 1.0  # seconds from when the agents know


class Conversation:
    """A connection on which something is said all the time."""

    def __init__(self, agent, uid=WEB_UID, name="api.mesh"):
        told, self.stop = os.pipe(), os.pipe()

        def converse():
            with dial(name) as connection:
                connection.sendall(b"x")
                check_equal(connection.recv(10), b"x", "the first answer")
                os.write(told[1], b"!")
                try:
                    while True:
                        connection.sendall(b"x")
                        if not connection.recv(10):
                            return "closed", time.monotonic()
                        if select.select([self.stop[0]], [], [], 0.02)[0]:
                            return "open", time.monotonic()
                except ConnectionError:
                    return "reset", time.monotonic()

        self.call = agent.host.background(converse, uid=uid)
        check(select.select([told[0]], [], [], 10)[0], f"{agent.host.name} talks to {name}")

    def check_cut_since(self, moment, what):
        ending, at = self.call.result(10)
        check_equal(ending, "reset", f"{what}: the end")
        check(at - moment < PROMPT, f"{what}: cut {at - moment:.3f} s later")

    def check_open(self, what):
        os.write(self.stop[1], b"!")
        check_equal(self.call.result(10)[0], "open", what)


def start_mesh(mesh, **server_config):
    """web-1 and web-2 call api; batch, on web-1, too."""
    mesh.start_server(**server_config)
    agents = [mesh.start_agent(name, [service("web", user=WEB_UID), service("batch", user=BATCH_UID)],
                               access_log={"mode": "all"}) for name in ("web-1", "web-2")]
    api = mesh.start_agent("api-1", [service("api", port=8080)], access_log={"mode": "all"})
    mesh.server.allow(("web", "api"), ("batch", "api"))
    start_echo(api.host, 8080)
    return *agents, api


def records(agent, flag):
    """The access log's records with this flag."""
    found = []
    for line in agent.logs().splitlines():
        if f'"{flag}"' in line and line.startswith("{"):
            found.append(json.loads(line))
    return found


def calls(agent, uid=WEB_UID):
    return agent.host.call(lambda: echoed(b"hello"), uid=uid) == b"hello"


def quarantine(mesh, *arguments):
    result = mesh.server.hawser("quarantine", *arguments, "--wait")
    check(result.returncode == 0, f"quarantine {arguments}: {result.stdout}{result.stderr}")
    return time.monotonic()


def test_a_policy_that_ends_cuts_what_it_let_in_and_nothing_else(mesh):
    web, other, api = start_mesh(mesh)
    cut = [Conversation(web), Conversation(other)]
    kept = Conversation(web, uid=BATCH_UID)
    mesh.server.apply('[[policy]]\nname = "maybe"\nservice = "api"\naction = "deny"\n'
                      'from = ["web", "batch"]\nmode = "shadow"\n')
    mesh.server.apply('[[policy]]\nname = "no-web"\nservice = "api"\naction = "deny"\n'
                      'from = ["web"]\n')
    enforced = time.monotonic()
    for conversation in cut:
        conversation.check_cut_since(enforced, "web's connection")
    check_equal(web.host.call(refused, uid=WEB_UID), "reset", "a new call of web")
    check(api.metric("hawser_connections_cut_total", reason="RBAC") +
          web.metric("hawser_connections_cut_total", reason="RBAC") >= 1, "it is counted")
    for agent in (web, api):
        check(any(record.get("policy") == "no-web" or record["response_flags"] == "RBAC"
                  for record in wait_until(lambda: records(agent, "RBAC"), 5, "a record")),
              f"{agent.host.name}'s access log says why")
    kept.check_open("batch's connection, which is still allowed")


def test_a_node_in_quarantine_is_cut_off_until_that_is_lifted(mesh):
    web, other, api = start_mesh(mesh)
    cut = [Conversation(web), Conversation(web, uid=BATCH_UID)]
    kept = Conversation(other)
    enforced = quarantine(mesh, "web-1", "--reason", "broken into")
    for conversation in cut:
        conversation.check_cut_since(enforced, "a connection of web-1")
    check_equal(web.host.call(refused, uid=WEB_UID), "reset", "a new call from web-1")
    wait_until(lambda: api.metric("hawser_tunnels_open", side="server") == 1, 5,
               "its tunnels are closed")
    check_contains(mesh.server.output("quarantine"), "broken into", "the list")
    check_contains(mesh.server.output("nodes"), "quarantined", "nodes")
    check(any("web-1 is in quarantine" in warning for warning in web.status()["warnings"]),
          "its own status says so")
    check(any("web-1 is in quarantine" in warning
              for warning in mesh.server.status()["warnings"]), "the server's status says so")
    check(records(api, "HQ") or records(web, "HQ"), "the access log says why")
    kept.check_open("a connection of the same service on another node")
    quarantine(mesh, "node/web-1", "--off")
    check(calls(web), "web-1 calls again")
    check_equal(mesh.server.output("quarantine", "--json").strip(), "[]", "the list")


def test_the_far_side_enforces_a_quarantine_by_itself(mesh):
    """The node's own agent may be in other hands: here it just does not hear of it."""
    web, other, api = start_mesh(mesh)
    cut = Conversation(web)
    mesh.server.host.output("nft", f"add table inet cut; add chain inet cut input "
                            f"{{ type filter hook input priority 0; }}; "
                            f"add rule inet cut input ip saddr {web.host.ip4} drop")
    wait_until(lambda: not any(agent["node"] == "web-1"
                               for agent in mesh.server.status()["agents"]), 20,
               "web-1 is out of touch")
    result = mesh.server.hawser("quarantine", "web-1", "--wait")
    check_equal(result.returncode, 0, "quarantine")
    cut.check_cut_since(time.monotonic(), "a connection of web-1")
    check_equal(web.host.call(refused, uid=WEB_UID), "reset", "a new call from web-1")
    check(records(api, "HQ"), "api-1 refused it")
    check(calls(other), "another node calls")
    mesh.server.host.output("nft", "delete table inet cut")
    quarantine(mesh, "web-1", "--off")
    wait_until(lambda: calls(web), 15, "web-1 calls again")


def test_a_service_in_quarantine_is_cut_off_wherever_it_runs(mesh):
    web, other, api = start_mesh(mesh)
    cut = [Conversation(web), Conversation(other)]
    kept = Conversation(web, uid=BATCH_UID)
    enforced = quarantine(mesh, "spiffe://hawser.local/svc/web")
    for conversation in cut:
        conversation.check_cut_since(enforced, "a connection of web")
    check_equal(other.host.call(refused, uid=WEB_UID), "reset", "a new call of web")
    kept.check_open("batch's connection")
    quarantine(mesh, "svc/web", "--off")
    check(calls(web), "web calls again")
    called = Conversation(web)
    enforced = quarantine(mesh, "svc/api")
    called.check_cut_since(enforced, "a connection to api")
    check_contains(mesh.server.output("services"), "quarantined", "services")


def test_a_quarantine_outlives_restarts_without_servers(mesh):
    web, other, api = start_mesh(mesh)
    check(calls(web) and calls(other), "both call")
    quarantine(mesh, "node/web-1")
    mesh.server.stop()
    for agent in (web, api):
        agent.stop()
        agent.launch()
        agent.wait_status(lambda status: status["enforced_index"] > 0, 15, "serves from its cache")
        wait_until(lambda: agent.hawser("intercept", "status").returncode == 0, 10, "rules")
    check_equal(web.host.call(refused, uid=WEB_UID), "reset", "a call from web-1")
    check(calls(other), "web-2 calls")


def test_the_connections_of_a_deleted_node_are_cut(mesh):
    web, other, api = start_mesh(mesh)
    cut, kept = Conversation(web), Conversation(other)
    check_equal(mesh.server.hawser("delete", "node", "web-1").returncode, 0, "delete")
    cut.check_cut_since(time.monotonic(), "a connection of the deleted node")
    check_equal(web.host.call(refused, uid=WEB_UID), "reset", "a new call of the deleted node")
    check(records(api, "HD"), "api-1's access log says why")
    kept.check_open("another node's connection")


def test_the_connections_to_a_deleted_instance_are_cut(mesh):
    web, other, api = start_mesh(mesh)
    cut = [Conversation(web), Conversation(other)]
    check_equal(mesh.server.hawser("delete", "node", "api-1").returncode, 0, "delete")
    deleted = time.monotonic()
    for conversation in cut:
        conversation.check_cut_since(deleted, "a connection to the deleted instance")


def test_streams_go_on_while_all_certificates_are_renewed(mesh):
    web, other, api = start_mesh(mesh, certificate_lifetime="10s")
    conversations = [Conversation(agent, uid) for agent in (web, other)
                     for uid in (WEB_UID, BATCH_UID) for _ in range(5)]
    before = {agent: agent.metric("hawser_tunnel_handshakes_total", side="client", result="ok")
              for agent in (web, other)}

    def renewed():
        return all(agent.metric("hawser_tunnel_handshakes_total", side="client", result="ok") >=
                   count + 6 for agent, count in before.items())

    # Nothing new is called: the tunnels are replaced because streams live on in the old ones.
    wait_until(renewed, 60, "tunnels are made with renewed certificates")
    for conversation in conversations:
        conversation.check_open("a connection older than its tunnel's certificates")
    check(calls(web), "a new call")
