"""A mesh of the real binary: a server and agents, each on a host of its own."""

import contextlib
import json
import os
import signal

from . import capture, nameserver, toml
from .checks import CheckFailed, check, check_equal, wait_until
from .hosts import Network, wait_for_port

METRICS_PORT = 15020
TUNNEL_PORT = 15008


def service(name, port=None, user=None, check=None, upstream=None, **more):
    """A [[service]] table of agent.toml; without checks, as programs come and go in tests."""
    table = {"name": name}
    if port is not None:
        table |= {"port": port, "check": []}
    if user is not None:
        table["user"] = str(user)
    if check is not None:
        table["check"] = check
    if upstream is not None:
        table["upstream"] = upstream
    return table | more


def tcp_check(interval="1s"):
    return [{"tcp": True, "interval": interval, "timeout": "1s"}]


class Daemon:
    """One `hawser server` or `hawser agent`."""

    role = None

    def __init__(self, mesh, host):
        self.mesh, self.host = mesh, host
        self.data_dir = os.path.join(host.directory, self.role)
        self.socket = os.path.join(host.directory, f"{self.role}.sock")
        self.config_path = os.path.join(host.directory, f"{self.role}.toml")
        self.process = None

    def launch(self):
        self.process = self.host.start(self.mesh.binary, self.role, "-c", self.config_path,
                                       name=self.role)
        return self.process

    def hawser(self, *arguments, **options):
        """Runs a hawser command against this daemon; CompletedProcess."""
        return self.host.run(self.mesh.binary, *arguments, "--socket", self.socket, **options)

    def output(self, *arguments, **options):
        return self.host.output(self.mesh.binary, *arguments, "--socket", self.socket, **options)

    def status(self):
        result = self.hawser("status", "--json")
        if result.returncode != 0:
            raise CheckFailed(f"status exited {result.returncode}: {result.stderr.strip()}")
        return json.loads(result.stdout)

    def wait_status(self, predicate, timeout, what):
        def holds():
            if not self.process.running():
                raise SystemError(f"{self.process.name} ended: {self.process.log()[-3000:]}")
            status = self.status()
            if not predicate(status):
                raise CheckFailed(f"status {json.dumps(status)[:1500]}")
            return status

        return wait_until(holds, timeout, what)

    def stop(self, timeout=15):
        check_equal(self.process.stop(timeout=timeout), 0, f"{self.process.name}: exit code")

    def kill_9(self):
        self.process.kill()

    def logs(self):
        return "".join(process.log() for process in self.host.processes
                       if process.name == f"{self.role} on {self.host.name}")

    def memory(self):
        """Resident bytes."""
        with open(f"/proc/{self.process.pid}/statm") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


class Server(Daemon):
    role = "server"

    def __init__(self, mesh, host):
        super().__init__(mesh, host)
        self.address = f"{host.ip4}:7443"
        self.config = {"node": host.name, "data_dir": self.data_dir, "socket": self.socket,
                       "listen": "0.0.0.0:7443", "advertise": [self.address]}

    def initialise(self):
        self.host.file("server.toml", toml.dump(self.config))
        return self.host.output(self.mesh.binary, "init", "-c", self.config_path)

    def join(self, other):
        """Becomes a further server of the other's mesh, to be started."""
        made = other.output("token", "create", "--for-server", self.host.name, "--json")
        token = json.loads(made)["token"]
        self.host.file("server.toml", toml.dump(self.config))
        joined = self.host.run(self.mesh.binary, "server", "join", "-", "-c", self.config_path,
                               stdin=token.encode())
        check(joined.returncode == 0,
              f"{self.host.name} joins: {joined.stdout}{joined.stderr}")

    def start(self):
        self.host.file("server.toml", toml.dump(self.config))
        self.launch()
        self.wait_status(lambda status: True, 15, "the server answers on its socket")

    def members(self):
        return json.loads(self.output("members", "--json"))["members"]

    def check_voters(self, count):
        """So many servers vote, as this one sees it; their roles by name."""
        roles = {member["name"]: member["role"] for member in self.members()}
        check(sorted(roles.values()) == ["follower"] * (count - 1) + ["leader"], f"roles {roles}")
        return roles

    def instances(self, name):
        return instances_of(self, name)

    def create_token(self, node, services, *arguments):
        text = self.output("token", "create", "--node", node, "--services", ",".join(services),
                           "--json", *arguments)
        return json.loads(text)["token"]

    def apply(self, text, *arguments, check_exit=True):
        path = self.host.file(f"resources.{len(os.listdir(self.host.directory))}.toml", text)
        result = self.hawser("apply", "-f", path, "--wait", *arguments)
        if check_exit:
            check(result.returncode == 0, f"apply exited {result.returncode}: "
                  f"{result.stdout}{result.stderr}")
        return result

    def allow(self, *pairs, protocol="tcp"):
        """Policies that let `source` call `destination`, enforced when this returns."""
        text = ""
        for source, destination in pairs:
            text += (f'[[policy]]\nname = "{source}-calls-{destination}"\nservice = '
                     f'"{destination}"\naction = "allow"\nfrom = ["{source}"]\n\n')
        self.apply(text)


