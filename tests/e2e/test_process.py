"""How daemons start and stop."""

import os
import signal
import socket
import time

from harness.checks import PATIENCE, check, check_contains, check_equal, wait_until
from harness.mesh import service
from harness.programs import WEB_UID, dial, fetch, start_echo, start_greeter


def start_both(mesh):
    mesh.start_server()
    return mesh.server, mesh.start_agent("web", [service("web", user=WEB_UID)])


def test_sigterm_and_sigint_stop_a_daemon_quickly_and_cleanly(mesh):
    for daemon in start_both(mesh):
        for sig in (signal.SIGTERM, signal.SIGINT):
            began = time.monotonic()
            check_equal(daemon.process.stop(sig), 0, f"{daemon.role}: exit code")
            took = time.monotonic() - began
            check(took < 3 * PATIENCE, f"{daemon.role} took {took:.1f} s to stop")
            check_equal(daemon.hawser("status").returncode, 3, "status when it is stopped")
            daemon.start()


def test_a_second_daemon_on_the_same_state_is_refused(mesh):
    for daemon in start_both(mesh):
        second = daemon.host.run(mesh.binary, daemon.role, "-c", daemon.config_path, timeout=10)
        check_equal(second.returncode, 1, f"second {daemon.role}: {second.stderr}")
        check_contains(second.stderr, daemon.data_dir, "the reason")
        check(daemon.status(), f"the first {daemon.role} is not disturbed")


def test_systemd_is_told_when_a_daemon_is_ready_and_when_it_stops(mesh):
    for daemon in start_both(mesh):
        daemon.stop()
        path = os.path.join(mesh.directory, f"notify-{daemon.role}")
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
            notify.bind(path)
            notify.settimeout(20)
            daemon.process = daemon.host.start(
                mesh.binary, daemon.role, "-c", daemon.config_path, name=daemon.role,
                env=os.environ | {"NOTIFY_SOCKET": path})
            heard = ""
            while "READY=1" not in heard:
                heard += notify.recv(4096).decode() + "\n"
            daemon.status()  # ready means that it answers, and an agent that its rules are in place
            if daemon.role == "agent":
                daemon.output("intercept", "status")
            daemon.process.popen.terminate()
            while "STOPPING=1" not in heard:
                heard += notify.recv(4096).decode() + "\n"
            check_equal(daemon.process.wait(), 0, f"{daemon.role}: exit code")


def test_the_admin_socket_is_not_for_everybody(mesh):
    for daemon in start_both(mesh):
        check_equal(os.stat(daemon.socket).st_mode & 0o007, 0, f"{daemon.socket}: mode for others")
        result = daemon.host.run(mesh.binary, "status", "--socket", daemon.socket, uid=61099)
        check_equal(result.returncode, 3, f"status as a stranger: {result.stderr}")


def test_an_agent_with_an_open_connection_lets_it_go_on_for_a_while_and_stops(mesh):
    mesh.start_server()
    web = mesh.start_agent("web", [service("web", user=WEB_UID)])
    api = mesh.start_agent("api", [service("api", port=8080)])
    mesh.server.allow(("web", "api"))
    start_echo(api.host, 8080)
    ready, go_on = os.pipe(), os.pipe()

    def converse():
        with dial() as connection:
            connection.sendall(b"one")
            first = connection.recv(10)
            os.write(ready[1], b"!")
            os.read(go_on[0], 1)
            connection.sendall(b"two")
            return first, connection.recv(10)

    talking = web.host.background(converse, uid=WEB_UID)
    os.read(ready[0], 1)
    began = time.monotonic()
    api.process.popen.terminate()
    mesh.wait_passing("api", 0, seen_by=[web])  # no new connections from here on
    os.write(go_on[1], b"!")
    check_equal(talking.result(), (b"one", b"two"), "what was said, before and after the signal")
    check_equal(api.process.wait(), 0, "exit code")
    check(time.monotonic() - began < 12 * PATIENCE, "it stops when the last connection is done")


