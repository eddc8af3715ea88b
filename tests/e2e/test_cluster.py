"""Three servers: they agree, survive the loss of one, come and go."""

import json
import os
import time

from harness import toml
from harness.checks import PATIENCE, check, check_contains, check_equal, wait_until
from harness.cluster import Cluster, forget_data, has, must_write, time_to_write, write
from harness.mesh import Server, service
from harness.programs import WEB_UID, fetch, fetch_many, start_greeter
from harness.runner import alone


def start_pair(mesh, cluster):
    """web calls api; each joined through another server."""
    s2, s3 = cluster.servers[1:3]
    web = mesh.start_agent("web", [service("web", user=WEB_UID)], servers=[s2.address])
    api = mesh.start_agent("api", [service("api", port=8080)], servers=[s3.address])
    mesh.server.allow(("web", "api"))
    start_greeter(api.host, 8080, "hello")
    check_equal(web.host.call(fetch, uid=WEB_UID), "hello", "web's call")
    return web, api


def fetch_for(seconds):
    """How many calls succeeded, and what the others said."""
    end, answers = time.monotonic() + seconds, []
    while time.monotonic() < end:
        answers += fetch_many(1)
    return answers.count("hello"), [answer for answer in answers if answer != "hello"]


def test_three_servers_are_one_registry(mesh):
    cluster = Cluster(mesh)
    first, second = cluster.followers()
    must_write(first, "written")
    check(has(second, "written"), "what one took, another has")
    check(has(cluster.leader(), "written"), "and the leader")
    web, api = start_pair(mesh, cluster)
    wait_until(lambda: len(web.status()["warnings"]) == 0, 10, "no warnings on web")
    for server in cluster.servers:
        result = server.hawser("status")
        check(result.returncode == 0, result.stderr)
    # --wait on a server that neither agent talks to counts both.
    result = mesh.server.apply('[[service]]\nname = "api"\nbalance = "random"\n')
    check_contains(result.stdout, "all 2 connected agents", "apply --wait")


@alone
def test_writes_go_on_when_the_leader_is_killed_and_traffic_never_stops(mesh):
    cluster = Cluster(mesh)
    web, api = start_pair(mesh, cluster)
    must_write(cluster.leader(), "before")
    traffic = web.host.background(lambda: fetch_for(8), uid=WEB_UID)
    leader = cluster.leader()
    leader.kill_9()
    left = cluster.running()
    seconds = time_to_write(left[0], "after")
    check(seconds < 2 * PATIENCE, f"the first write was taken after {seconds:.2f} s")
    check(has(left[1], "before") and has(left[1], "after"), "nothing is lost")
    good, bad = traffic.result(30)
    check(good > 50 and not bad, f"{good} calls succeeded, others said {bad[:5]}")
    # Agents of the lost server are with the others, and hear of changes.
    left[0].apply('[[service]]\nname = "api"\nbalance = "random"\n')
    leader.start()
    cluster.wait_voters(3)
    wait_until(lambda: has(leader, "after", "--stale"), 10, "it catches up")
    cluster.wait_equal(cluster.servers)


def test_a_server_is_removed_and_another_takes_its_place(mesh):
    cluster = Cluster(mesh)
    web, api = start_pair(mesh, cluster)
    leader = cluster.leader()
    gone = cluster.followers()[0]
    gone.kill_9()
    cluster.servers.remove(gone)
    # Of the two that are left both are needed.
    other = cluster.followers()[0]
    refused = leader.hawser("server", "remove", other.host.name)
    check_equal(refused.returncode, 1, "removing a server that is needed")
    check_contains(refused.stderr, "no majority", "why")
    leader.output("server", "remove", gone.host.name)
    names = [member["name"] for member in other.members()]
    check(gone.host.name not in names, f"members {names}")
    cluster.add("s4")
    cluster.wait_voters(3)
    must_write(cluster.find("s4"), "through-s4")
    # The removed one comes back, and nobody listens to it.
    gone.launch()
    wait_until(lambda: "not a member" in gone.process.log(), 15, "it is refused")
    for command in (["members"], ["get", "service"], ["server", "transfer"]):
        refused = gone.hawser(*command)
        check_equal(refused.returncode, 1, f"{command} on the removed one")
        check_contains(refused.stderr, "this server was removed from the cluster", f"{command}")
    check_contains(write(gone, "from-outside").stderr, "was removed", "a write through it")
    check_contains(" ".join(gone.status()["warnings"]), "was removed", "its status")
    token = json.loads(leader.output("token", "create", "--for-server", gone.host.name, "--json"))
    again = gone.host.run(mesh.binary, "server", "join", token["token"], "-c", gone.config_path)
    check_equal(again.returncode, 1, "joining again with its old data")
    check_contains(again.stderr, f"was removed from the cluster: stop it, move {gone.data_dir} away",
                   "what to do")
    cluster.wait_voters(3)
    check_equal(web.host.call(fetch, uid=WEB_UID), "hello", "web's call")


