"""Instances that fail, hang or vanish stop getting connections in time."""

import os
import time

from harness.checks import PATIENCE, check, check_equal, wait_until
from harness.mesh import service, tcp_check
from harness.programs import WEB_UID, fetch_many, start_greeter, start_nginx


def start_three(mesh, check_list):
    """A caller and two hosts with an instance of api each, which say their host's name."""
    mesh.start_server()
    web = mesh.start_agent("web", [service("web", user=WEB_UID)])
    apis = [mesh.start_agent(name, [service("api", port=8080, check=check_list(name))
                                    if check_list else service("api", port=8080)])
            for name in ("api-1", "api-2")]
    mesh.server.allow(("web", "api"))
    return web, apis


def seconds_until_out(mesh, web, node, limit):
    """Until no new connection of web's goes to the node; the clock runs from the call."""
    began = time.monotonic()
    watchers = [mesh.server, web]
    for watcher in watchers:
        wait_until(lambda: all(instance["node"] != node
                               for instance in mesh.passing("api", watcher)),
                   limit + 5, f"{node} is out for the {watcher.role}")
    return time.monotonic() - began


def others_answer(web, name):
    answers = web.host.call(lambda: fetch_many(40), uid=WEB_UID, timeout=30)
    check_equal(answers, [name] * 40, "who answers")


def test_an_instance_whose_command_check_fails_is_out_within_interval_plus_one_second(mesh):
    def flag(name):
        return os.path.join(mesh.directory, f"{name}.healthy")

    for name in ("api-1", "api-2"):
        open(flag(name), "w").close()
    web, apis = start_three(mesh, lambda name: [{"exec": ["/bin/sh", "-c", f"test -e {flag(name)} || exit 2"],
                                                 "interval": "1s", "timeout": "1s"}])
    for api in apis:
        start_greeter(api.host, 8080, api.host.name)
    mesh.wait_passing("api", 2)
    os.remove(flag("api-1"))
    took = seconds_until_out(mesh, web, "api-1", 2)
    check(took <= 2 * PATIENCE + 0.3, f"out after {took:.1f} s; the interval is 1 s")
    others_answer(web, "api-2")
    open(flag("api-1"), "w").close()
    mesh.wait_passing("api", 2, seen_by=[mesh.server, web])
    answers = web.host.call(lambda: fetch_many(40), uid=WEB_UID, timeout=30)
    check_equal(set(answers), {"api-1", "api-2"}, "who answers when it is healthy again")


def test_an_instance_that_dies_is_out_within_interval_plus_one_second(mesh):
    web, apis = start_three(mesh, lambda name: tcp_check("1s"))
    servers = [start_greeter(api.host, 8080, api.host.name) for api in apis]
    mesh.wait_passing("api", 2)
    servers[0].kill()
    took = seconds_until_out(mesh, web, "api-1", 2)
    check(took <= 2 * PATIENCE + 0.3, f"out after {took:.1f} s; the interval is 1 s")
    others_answer(web, "api-2")


def test_a_service_that_names_no_check_is_checked_for_accepting_connections(mesh):
    mesh.start_server()
    agent = mesh.add_agent("api", [{"name": "api", "port": 8080}, {"name": "db", "port": 5432},
                                   service("cache", port=6379)])
    start_greeter(agent.host, 5432, "hello")
    agent.enrol()
    agent.start()
    expected = {"api": "critical", "db": "passing", "cache": "passing"}
    status = agent.wait_status(
        lambda status: {each["name"]: each["health"] for each in status["services"]} == expected,
        10, "their health")
    reasons = {each["name"]: each["reason"] for each in status["services"]}
    check("127.0.0.1:8080" in reasons["api"], reasons["api"])
    check_equal((reasons["db"], reasons["cache"]), ("", "unchecked"), "reasons")


def test_an_http_check_looks_at_the_status(mesh):
    mesh.start_server()
    check_list = [{"http": "/healthz", "interval": "1s", "timeout": "1s"}]
    api = mesh.start_agent("api", [service("api", port=8080, check=check_list)])
    nginx = start_nginx(api.host, 8080, "fine")
    mesh.wait_passing("api", 1)
    nginx.stop()
    mesh.wait_passing("api", 0, timeout=5)
    reasons = [instance["health_reason"] for instance in mesh.server.instances("api")]
    check("http" in reasons[0], f"the reason says what was asked: {reasons}")


def test_the_instances_of_a_killed_agent_are_out_within_ten_seconds(mesh):
    web, apis = start_three(mesh, None)
    for api in apis:
        start_greeter(api.host, 8080, api.host.name)
    mesh.wait_passing("api", 2, seen_by=[mesh.server, web])
    apis[0].kill_9()
    took = seconds_until_out(mesh, web, "api-1", 10)
    check(took <= 10 * PATIENCE, f"out after {took:.1f} s")
    others_answer(web, "api-2")


def test_the_instances_of_a_vanished_host_are_out_within_ten_seconds(mesh):
    web, apis = start_three(mesh, None)
    for api in apis:
        start_greeter(api.host, 8080, api.host.name)
    mesh.wait_passing("api", 2, seen_by=[mesh.server, web])
    apis[0].host.unplug()  # no FIN, no RST: silence
    took = seconds_until_out(mesh, web, "api-1", 10)
    check(took <= 10 * PATIENCE, f"out after {took:.1f} s")
    others_answer(web, "api-2")
    apis[0].host.plug()
    mesh.wait_passing("api", 2, timeout=20)
