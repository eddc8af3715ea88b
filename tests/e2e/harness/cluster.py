"""Several servers of one mesh."""

import os
import time

from .checks import CheckFailed, check, wait_until
from .mesh import Server


class Cluster:
    """s1 made by init, the others joined; all vote when this returns."""

    def __init__(self, mesh, count=3, **config):
        self.mesh, self.config, self.servers = mesh, config, []
        self.servers.append(mesh.start_server("s1", **config))
        for number in range(2, count + 1):
            self.add(f"s{number}")
        self.wait_voters(count)

    def add(self, name):
        """A further server, started."""
        server = Server(self.mesh, self.mesh.add_host(name))
        server.config |= self.config
        server.join(self.running()[0])
        self.servers.append(server)
        server.start()
        return server

    def running(self):
        return [server for server in self.servers if server.process.running()]

    def find(self, name):
        return next(server for server in self.servers if server.host.name == name)

    def leader(self, among=None, timeout=10):
        """The server that leads, of those that can talk to each other."""
        def look():
            states = [(server, server.status()) for server in among or self.running()]
            term = max(state["term"] for _, state in states)
            leading = [server for server, state in states
                       if state["role"] == "leader" and state["term"] == term]
            return leading[0] if leading else None

        return wait_until(look, timeout, "a leader")

    def followers(self):
        leader = self.leader()
        return [server for server in self.running() if server is not leader]

    def wait_voters(self, count, seen_by=None, timeout=20):
        return wait_until(lambda: (seen_by or self.leader()).check_voters(count), timeout,
                          f"{count} servers vote")

    def wait_equal(self, servers, timeout=15):
        """All of them have applied the same."""
        def equal():
            indexes = {server.status()["applied_index"] for server in servers}
            if len(indexes) == 1:
                return True
            raise CheckFailed(f"applied indexes {indexes}")

        wait_until(equal, timeout, "the servers are at the same index")


def write(server, name, timeout=20):
    """Makes a service; fails if the server did not take it."""
    path = server.host.file(f"write.{name}.toml", f'[[service]]\nname = "{name}"\n')
    return server.hawser("apply", "-f", path, timeout=timeout)


def must_write(server, name):
    result = write(server, name)
    check(result.returncode == 0, f"apply of {name} on {server.host.name}: {result.stderr}")


def has(server, name, *arguments):
    """Whether a service is there, as the server says."""
    result = server.hawser("get", "service", name, *arguments)
    if result.returncode == 0:
        return True
    check("there is no service" in result.stderr, f"get {name} on {server.host.name}: "
          f"{result.stderr}")
    return False


def time_to_write(server, name):
    """Seconds until a write was taken."""
    begun = time.monotonic()
    must_write(server, name)
    return time.monotonic() - begun


def forget_data(server):
    """As if the machine had been replaced."""
    import shutil

    if os.path.isdir(server.data_dir):
        shutil.rmtree(server.data_dir)
