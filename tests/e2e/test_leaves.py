"""Certificates that never expire silently: renewed under load, outliving the servers, mended once
they expired, and of no use on another machine. --long makes the loads longer."""

import json
import os
import shutil
import time

from harness.checks import check, check_contains, check_equal, wait_until
from harness.load import Load
from harness.mesh import service
from harness.programs import WEB_UID, echoed, start_echo
from harness.runner import alone


def start_pair(mesh, **server_config):
    mesh.start_server(**server_config)
    web = mesh.start_agent("web", [service("web", user=WEB_UID)])
    api = mesh.start_agent("api", [service("api", port=8080)])
    mesh.server.allow(("web", "api"))
    start_echo(api.host, 8080)
    check_equal(web.host.call(lambda: echoed(b"x"), uid=WEB_UID), b"x", "web's call")
    return web, api


def certificates(daemon):
    """{identity: entry of cert list} of the daemon's own."""
    (told,) = json.loads(daemon.output("cert", "list", "--json"))
    return {entry["identity"]: entry for entry in told["certificates"] if entry["renews_at"]}


def renewals(agent):
    return agent.metric("hawser_certificate_renewals_total", result="ok")


def wait_for_time(end):
    wait_until(lambda: time.time() >= end, end - time.time() + 10, "the time has come")


def carry_through_renewals(mesh, in_the_middle=lambda: None):
    """500 requests a second while every certificate is renewed several times."""
    life, seconds = (60, 600) if mesh.long else (10, 40)
    web, api = start_pair(mesh, certificate_lifetime=f"{life}s")
    before = {agent: renewals(agent) for agent in (web, api)}
    load, began = Load(web.host), time.time()
    wait_for_time(began + seconds / 2)
    in_the_middle()
    wait_for_time(began + seconds)
    load.check_nothing_failed()
    for agent in (web, api):
        done = renewals(agent) - before[agent]
        # Two certificates each, about every half of their life; half of that is certain.
        check(done >= seconds / life * 2, f"{agent.host.name} renewed {done} times")
        check_equal({entry["state"] for entry in certificates(agent).values()}, {"valid"}, "states")
        check("ERROR" not in agent.logs(), "an error was logged")
    check_equal(web.hawser("check").returncode, 0, "check")


@alone
def test_no_request_notices_that_certificates_are_renewed(mesh):
    carry_through_renewals(mesh)


@alone
def test_no_request_notices_that_servers_are_gone_for_nine_tenths_of_a_certificate(mesh):
    life = 60 if mesh.long else 40
    away = life * 9 // 10
    web, api = start_pair(mesh, certificate_lifetime=f"{life}s",
                          ca={"availability_target": f"{away}s"})
    load = Load(web.host)
    before = renewals(web)
    wait_until(lambda: renewals(web) >= before + 4, 30, "certificates are renewed")
    mesh.server.stop()
    stopped = time.time()
    wait_for_time(stopped + away / 2)
    for agent in (web, api):
        check(agent.metric("hawser_certificate_renewals_total", result="failed") > 0, "it tries")
        check_contains(agent.output("status"), "was not renewed", "status")
    wait_for_time(stopped + away)
    mesh.server.start()
    before = renewals(web)
    wait_until(lambda: renewals(web) >= before + 2, 30, "certificates are renewed again")
    load.check_nothing_failed()
    wait_until(lambda: web.hawser("check").returncode == 0, 20, "all is well again")


def history_of_api(mesh):
    told = json.loads(mesh.server.output("history", "node", "api", "--json"))
    return [(entry["index"], entry["change"]) for entry in told["entries"]]


def has_expired(agent):
    states = {name: entry["state"] for name, entry in certificates(agent).items()}
    return states and set(states.values()) == {"expired"}


def test_a_host_whose_certificate_expired_comes_back_as_itself(mesh):
    web, api = start_pair(mesh, certificate_lifetime="10s")
    vip = web.host.output("dig", "+short", "api.mesh")
    history = history_of_api(mesh)
    mesh.server.stop()
    for agent in (web, api):
        wait_until(lambda: has_expired(agent), 30, f"{agent.host.name}'s certificates expire")
        check(agent.process.running(), "the agent goes on")
    # Started anew with it, it waits as well, and says what for.
    api.stop()
    api.launch()
    mesh.server.start()
    for agent in (web, api):
        wait_until(lambda: "hawser token create" in agent.output("status"), 20, "status says it")
        checked = agent.hawser("check")
        check_equal(checked.returncode, 1, "check")
        check_contains(checked.stdout, f"hawser token create --node {agent.host.name}", "the fix")
    # One by an operator on the host, the other by a token where it looks for one.
    token = mesh.server.create_token("web", ["web"])
    joined = web.host.run(mesh.binary, "join", token, "--data-dir", web.data_dir)
    check_equal(joined.returncode, 0, f"join: {joined.stdout}{joined.stderr}")
    check_contains(joined.stdout, "the agent of this host uses it", "what join says")
    api.host.file("join-token", mesh.server.create_token("api", ["api"]), mode=0o600)
    for agent in (web, api):
        agent.wait_status(lambda status: status["server"] and not status["warnings"], 30,
                          f"{agent.host.name} is back")
        wait_until(lambda: agent.hawser("check").returncode == 0, 20, "check")
    mesh.wait_passing("api", 1, seen_by=[mesh.server, web])
    check_equal(web.host.call(lambda: echoed(b"y"), uid=WEB_UID), b"y", "a call")
    check_equal(web.host.output("dig", "+short", "api.mesh"), vip, "its address stayed")
    check_equal(history_of_api(mesh)[-len(history):], history, "its history stayed")


def test_a_cloned_host_is_refused_until_it_joins_as_itself(mesh):
    mesh.start_server()
    web = mesh.add_agent("web", [service("web", user=WEB_UID)])
    web.config["machine_id_file"] = web.host.file("machine-id", "1" * 32 + "\n")
    web.enrol()
    web.start()
    copy = mesh.add_agent("copy", [service("web", user=WEB_UID)])
    del copy.config["node"]  # as a clone has it: nothing names this host
    copy.config["machine_id_file"] = copy.host.file("machine-id", "2" * 32 + "\n")
    shutil.copy(web.token_path, copy.token_path)
    shutil.copytree(web.data_dir, copy.data_dir, ignore=shutil.ignore_patterns("lock"))
    copy.write_config()
    copy.launch()
    check_equal(copy.process.wait(), 1, "exit code on the clone")
    check_contains(copy.logs(), "another machine's", "the log")
    check_contains(copy.logs(), "used", "why it cannot join with its original's token")
    left = {name for _, _, names in os.walk(copy.data_dir) for name in names}
    check(not left & {"node.pem", "web.pem", "roots.pem", "snapshot.cache", "joined"},
          f"what is left: {left}")
    copy.host.file("join-token", mesh.server.create_token("copy", ["web"]), mode=0o600)
    copy.start()
    check_equal({name.split("/")[-1] for name in certificates(copy)}, {"copy", "web"}, "identities")
    check("node/web" in str(certificates(web)) and web.process.running(), "the original stays")
    web.stop()
    web.start()  # on its own machine nothing is lost
