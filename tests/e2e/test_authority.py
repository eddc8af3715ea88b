"""The certificate authority: its keys, other roots, and traffic that notices nothing of it."""

import json
import os
import time

from harness.checks import check, check_contains, check_equal, wait_until
from harness.cluster import Cluster
from harness.mesh import service
from harness.programs import WEB_UID, fetch, fetch_many, start_greeter
from harness.runner import alone


def ca_status(server):
    return json.loads(server.output("ca", "status", "--json"))


def in_phase(server, phase):
    return wait_until(lambda: ca_status(server)["phase"] == phase, 30, f"phase {phase}")


def start_pair(mesh):
    web = mesh.start_agent("web", [service("web", user=WEB_UID)])
    api = mesh.start_agent("api", [service("api", port=8080)])
    mesh.server.allow(("web", "api"))
    start_greeter(api.host, 8080, "hello")
    check_equal(web.host.call(fetch, uid=WEB_UID), "hello", "web's call")
    return web, api


def fetch_until(flag):
    """How many calls succeeded until the file is there, and what the others said."""
    answers, end = [], time.monotonic() + 120
    while not os.path.exists(flag) and time.monotonic() < end:
        answers += fetch_many(1)
    return answers.count("hello"), [answer for answer in answers if answer != "hello"]


@alone
def test_the_root_changes_under_traffic_and_no_request_fails(mesh):
    mesh.start_server(certificate_lifetime="20s")
    web, _ = start_pair(mesh)
    first = ca_status(mesh.server)["active"]["root_sha256"]
    flag = os.path.join(web.host.directory, "enough")
    traffic = web.host.background(lambda: fetch_until(flag), uid=WEB_UID)
    result = mesh.server.hawser("ca", "rotate", "--wait", "--json")
    check(result.returncode == 0, f"rotate: {result.stdout}{result.stderr}")
    rotated = ca_status(mesh.server)
    check_equal(rotated["phase"], "retiring", "phase")
    check_equal(rotated["other"]["root_sha256"], first, "the last root")
    in_phase(mesh.server, "none")
    check(ca_status(mesh.server)["active"]["root_sha256"] != first, "another root signs")
    check_equal(web.host.call(fetch, uid=WEB_UID), "hello", "after the old root is gone")
    open(flag, "w").close()
    good, bad = traffic.result(30)
    check(good > 50 and not bad, f"{good} calls succeeded, others said {bad[:5]}")


def test_a_root_is_not_changed_behind_the_back_of_a_host_that_is_away(mesh):
    mesh.start_server()
    web, api = start_pair(mesh)
    first = ca_status(mesh.server)["active"]["root_sha256"]
    api.stop()
    result = mesh.server.hawser("ca", "rotate", "--wait", "--timeout", "3s")
    check_equal(result.returncode, 1, "rotate --wait")
    check_contains(result.stderr, "node 'api' (away)", "whom it waits for")
    check_contains(mesh.server.output("status"), "node 'api' (away)", "the server's status")
    check_equal(ca_status(mesh.server)["phase"], "publishing", "phase")
    mesh.server.output("ca", "rotate", "--abort")
    check_equal(ca_status(mesh.server)["phase"], "none", "phase")
    mesh.server.output("ca", "rotate")
    mesh.server.kill_9()
    mesh.server.start()
    wait_until(lambda: ca_status(mesh.server)["missing"] == ["node 'api' (away)"], 30, "as before")
    mesh.server.output("ca", "rotate", "--without", "api")
    check_equal(ca_status(mesh.server)["phase"], "retiring", "phase")
    mesh.server.output("ca", "rotate", "--abort")
    check_equal(ca_status(mesh.server)["active"]["root_sha256"], first, "back to the first root")
    api.launch()
    wait_until(lambda: web.host.call(fetch, uid=WEB_UID) == "hello", 30, "the host is back")


@alone
def test_a_change_of_the_root_outlives_its_leader(mesh):
    cluster = Cluster(mesh)
    web, api = start_pair(mesh)
    api.stop()
    leader = cluster.leader()
    leader.output("ca", "rotate")
    check_equal(ca_status(leader)["phase"], "publishing", "phase")
    leader.kill_9()
    left = cluster.running()[0]
    wait_until(lambda: "server" in " ".join(ca_status(left)["missing"]), 30, "the server is missed")
    leader.start()
    wait_until(lambda: ca_status(left)["missing"] == ["node 'api' (away)"], 30, "only api is missed")
    api.launch()
    in_phase(left, "retiring")
    check_equal(web.host.call(fetch, uid=WEB_UID), "hello", "web's call")


def make_authority(host):
    """An outside root and an intermediate under it, as openssl makes them."""
    def openssl(*arguments):
        host.output("openssl", *arguments)

    def path(name):
        return os.path.join(host.directory, name)

    for name in ("root", "middle"):
        openssl("ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", path(f"{name}.key"))
        os.chmod(path(f"{name}.key"), 0o600)
    extensions = host.file("extensions", "basicConstraints=critical,CA:TRUE\n"
                           "keyUsage=critical,keyCertSign,cRLSign\n")
    openssl("req", "-x509", "-new", "-sha256", "-key", path("root.key"), "-days", "3650",
            "-subj", "/C=CH/O=Example, Inc./CN=Outside Root", "-out", path("root.pem"),
            "-addext", "keyUsage=critical,keyCertSign,cRLSign")
    openssl("req", "-new", "-key", path("middle.key"), "-subj", "/O=Example, Inc./CN=Middle",
            "-out", path("middle.csr"))
    openssl("x509", "-req", "-sha256", "-in", path("middle.csr"), "-CA", path("root.pem"),
            "-CAkey", path("root.key"), "-CAcreateserial", "-days", "400",
            "-extfile", extensions, "-out", path("middle.pem"))
    with open(path("middle.pem")) as middle, open(path("root.pem")) as root:
        chain = host.file("chain.pem", middle.read() + root.read())
    return chain, path("middle.key"), path("root.pem"), path("root.key")


def test_an_operators_own_intermediate_signs_and_an_own_root_takes_over(mesh):
    outside = mesh.add_host("outside")
    chain, key, root, root_key = make_authority(outside)
    mesh.start_server(ca={"cert_file": chain, "cert_key_file": key})
    web, _ = start_pair(mesh)
    status = ca_status(mesh.server)
    check_equal(status["active"]["root_key"], "elsewhere", "the root's key")
    check_contains(status["active"]["root"], "Outside Root", "the root")
    wrong = mesh.server.hawser("ca", "rotate", "--ca-cert", root, "--ca-key", key)
    check_contains(wrong.stderr, "the private key is of another certificate", "a wrong key")
    # The same root, now with its key: an intermediate of ours under it, at once.
    mesh.server.output("ca", "rotate", "--ca-cert", root, "--ca-key", root_key)
    status = ca_status(mesh.server)
    check_equal(status["phase"], "none", "phase")
    check_equal(status["active"]["root_key"], "sealed in the registry", "the root's key")
    late = mesh.start_agent("late", [service("late", user=WEB_UID + 1)])
    check(late.status()["certificates"], "it joined under the new intermediate")
    check_equal(web.host.call(fetch, uid=WEB_UID), "hello", "web's call")