def test_the_leader_is_removed(mesh):
    cluster = Cluster(mesh)
    leader = cluster.leader()
    cluster.servers.remove(leader)
    told = leader.output("server", "remove", leader.host.name)
    check_contains(told, "move its data directory away", "what to do with it")
    cluster.wait_voters(2)
    must_write(cluster.servers[0], "after")


def test_leadership_is_handed_over(mesh):
    cluster = Cluster(mesh)
    wanted = cluster.followers()[1]
    asked = cluster.followers()[0]
    answer = json.loads(asked.output("server", "transfer", wanted.host.name, "--json"))
    check_equal(answer["leader"], wanted.host.name, "who leads")
    check(cluster.leader() is wanted, "and does")
    must_write(asked, "after")
    # A leader that is stopped in good order hands over by itself.
    wanted.stop()
    must_write(asked, "after-stop")


def test_a_leader_that_is_cut_off_refuses(mesh):
    cluster = Cluster(mesh)
    web, api = start_pair(mesh, cluster)
    must_write(cluster.leader(), "before")
    old = cluster.leader()
    old.host.unplug()
    left = [server for server in cluster.servers if server is not old]
    cluster.leader(among=left)
    must_write(left[0], "elsewhere")
    check_equal(write(old, "alone").returncode, 1, "a write on the old leader")
    result = old.hawser("get", "service", "before")
    check_equal(result.returncode, 1, "a read on the old leader")
    check(has(old, "before", "--stale"), "it says what it knows if it is asked for no more")
    backup = os.path.join(old.host.directory, "alone.snapshot")
    check_equal(old.hawser("snapshot", "save", backup).returncode, 1, "a backup of the old leader")
    check(not os.path.exists(backup), "a refused backup leaves no file")
    old.output("snapshot", "save", backup, "--stale")
    check(old.status()["role"] != "leader", "it does not think that it leads")
    left[1].apply('[[service]]\nname = "api"\nbalance = "random"\n')  # both agents enforce it
    old.host.plug()
    wait_until(lambda: has(old, "elsewhere", "--stale"), 15, "it learns what it missed")
    check(not has(old, "alone"), "and its own write is nowhere")
    cluster.wait_voters(3)


def test_one_server_goes_on_when_the_others_are_gone_for_good(mesh):
    cluster = Cluster(mesh)
    web, api = start_pair(mesh, cluster)
    must_write(cluster.leader(), "kept")
    survivor = cluster.servers[1]
    cluster.wait_equal(cluster.servers)
    recover = ("server", "recover", "-c", survivor.config_path)
    check_contains(survivor.host.run(mesh.binary, *recover).stderr, "stop it first", "it runs")
    survivor.kill_9()
    plan = survivor.host.run(mesh.binary, *recover)
    check_contains(plan.stdout, f"Server 's1' answers at {cluster.servers[0].address} now.", "who")
    alive = survivor.host.run(mesh.binary, *recover, "--confirm", "hawser.local")
    check_equal(alive.returncode, 1, "while others answer")
    check_contains(alive.stderr, "--although-others-answer", "why")
    for server in cluster.servers:
        if server is not survivor:
            server.kill_9()
    plan = survivor.host.run(mesh.binary, *recover)
    check_equal(plan.returncode, 1, "without confirmation")
    check_contains(plan.stdout, "Server 's1' does not answer.", "who")
    check_contains(plan.stdout, "Server 's1' is no member any more", "what it means")
    wrong = survivor.host.run(mesh.binary, *recover, "--confirm", "other.mesh")
    check_equal(wrong.returncode, 2, "with the wrong name")
    survivor.host.output(mesh.binary, *recover, "--confirm", "hawser.local")
    survivor.start()
    cluster.servers = [survivor]
    mesh.server = survivor
    check(has(survivor, "kept"), "what it had")
    must_write(survivor, "new")
    cluster.wait_voters(1)
    # Its agents come back, and another server joins, under an old name with new data.
    survivor.apply('[[service]]\nname = "api"\nbalance = "random"\n')
    check_equal(web.host.call(fetch, uid=WEB_UID), "hello", "web's call")
    cluster.add("s4")
    cluster.wait_voters(2)
    check(has(cluster.find("s4"), "kept"), "the new one has it too")


