"""Servers that can be broken: each on a host of its own, with a small disk of its own."""

import os
import subprocess
import types

from harness.checks import CheckFailed, check, wait_until
from harness.hosts import Network
from harness.mesh import Server

# Hold what a short and a long run write, and are filled in no time.
DISK, LARGE_DISK = "48m", "160m"

RULES = """
table inet chaos {
    chain input {
        type filter hook input priority 0
        ip saddr { %s } drop
    }
}"""


class BreakableServer(Server):
    def __init__(self, harness, host, disk):
        super().__init__(harness, host)
        # Seen by the servers too: they are started after it was mounted.
        self.disk = os.path.join(host.directory, "disk")
        os.mkdir(self.disk)
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={disk},mode=755", "chaos", self.disk],
                       check=True, timeout=20)
        self.data_dir = os.path.join(self.disk, "data")
        self.config["data_dir"] = self.data_dir
        self.filler = os.path.join(self.disk, "filler")

    def refuse_packets(self, servers):
        rules = RULES % ", ".join(server.host.ip4 for server in servers)
        self.host.output("nft", "-f", "-", stdin=rules.encode())

    def accept_packets(self):
        self.host.run("nft", "delete", "table", "inet", "chaos")

    def fill_disk(self):
        with open(self.filler, "wb", buffering=0) as file:
            size = 1 << 20
            while size:  # to the last byte
                try:
                    file.write(bytes(size))
                except OSError:
                    size //= 2

    def empty_disk(self):
        os.unlink(self.filler)

    def raft_role(self):
        """None while it does not answer."""
        try:
            return self.status()["role"]
        except CheckFailed:
            return None


class Cluster:
    def __init__(self, binary, directory, size, disk=DISK):
        self.network = Network(directory)
        self.size, self.majority = size, size // 2 + 1
        harness = types.SimpleNamespace(binary=binary)
        try:
            self.servers = [BreakableServer(harness, self.network.add_host(f"s{i + 1}"), disk)
                            for i in range(size)]
            self.client_host = self.network.add_host("clients")
        except BaseException:
            self.close()
            raise

    def start(self):
        first = self.servers[0]
        lines = first.initialise().splitlines()
        made = {line[:16].strip(): line[16:].strip() for line in lines if len(line) > 16}
        self.root, self.token = made["root (sha256)"], made["operator token"]
        first.start()
        for server in self.servers[1:]:
            server.join(first)
            server.start()
        if self.size > 1:
            wait_until(lambda: first.check_voters(self.size), 30, "all servers vote")

    def leader(self, random):
        """Any server when there is no leader now."""
        leaders = [server for server in self.servers
                   if server.process.running() and server.raft_role() == "leader"]
        return random.choice(leaders or self.servers)

    def wait_mended(self):
        """Every server runs, and all have applied the same."""

        def same():
            stopped = [server.host.name for server in self.servers if not server.process.running()]
            check(not stopped, f"{stopped} ended")
            states = [server.status() for server in self.servers]
            check(sum(state["role"] == "leader" for state in states) == 1, "one leader")
            indexes = [state["applied_index"] for state in states]
            check(len(set(indexes)) == 1, f"they have applied {indexes}")
            return True

        wait_until(same, 20, "all servers run and have applied the same")

    def rows(self, server):
        """What it has itself."""
        return server.output("get", "service", "--json", "--stale")

    def close(self):
        self.network.close()