class Agent(Daemon):
    role = "agent"

    def __init__(self, mesh, host, services, config):
        super().__init__(mesh, host)
        self.services = services
        self.token_path = os.path.join(host.directory, "join-token")
        self.config = {"node": host.name, "servers": [mesh.server.address],
                       "join_token_file": self.token_path, "data_dir": self.data_dir,
                       "socket": self.socket,
                       "services_dir": os.path.join(host.directory, "services.d"),
                       "tunnel": {"listen": "0.0.0.0:15008",
                                  "advertise": f"{host.ip4}:{TUNNEL_PORT}"}}
        for key, item in config.items():
            both = isinstance(item, dict) and isinstance(self.config.get(key), dict)
            self.config[key] = self.config[key] | item if both else item

    def write_config(self):
        self.host.file("agent.toml", toml.dump(self.config | {"service": self.services}))

    def enrol(self, names=None):
        """Writes the configuration and a fresh join token."""
        self.write_config()
        names = names or sorted({entry["name"] for entry in self.services})
        token = self.mesh.server.create_token(self.host.name, names)
        self.host.file("join-token", token + "\n", mode=0o600)

    def start(self):
        """Ready for traffic: joined, up to date, rules in the kernel, instances registered."""
        self.launch()
        self.wait_status(lambda status: status["server"] and status["received_index"] > 0
                         and status["enforced_index"] >= status["received_index"]
                         and len(status["certificates"]) > len({s["name"] for s in self.services}),
                         20, f"{self.host.name} is part of the mesh")
        wait_until(lambda: self.hawser("intercept", "status").returncode == 0, 10,
                   f"{self.host.name}'s kernel rules are in place")
        for entry in self.services:
            if "port" in entry:
                wait_until(lambda: self.is_registered(entry), 10, f"{entry} is registered")

    def is_registered(self, entry):
        """In the registry, and passing if nothing is checked."""
        instances = self.mesh.server.instances(entry["name"])
        return any(instance["node"] == self.host.name and instance["port"] == entry["port"]
                   and (entry.get("check") != [] or instance["health"] == "passing")
                   for instance in instances)

    def metrics(self):
        """{'name{label="value",…}': number}"""
        text = self.host.call(_read_metrics)
        return {line.rsplit(" ", 1)[0]: float(line.rsplit(" ", 1)[1])
                for line in text.splitlines() if line and not line.startswith("#")}

    def metric(self, name, **labels):
        """The sum over the series of that name that have these labels."""
        wanted = [f'{key}="{item}"' for key, item in labels.items()]
        return sum(number for series, number in self.metrics().items()
                   if series.split("{")[0] == name and all(part in series for part in wanted))


def instances_of(daemon, name):
    """The instances of a service as a daemon sees them."""
    result = daemon.hawser("services", name, "--json")
    if result.returncode != 0:
        raise CheckFailed(f"services {name}: {result.stderr.strip()}")
    return json.loads(result.stdout)["instances"]


def _read_metrics():
    import urllib.request

    with urllib.request.urlopen(f"http://127.0.0.1:{METRICS_PORT}/metrics", timeout=5) as answer:
        return answer.read().decode()


class Mesh:
    def __init__(self, binary, directory, long=False):
        self.binary, self.directory, self.long = binary, directory, long
        self.network = Network(directory)
        self.network.on_switch(nameserver.serve_names)
        self.server, self.agents, self.captures = None, {}, 0

    def start_server(self, name="s1", **config):
        host = self.network.add_host(name)
        self.server = Server(self, host)
        self.server.config |= config
        self.server.initialise()
        self.server.start()
        return self.server

    def add_host(self, name):
        return self.network.add_host(name)

    def add_agent(self, name, services, **config):
        """A host with an agent that is not started yet."""
        agent = Agent(self, self.add_host(name), services, config)
        self.agents[name] = agent
        return agent

    def start_agent(self, name, services, **config):
        agent = self.add_agent(name, services, **config)
        agent.enrol()
        agent.start()
        return agent

    def wait_passing(self, name, count, timeout=15, seen_by=None):
        """Waits until `count` instances of the service are usable, for the server and agents."""
        watchers = [self.server] if seen_by is None else seen_by
        for watcher in watchers:
            wait_until(lambda: len(self.passing(name, watcher)) == count, timeout,
                       f"{count} passing instances of {name}")

    def passing(self, name, watcher=None):
        return [instance for instance in instances_of(watcher or self.server, name)
                if instance["health"] == "passing" and instance.get("alive", True)]

    def capture(self, host):
        self.captures += 1
        path = os.path.join(self.directory, f"capture.{self.captures}")
        return capture.Capture(self.network, f"v-{host.name}", path)

    def check_logs(self):
        """A sanitizer's report fails the test, whatever the test looked at."""
        for host in self.network.hosts:
            for process in host.processes:
                text = process.log()
                for sign in ("Sanitizer", "runtime error:", "Assertion"):
                    check(sign not in text, f"{process.name} reported a fault")

    def print_logs(self, limit=6000):
        for host in self.network.hosts:
            for process in host.processes:
                with contextlib.suppress(OSError):
                    state = "running" if process.running() else f"exit {process.popen.returncode}"
                    print(f"--- {process.name} ({state})\n{process.log()[-limit:]}", flush=True)

    def close(self):
        self.network.close()


__all__ = ["Mesh", "service", "tcp_check", "wait_for_port", "signal"]