def test_a_snapshot_becomes_a_new_cluster(mesh):
    cluster = Cluster(mesh)
    web, api = start_pair(mesh, cluster)
    must_write(cluster.leader(), "kept")
    s2 = cluster.servers[1]
    file = os.path.join(s2.host.directory, "mesh.snapshot")
    saved = json.loads(s2.output("snapshot", "save", file, "--json"))
    check_equal(saved["trust_domain"], "hawser.local", "whose it is")
    must_write(cluster.leader(), "lost")
    ca = os.path.join(s2.host.directory, "ca-copy")
    s2.host.output("cp", "-a", os.path.join(s2.data_dir, "ca"), ca)
    for server in cluster.servers:
        server.kill_9()
        forget_data(server)
    restored = s2.host.run(mesh.binary, "snapshot", "restore", file, "-c", s2.config_path)
    check_equal(restored.returncode, 1, "without the authority's keys")
    s2.host.output(mesh.binary, "snapshot", "restore", file, "-c", s2.config_path, "--ca", ca)
    s2.start()
    cluster.servers = [s2]
    mesh.server = s2
    check(has(s2, "kept") and not has(s2, "lost"), "the registry is the snapshot's")
    cluster.add("s4")
    cluster.add("s5")
    cluster.wait_voters(3)
    cluster.find("s5").apply('[[service]]\nname = "api"\nbalance = "random"\n')
    check_equal(web.host.call(fetch, uid=WEB_UID), "hello", "web's call")


def test_snapshots_are_made_by_the_clock_and_the_newest_are_kept(mesh):
    server = mesh.start_server(snapshots={"interval": "10s", "keep": 1})
    folder = os.path.join(server.data_dir, "snapshots")

    def kept():
        names = os.listdir(folder) if os.path.isdir(folder) else []
        return sorted(name for name in names if name.endswith(".snapshot"))

    first = wait_until(kept, 10, "a first snapshot")[0]
    unfinished = os.path.join(folder, "mesh-20260101T000000Z.snapshot.partial")
    open(unfinished, "w").close()  # as a crash leaves it
    inspected = json.loads(server.host.output(mesh.binary, "snapshot", "inspect",
                                              os.path.join(folder, first), "--json"))
    check_equal(inspected["trust_domain"], "hawser.local", "whose it is")
    wait_until(lambda: kept() and kept()[-1] > first, 20, "a newer one")
    wait_until(lambda: len(kept()) == 1, 5, "only the newest is kept")
    check(not os.path.exists(unfinished), "what a crash left is tidied away")


def test_a_server_joins_at_its_first_start_and_status_says_that_others_are_missing(mesh):
    cluster = Cluster(mesh, count=1, bootstrap_expect=3)
    first = cluster.servers[0]
    check_contains(" ".join(first.status()["warnings"]), "1 of the 3 voting servers", "status")
    token = json.loads(first.output("token", "create", "--for-server", "s2", "--json"))["token"]
    second = Server(mesh, mesh.add_host("s2"))
    path = second.host.file("join-token", token + "\n", mode=0o600)
    second.config["join_token_file"] = path
    second.start()
    cluster.servers.append(second)
    cluster.wait_voters(2)
    must_write(second, "through-s2")
    second.stop()
    os.unlink(path)  # it was for once
    second.start()
    cluster.wait_voters(2)
    again = second.host.run(mesh.binary, "server", "join", token, "-c", second.config_path)
    check_equal(again.returncode, 0, "saying it again changes nothing")
    other = mesh.add_host("s3")
    other.file("server.toml", toml.dump({"node": "s3", "data_dir": other.directory + "/server"}))
    refused = other.run(mesh.binary, "server", "join", token, "-c", other.directory + "/server.toml")
    check_equal(refused.returncode, 1, "another server with the token")
    check_contains(refused.stderr, "for the server 's2'", "why")
