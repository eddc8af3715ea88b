"""Daemons that stop, die and come back; traffic and state that stay."""

import json

from harness.checks import check, check_contains, check_equal, wait_until
from harness.mesh import service
from harness.programs import WEB_UID, echoed, fetch, fetch_many, start_echo, start_greeter


def start_pair(mesh):
    mesh.start_server()
    web = mesh.start_agent("web", [service("web", user=WEB_UID)])
    api = mesh.start_agent("api", [service("api", port=8080)])
    mesh.server.allow(("web", "api"))
    start_greeter(api.host, 8080, "hello")
    check_equal(web.host.call(fetch, uid=WEB_UID), "hello", "web's call")
    return web, api


def works(agent, what, count=10):
    answers = agent.host.call(lambda: fetch_many(count), uid=WEB_UID)
    check_equal(answers, ["hello"] * count, what)


def restored(agent):
    """Ready to serve from its cache, with no server in reach."""
    agent.launch()
    agent.wait_status(lambda status: status["enforced_index"] > 0, 15, "serves from its cache")
    wait_until(lambda: agent.hawser("intercept", "status").returncode == 0, 10, "rules in place")


def test_traffic_goes_on_without_a_server_and_agents_restart_from_their_cache(mesh):
    web, api = start_pair(mesh)
    mesh.server.stop()
    works(web, "with the server stopped")
    for agent in (web, api):
        agent.stop()
        restored(agent)
        check(agent.status()["from_cache"], "the status says that it runs on the cache")
    works(web, "after both agents were restarted with no server")
    check_contains(web.host.output("dig", "+short", "api.mesh"), "240.", "DNS from the cache")


def test_a_service_whose_only_node_is_silent_is_still_tried(mesh):
    web, api = start_pair(mesh)
    # The server does not hear api's agent; web's agent does.
    mesh.server.host.output("nft", f"add table inet cut; add chain inet cut input "
                            f"{{ type filter hook input priority 0; }}; "
                            f"add rule inet cut input ip saddr {api.host.ip4} drop")
    wait_until(lambda: not web_sees(web)["instances"][0]["alive"], 15, "web hears it is away")
    check(web_sees(web)["only_silent"], "services --json says so")
    check_contains(web.output("services"), "1/1 silent", "services")
    works(web, "while the server does not hear api's agent")
    mesh.server.host.output("nft", "delete table inet cut")
    mesh.wait_passing("api", 1, timeout=20, seen_by=[mesh.server, web])
    check(not web_sees(web)["only_silent"], "services --json says that it is over")


def web_sees(web):
    return json.loads(web.output("services", "api", "--json"))


def test_a_restarted_server_keeps_everything_and_agents_return(mesh):
    web, _ = start_pair(mesh)
    kept = [mesh.server.output("get", kind, "--json") for kind in ("service", "policy")]
    tokens = mesh.server.output("token", "list", "--json")
    index = mesh.server.status()["applied_index"]
    mesh.server.stop()
    mesh.server.start()
    check(mesh.server.status()["applied_index"] >= index, "the index does not go back")
    check_equal([mesh.server.output("get", kind, "--json") for kind in ("service", "policy")],
                kept, "services and policies")
    check_equal(mesh.server.output("token", "list", "--json"), tokens, "tokens")
    wait_until(lambda: len(mesh.server.status()["agents"]) == 2, 15, "both agents are back")
    mesh.server.apply('[[service]]\nname = "api"\nbalance = "random"\n')
    works(web, "after a change that every agent enforces")


def test_a_server_killed_with_kill_9_keeps_what_it_confirmed(mesh):
    web, _ = start_pair(mesh)
    for number in range(20):
        mesh.server.apply(f'[[service]]\nname = "s{number}"\n')
    mesh.server.kill_9()
    works(web, "while the server is dead")
    mesh.server.start()
    names = {row["name"] for row in json.loads(mesh.server.output("get", "service", "--json"))}
    check(names >= {f"s{number}" for number in range(20)}, f"services after kill -9: {names}")
    wait_until(lambda: len(mesh.server.status()["agents"]) == 2, 15, "both agents are back")
    works(web, "with the server back")


def test_an_agent_killed_with_kill_9_comes_back_by_itself(mesh):
    web, api = start_pair(mesh)
    for agent in (web, api):
        agent.kill_9()
        agent.start()  # the token is spent: it returns with the identity it has
        mesh.wait_passing("api", 1)
        wait_until(lambda: web.host.call(lambda: fetch_many(3), uid=WEB_UID) == ["hello"] * 3, 10,
                   f"traffic after {agent.host.name}'s agent was killed")
    check_equal(web.output("intercept", "status") and 0, 0, "its rules are in place once")
    tables = web.host.output("nft", "list", "tables").split("\n")
    check_equal([line for line in tables if line], ["table inet hawser"], "tables")


def test_an_open_connection_survives_the_servers_absence_and_return(mesh):
    mesh.start_server()
    web = mesh.start_agent("web", [service("web", user=WEB_UID)])
    api = mesh.start_agent("api", [service("api", port=8080)])
    mesh.server.allow(("web", "api"))
    start_echo(api.host, 8080)

    def converse():
        import os
        import socket

        with socket.create_connection(("api.mesh", 80), timeout=10) as connection:
            for number in range(3):
                connection.sendall(b"%d" % number)
                check_equal(connection.recv(10), b"%d" % number, "echo")
                os.write(told[1], b"!")
                os.read(go_on[0], 1)
        return True

    import os
    told, go_on = os.pipe(), os.pipe()
    talking = web.host.background(converse, uid=WEB_UID)
    for change in (mesh.server.stop, mesh.server.start, lambda: None):
        os.read(told[0], 1)
        change()
        os.write(go_on[1], b"!")
    talking.result()
    check_equal(web.host.call(lambda: echoed(b"new"), uid=WEB_UID), b"new", "a new connection")


def test_a_stopped_agent_is_away_at_once_and_apply_names_it(mesh):
    mesh.start_server(session_timeout="60s")  # nobody is taken for silent here
    web = mesh.start_agent("web", [service("web", user=WEB_UID)])
    api = mesh.start_agent("api", [service("api", port=8080)])
    api.stop()
    wait_until(lambda: not is_alive(mesh, "api"), 5, "the server knows that api's agent stopped")
    applied = mesh.server.apply('[[policy]]\nname = "p"\nservice = "api"\naction = "allow"\n'
                                'from = ["web"]\n', "--timeout", "20s")
    check_contains(applied.stdout, "enforced by all 1", "apply --wait")
    check_contains(applied.stdout, "away: api", "apply --wait names who is away")
    check(web.process.running(), "web's agent runs on")


def is_alive(mesh, node):
    nodes = json.loads(mesh.server.output("nodes", "--json"))
    return next(each["alive"] for each in nodes if each["name"] == node)