def test_init_leaves_no_file_that_the_server_may_not_read(mesh):
    host, uid = mesh.add_host("s1"), 61007
    folder = os.path.join(host.directory, "state")
    os.mkdir(folder, 0o700)
    os.chown(folder, uid, uid)
    config = host.file("server.toml", f'node = "s1"\ndata_dir = "{folder}"\n')
    host.output(mesh.binary, "init", "-c", config)  # as root
    found = [os.path.join(at, name) for at, folders, files in os.walk(folder)
             for name in folders + files]
    check(os.path.join(folder, "ca", "sealing.key") in found, f"init left {found}")
    for path in found:
        check_equal(os.stat(path).st_uid, uid, f"the owner of {path}")


def test_an_operator_token_that_was_not_shown_is_not_lost(mesh):
    host = mesh.add_host("s1")
    folder = os.path.join(host.directory, "state")
    config = host.file("server.toml", f'node = "s1"\ndata_dir = "{folder}"\n')
    failed = host.run("sh", "-c", f"{mesh.binary} init -c {config} >/dev/full")
    check_equal(failed.returncode, 1, "exit code of init whose output is lost")
    check_contains(failed.stderr, "run init again", "what to do")
    check_contains(host.output(mesh.binary, "init", "-c", config), "hwo1.", "the second init")
    check_equal(host.run(mesh.binary, "init", "-c", config).returncode, 1, "the third init")
    check(not os.path.exists(os.path.join(folder, "operator-token")), "the token's file is gone")


def test_dev_is_a_mesh_in_one_process(mesh):
    host = mesh.add_host("a")
    uid = 61006
    folder = os.path.join(host.directory, "dev")
    os.mkdir(folder, 0o700)
    os.chown(folder, uid, uid)
    config = host.file("agent.toml", """
[intercept]
mode = "explicit"
[[service]]
name = "api"
port = 8080
[[service]]
name = "web"
upstream = [ { service = "api", listen = "127.0.0.1:9001" } ]
""")
    process = host.start(mesh.binary, "dev", "--data-dir", folder, "-c", config, uid=uid)
    start_greeter(host, 8080, "hello from dev")
    server = [mesh.binary, "get", "service", "--socket", os.path.join(folder, "server.sock")]
    wait_until(lambda: "api" in host.run(*server).stdout, 20, "api is registered")
    policy = host.file("policy.toml", '[[policy]]\nname = "p"\nservice = "api"\n'
                       'action = "allow"\nfrom = ["web"]\n')
    host.output(mesh.binary, "apply", "-f", policy, "--wait", "--socket",
                os.path.join(folder, "server.sock"))
    check_equal(host.call(lambda: fetch("127.0.0.1", 9001)), "hello from dev", "through the mesh")
    check_equal(process.stop(), 0, "exit code")


def test_an_agent_waits_for_a_server_that_is_not_up_yet(mesh):
    mesh.start_server()
    agent = mesh.add_agent("web", [service("web", user=WEB_UID)])
    agent.enrol()
    mesh.server.stop()
    agent.launch()
    wait_until(lambda: mesh.server.address in agent.logs(), 10, "it says which server it tries")
    check(agent.process.running(), "the agent gave up")
    mesh.server.start()
    agent.wait_status(lambda status: status["server"], 20, "it joins when the server is there")


def test_version_names_what_it_is_made_of(mesh):
    host = mesh.add_host("a")
    text = host.output(mesh.binary, "version")
    for part in ("hawser", "mbedTLS", "nghttp2", "SQLite"):
        check_contains(text.lower(), part.lower(), "hawser version")


def test_every_command_has_help_with_an_example(mesh):
    host = mesh.add_host("a")
    for command in ("server", "agent", "dev", "demo", "init", "token create", "join", "apply",
                    "get", "delete", "validate", "services", "nodes", "status",
                    "intercept status", "version"):
        text = host.output(mesh.binary, *command.split(), "--help")
        check_contains(text, "xample", f"hawser {command} --help")
