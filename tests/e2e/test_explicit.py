"""Explicit mode: no root, no kernel rules, one user, everything on loopback."""

import json
import os

from harness import toml
from harness.checks import check, check_contains, check_equal, wait_until
from harness.mesh import service
from harness.programs import echoed, fetch, refused, start_greeter, start_once

UID = 61005


class LoopbackMesh:
    """A server and agents as one ordinary user on one host, told apart by their ports."""

    def __init__(self, mesh):
        self.mesh, self.host = mesh, mesh.add_host("loop")
        self.folder = os.path.join(self.host.directory, "home")
        os.mkdir(self.folder, 0o700)
        os.chown(self.folder, UID, UID)
        self.server_socket = os.path.join(self.folder, "server.sock")

    def hawser(self, socket_path, *arguments):
        return self.host.output(self.mesh.binary, *arguments, "--socket", socket_path, uid=UID)

    def start_server(self):
        config = self.host.file("server.toml", toml.dump({
            "node": "s1", "data_dir": os.path.join(self.folder, "server"),
            "socket": self.server_socket, "listen": "127.0.0.1:17443"}))
        self.host.output(self.mesh.binary, "init", "-c", config, uid=UID)
        self.host.start(self.mesh.binary, "server", "-c", config, uid=UID, name="server")
        wait_until(lambda: self.host.run(self.mesh.binary, "status", "--socket",
                                         self.server_socket, uid=UID).returncode == 0, 15,
                   "the server answers")

    def start_agent(self, name, number, services):
        socket_path = os.path.join(self.folder, f"{name}.sock")
        names = ",".join(sorted({entry["name"] for entry in services}))
        token = json.loads(self.hawser(self.server_socket, "token", "create", "--node", name,
                                       "--services", names, "--json"))["token"]
        token_file = self.host.file(f"{name}.token", token)
        config = self.host.file(f"{name}.toml", toml.dump({
            "node": name, "servers": ["127.0.0.1:17443"], "join_token_file": token_file,
            "data_dir": os.path.join(self.folder, name), "socket": socket_path,
            "services_dir": os.path.join(self.folder, "none"),
            "tunnel": {"listen": f"127.0.0.1:{16000 + number}"},
            "intercept": {"mode": "explicit"},
            "dns": {"listen": f"127.0.0.1:{16100 + number}"},
            "metrics": {"listen": f"127.0.0.1:{16200 + number}"}, "service": services}))
        process = self.host.start(self.mesh.binary, "agent", "-c", config, uid=UID,
                                  name=f"agent-{name}")

        def joined():
            check(process.running(), f"{name}'s agent ended: {process.log()[-2000:]}")
            return json.loads(self.hawser(socket_path, "status", "--json"))["server"]

        wait_until(joined, 15, f"{name} is part of the mesh")
        return process, socket_path

    def start_all(self):
        self.start_server()
        listeners = [{"service": "api", "listen": "127.0.0.1:16301"}]
        web = self.start_agent("web", 1, [
            service("web", upstream=listeners),
            service("batch", upstream=[{"service": "api", "listen": "127.0.0.1:16302"}])])
        api = self.start_agent("api", 2, [service("api", port=8080)])
        policy = self.host.file("policy.toml", '[[policy]]\nname = "p"\nservice = "api"\n'
                                'action = "allow"\nfrom = ["web"]\n')

        def instance_is_known():
            answer = json.loads(self.hawser(self.server_socket, "services", "api", "--json"))
            return [i for i in answer["instances"] if i["health"] == "passing"]

        wait_until(instance_is_known, 10, "api is registered")
        self.hawser(self.server_socket, "apply", "-f", policy, "--wait")
        return web, api


def test_explicit_mode_works_without_root_and_without_kernel_rules(mesh):
    loop = LoopbackMesh(mesh)
    (web, web_socket), (api, _) = loop.start_all()
    start_greeter(loop.host, 8080, "hello")
    call = lambda: fetch("127.0.0.1", 16301)  # noqa: E731
    check_equal(loop.host.call(call, uid=61077), "hello", "through web's listener")
    check_equal(loop.host.call(lambda: refused("127.0.0.1", 16302), uid=61077), "reset",
                "through batch's listener, without a policy")
    check_equal(loop.host.output("nft", "list", "tables"), "", "kernel rules")
    check_contains(loop.hawser(web_socket, "status"), "explicit", "status")
    for process in (web, api):
        check_equal(process.stop(), 0, f"{process.name}: exit code")


def test_an_explicit_listener_carries_half_closes(mesh):
    loop = LoopbackMesh(mesh)
    loop.start_all()

    def serve(connection):
        data = b""
        while piece := connection.recv(65536):
            data += piece
        connection.sendall(data[::-1])

    start_once(loop.host, 8080, serve)
    payload = os.urandom(200_000)
    check_equal(loop.host.call(lambda: echoed(payload, "127.0.0.1", 16301), uid=61077),
                payload[::-1], "the answer after EOF")


