"""Clusters for the registry bench: each member on a host of its own (a network namespace), with its
data on the same disk, and one more host for the load."""

import json
import os
import shutil
import subprocess
import tempfile
import types

from harness.checks import CheckFailed, check, wait_until
from harness.hosts import Network
from harness.mesh import Server

ADMIN_PORT = 2381


def resident_bytes(pid):
    with open(f"/proc/{pid}/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


class Cluster:
    """`with Cluster(...) as cluster` starts it and leaves nothing behind."""

    def __init__(self, context):
        self.context = context
        self.directory = tempfile.mkdtemp(prefix=f"{self.name}-", dir=context.directory)
        os.chmod(self.directory, 0o755)
        self.network = Network(self.directory)

    def __enter__(self):
        try:
            self.load_host = self.network.add_host("load")
            self.start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.network.close()
        if not self.context.options.keep:
            shutil.rmtree(self.directory, ignore_errors=True)

    def load(self, command, *arguments, timeout=120):
        """Runs registry-load against the cluster; what it printed."""
        return json.loads(self.load_host.output(*self.load_command(command, *arguments),
                                                timeout=timeout))

    def load_command(self, command, *arguments):
        endpoints = [word for address in self.endpoints for word in ("--endpoint", address)]
        return [self.context.program("registry-load"), "--system", self.name, *self.credentials,
                *endpoints, command, *map(str, arguments)]


class Hawser(Cluster):
    name = "hawser"

    def start(self):
        harness = types.SimpleNamespace(binary=self.context.binary)
        self.members = [Server(harness, self.network.add_host(f"s{i + 1}"))
                        for i in range(self.context.options.members)]
        for server in self.members:
            server.config["log"] = {"level": "warn"}
        first = self.members[0]
        made = dict(line.split("  ", 1) for line in first.initialise().splitlines() if "  " in line)
        self.credentials = ["--root", made["root (sha256)"].strip(),
                            "--token", made["operator token"].strip()]
        first.start()
        for server in self.members[1:]:
            server.join(first)
            server.start()
        if len(self.members) > 1:
            wait_until(lambda: first.check_voters(len(self.members)), 30, "all members vote")
        self.endpoints = [server.address for server in self.members]

    def leader(self):
        return next(server for server in self.members if server.status()["role"] == "leader")

    def reads(self, member):
        return member.output("get", "service", "service-000000")

    def save_snapshot(self):
        self.leader().output("snapshot", "save", os.path.join(self.directory, "snapshot"),
                             timeout=60)


class EtcdMember:
    def __init__(self, cluster, host):
        self.cluster, self.host, self.process = cluster, host, None

    def launch(self):
        host, made = self.host, self.cluster.certificates
        peers = ",".join(f"{member.host.name}=https://{member.host.ip4}:2380"
                         for member in self.cluster.members)
        self.process = host.start(
            "/usr/bin/etcd", "--name", host.name, "--data-dir", os.path.join(host.directory, "data"),
            "--listen-client-urls", f"https://{host.ip4}:2379,http://127.0.0.1:{ADMIN_PORT}",
            "--advertise-client-urls", f"https://{host.ip4}:2379",
            "--listen-peer-urls", f"https://{host.ip4}:2380",
            "--initial-advertise-peer-urls", f"https://{host.ip4}:2380",
            "--initial-cluster", peers, "--initial-cluster-state", "new",
            "--cert-file", made.path(host, "client.pem"), "--key-file", made.path(host, "key.pem"),
            "--peer-cert-file", made.path(host, "peer.pem"),
            "--peer-key-file", made.path(host, "key.pem"),
            "--peer-trusted-ca-file", made.ca, "--peer-client-cert-auth",
            "--enable-grpc-gateway=false", "--logger", "zap", "--log-level", "warn",
            env={"PATH": os.environ["PATH"]})

    def kill_9(self):
        self.process.kill()

    def memory(self):
        return resident_bytes(self.process.pid)

    def etcdctl(self, *arguments, timeout=20):
        """Through a listener without TLS, inside the member's own host: the certificates name no
        host, which etcdctl would insist on."""
        result = self.host.run("/usr/bin/etcdctl", "--endpoints", f"http://127.0.0.1:{ADMIN_PORT}",
                               *arguments, timeout=timeout)
        if result.returncode != 0:
            raise CheckFailed(f"etcdctl {' '.join(arguments)}: {result.stderr[-500:]}")
        return result.stdout


class Etcd(Cluster):
    name = "etcd"

    def start(self):
        hosts = [self.network.add_host(f"e{i + 1}") for i in range(self.context.options.members)]
        self.certificates = Certificates(self.directory, hosts)
        self.credentials = ["--root", self.certificates.ca]
        self.endpoints = [f"{host.ip4}:2379" for host in hosts]
        self.members = [EtcdMember(self, host) for host in hosts]
        for member in self.members:
            member.launch()
        for member in self.members:
            wait_until(lambda: self.reads(member), 30, f"{member.host.name} answers reads")

    def leader(self):
        def status(member):
            return json.loads(member.etcdctl("endpoint", "status", "-w", "json"))[0]["Status"]

        return next(member for member in self.members
                    if (state := status(member))["leader"] == state["header"]["member_id"])

    def reads(self, member):
        member.etcdctl("get", "service-000000")
        return True

    def save_snapshot(self):
        self.leader().etcdctl("snapshot", "save", os.path.join(self.directory, "snapshot"),
                              timeout=60)


class Certificates:
    """An authority, and for each host two certificates of one P-256 key: one that hawser's TLS
    accepts (its only name is a SPIFFE ID) for clients, one with the address for its peers."""

    def __init__(self, directory, hosts):
        self.directory = os.path.join(directory, "certificates")
        os.mkdir(self.directory)
        self.ca = os.path.join(self.directory, "ca.pem")
        self._openssl("req", "-x509", *self._key("ca.key"), "-subj", "/CN=bench", "-days", "2",
                      "-out", self.ca)
        for host in hosts:
            self._openssl("req", "-new", *self._key(f"{host.name}.key.pem"), "-subj",
                          f"/CN={host.name}", "-out", self.path(host, "csr"))
            self._sign(host, "client.pem", f"URI:spiffe://bench/server/{host.name}", "serverAuth")
            self._sign(host, "peer.pem", f"IP:{host.ip4}", "serverAuth,clientAuth")

    def path(self, host, name):
        return os.path.join(self.directory, f"{host.name}.{name}")

    def _key(self, name):
        return ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-sha256",
                "-keyout", os.path.join(self.directory, name)]

    def _sign(self, host, name, subject, use):
        extensions = self.path(host, f"{name}.ext")
        with open(extensions, "w") as file:
            file.write(f"basicConstraints=critical,CA:FALSE\nkeyUsage=critical,digitalSignature\n"
                       f"extendedKeyUsage={use}\nsubjectAltName={subject}\n")
        self._openssl("x509", "-req", "-in", self.path(host, "csr"), "-CA", self.ca, "-CAkey",
                      os.path.join(self.directory, "ca.key"), "-CAcreateserial", "-days", "2",
                      "-sha256", "-extfile", extensions, "-out", self.path(host, name))

    def _openssl(self, *arguments):
        result = subprocess.run(["openssl", *arguments], capture_output=True, text=True, timeout=30)
        check(result.returncode == 0, f"openssl {arguments[0]}: {result.stderr}")
