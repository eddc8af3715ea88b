"""services.d while the agent runs: services come, change and go, and the others do not notice."""

import os
import signal

from harness import toml
from harness.checks import check, check_contains, check_equal, wait_until
from harness.mesh import service
from harness.programs import WEB_UID, dial, fetch, refused, start_echo, start_greeter


def write(agent, name, *services):
    """Replaces a file of services.d, as an editor does."""
    folder = agent.config["services_dir"]
    os.makedirs(folder, exist_ok=True)
    path = os.path.join(folder, name)
    with open(path + ".new", "w") as file:
        file.write(services[0] if isinstance(services[0], str)
                   else toml.dump({"service": list(services)}))
    os.rename(path + ".new", path)
    return path


def start_pair(mesh, names):
    mesh.start_server()
    web = mesh.start_agent("web", [service("web", user=WEB_UID)])
    api = mesh.add_agent("api", [service("api", port=8080)])
    api.enrol(names=names)
    api.start()
    mesh.server.allow(("web", "api"))
    return web, api


def test_a_service_is_added_changed_and_removed_while_others_serve(mesh):
    web, api = start_pair(mesh, ["api", "db"])
    start_echo(api.host, 8080)
    start_greeter(api.host, 5432, "db")
    told, go_on = os.pipe(), os.pipe()

    def converse():
        with dial() as connection:
            for number in range(4):
                connection.sendall(b"%d" % number)
                check_equal(connection.recv(10), b"%d" % number, "the open connection")
                os.write(told[1], b"!")
                os.read(go_on[0], 1)
        return True

    talking = web.host.background(converse, uid=WEB_UID)
    os.read(told[0], 1)
    path = write(api, "db.toml", service("db", port=5432))
    mesh.wait_passing("db", 1, seen_by=[web])
    mesh.server.allow(("web", "db"))
    wait_until(lambda: web.host.call(lambda: fetch("db.mesh"), uid=WEB_UID) == "db", 10,
               "the new service answers")
    address = api.host.ip4
    wait_until(lambda: web.host.call(lambda: refused(address, 5432), uid=WEB_UID) == "reset", 10,
               "its port is closed to plaintext from the network")
    os.write(go_on[1], b"!")
    os.read(told[0], 1)

    write(api, "db.toml", service("db", port=5432, weight=3))
    wait_until(lambda: [each["weight"] for each in mesh.server.instances("db")] == [3], 10,
               "the change is registered")
    os.write(go_on[1], b"!")
    os.read(told[0], 1)

    os.remove(path)
    mesh.wait_passing("db", 0, seen_by=[web])
    check_equal(web.host.call(lambda: fetch(address, 5432), uid=WEB_UID), "db",
                "plain connections reach it again")
    for _ in range(2):
        os.write(go_on[1], b"!")
    talking.result()


def test_a_broken_file_keeps_the_service_and_is_told_once(mesh):
    web, api = start_pair(mesh, ["api", "db"])
    start_greeter(api.host, 8080, "api")
    write(api, "db.toml", service("db", port=5432))
    mesh.wait_passing("db", 1, seen_by=[web])
    path = write(api, "db.toml", "[[service]]\nname = \"db\"\nprot = 5432\n")
    wait_until(lambda: f"{path}:3:1: " in "".join(api.status()["warnings"]), 10,
               "the status tells the place")
    check_contains(api.output("status"), "did you mean 'port'", "and the nearest key")
    api.process.popen.send_signal(signal.SIGHUP)
    wait_until(lambda: "reading again" in api.logs(), 10, "it reads again")
    write(api, "other.toml", "# nothing yet\n")
    check_equal(len(mesh.passing("db")), 1, "the service stays")
    check_equal(web.host.call(fetch, uid=WEB_UID), "api", "the other service")
    write(api, "db.toml", service("db", port=5433))
    wait_until(lambda: [each["port"] for each in mesh.server.instances("db")] == [5433], 10,
               "the mended file is used")
    wait_until(lambda: not api.status()["warnings"], 10, "nothing to warn of")
    check_equal(api.logs().count("prot"), 1, "lines in the log")


def test_sighup_reads_what_cannot_be_watched(mesh):
    _, api = start_pair(mesh, ["api", "db"])
    elsewhere = api.host.file("db.text", "# nothing yet\n")
    folder = api.config["services_dir"]
    os.makedirs(folder, exist_ok=True)
    os.symlink(elsewhere, os.path.join(folder, "db.toml"))
    api.host.file("db.text", toml.dump({"service": [service("db", port=5432)]}))
    api.process.popen.send_signal(signal.SIGHUP)
    mesh.wait_passing("db", 1)
    check(api.process.running(), "SIGHUP ends nothing")
    check("a restart is needed" not in api.logs(), "the agent's own file has not changed")
    api.config["zone"] = "eu-west-1/b"
    api.write_config()
    api.process.popen.send_signal(signal.SIGHUP)
    wait_until(lambda: "a restart is needed" in api.logs(), 10, "what SIGHUP does not do is said")
