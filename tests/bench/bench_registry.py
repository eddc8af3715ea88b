import json
import os
import time
from dataclasses import dataclass

import registry_clusters as clusters
from harness.checks import check, wait_until

ABOUT = """\
hawser beside etcd (the distribution's), with --members servers each. Both: every write is on the
disks of a majority before it is answered; TLS 1.3 (P-256) from the client, mutual TLS between the
members; clients are spread over the members, each with a connection of its own and one call at a
time, made by the same gRPC client; default settings.
hawser's write is an operator's Apply of one service with a token that is checked for each call,
validated and kept in its history; its read is a linearizable Get of one service.
etcd's write is a Put of the same bytes, its read a linearizable Range of one key; no authentication
of clients.
Large: hawser's rows come from nodes that joined and registered; etcd has the same bytes under as many
keys. A change of one instance is noticed by agents' sessions here, by watches of all keys there."""

PROGRAMS = ["registry-load"]

CLIENTS = [1, 16, 128, 512]


def systems(context):
    return [System(clusters.Hawser), System(clusters.Etcd)]


class System:
    def __init__(self, cluster):
        self.cluster, self.name = cluster, cluster.name

    def missing(self):
        if self.name == "etcd":
            for program in ("/usr/bin/etcd", "/usr/bin/etcdctl"):
                if not os.access(program, os.X_OK):
                    return f"{program} is not installed (packages etcd-server, etcd-client)"
        return None

    def measure(self, context):
        if any(context.wants(f"clients={clients}") for clients in CLIENTS):
            with self.cluster(context) as cluster:
                cluster.load("load", "--fill", "--duration-ms", 0)
                for clients in CLIENTS:
                    if context.wants(f"clients={clients}"):
                        yield from throughput(cluster, clients, context.quick)
        if context.wants(LEADER) and context.options.members > 1:
            with self.cluster(context) as cluster:
                yield LEADER, "writes_resume_ms", time_until_writes_resume(cluster), "ms"
        size = Size(1_000, 100, 100) if context.quick else Size(10_000, 1_000, 1_000)
        if context.wants(size.case()):
            with self.cluster(context) as cluster:
                yield from large(cluster, size)


LEADER = "leader killed"


@dataclass
class Size:
    services: int
    nodes: int
    streams: int
    instances: int = 10  # of each service

    def case(self):
        return f"{self.services:,} services × {self.instances} instances"

    def fleet(self):
        return ["--services", self.services, "--instances", self.instances, "--nodes", self.nodes]


def throughput(cluster, clients, quick):
    for operation, prefix in (("write", ""), ("read", "read_")):
        result = cluster.load("load", "--operation", operation, "--clients", clients,
                              "--warmup-ms", 200 if quick else 500,
                              "--duration-ms", 1000 if quick else 4000)
        check(result["failed"] == 0, f"{result['failed']} {operation}s of {clients} clients failed, "
              f"the first: {result['first_failure']}")
        case = f"clients={clients}"
        yield case, f"{operation}s_per_second", result["per_second"], "1/s"
        yield case, f"{prefix}p50_us", result["p50_us"], "us"
        yield case, f"{prefix}p99_us", result["p99_us"], "us"


def write_in_background(cluster, seconds):
    """16 clients that write whatever happens; the process."""
    return cluster.load_host.start(*cluster.load_command(
        "load", "--fill", "--clients", 16, "--warmup-ms", 0, "--duration-ms", seconds * 1000,
        "--timeout-ms", 1000), name="load")


def time_until_writes_resume(cluster):
    """The longest time without any successful write; 16 clients, with a second for each call."""
    load = write_in_background(cluster, 10)
    time.sleep(3)  # writes go on for a while before the leader is killed amid them
    leader = cluster.leader()
    killed = time.monotonic() * 1000
    leader.kill_9()
    check(load.wait(60) == 0, load.log())
    result = json.loads(load.log())
    began, gap = result["gap_began_ms"], result["longest_gap_ms"]
    check(began - 200 < killed < began + gap, f"the longest gap, {gap} ms from {began}, is not "
          f"where the leader was killed, at {killed}")
    return gap


def large(cluster, size):
    case, nodes = size.case(), ["--nodes-file", os.path.join(cluster.directory, "nodes.json")]
    started = time.monotonic()
    cluster.load("grow", *size.fleet(), *nodes, timeout=600)
    yield case, "seconds_to_fill", time.monotonic() - started, "s"
    yield case, "rss", max(member.memory() for member in cluster.members) / 2**20, "MiB"
    result = cluster.load("notice", *size.fleet(), *nodes, "--streams", size.streams, timeout=300)
    yield case, f"notice_by_{size.streams}_p50_ms", result["p50_us"] / 1000, "ms"
    yield case, f"notice_by_{size.streams}_p99_ms", result["p99_us"] / 1000, "ms"
    yield case, "rss_with_streams", max(each.memory() for each in cluster.members) / 2**20, "MiB"

    load = write_in_background(cluster, 6)
    check(load.wait(60) == 0, load.log())
    yield case, "longest_write_gap_ms", json.loads(load.log())["longest_gap_ms"], "ms"
    load = write_in_background(cluster, 6)
    time.sleep(2)  # amid the writes; how long a pause is, the load tells
    cluster.save_snapshot()
    check(load.wait(60) == 0, load.log())
    yield (case, "longest_write_gap_during_snapshot_ms",
           json.loads(load.log())["longest_gap_ms"], "ms")
    yield case, "restart_of_one_s", restart(cluster, cluster.members[-1:]), "s"
    yield case, "restart_of_all_s", restart(cluster, cluster.members), "s"


def restart(cluster, members):
    """Seconds from the start after kill -9 to a linearizable read through each of them."""
    for member in members:
        member.kill_9()
    started = time.monotonic()
    for member in members:
        member.launch()
    for member in members:
        wait_until(lambda: cluster.reads(member), 60, f"{member.host.name} serves again")
    return time.monotonic() - started
