"""Breaks servers, and mends them: every fault is begun, held for a while, and ended."""

import signal
import time


class Kill:
    """kill -9; later it is started again."""

    def __init__(self, cluster, random):
        self.servers = random.choice([[random.choice(cluster.servers)], [cluster.leader(random)],
                                      random.sample(cluster.servers, cluster.majority),
                                      cluster.servers])

    def begin(self):
        for server in self.servers:
            server.kill_9()

    def end(self):
        for server in self.servers:
            server.launch()


class Pause:
    """Stopped in the middle of whatever it does; it does not know that time passed."""

    def __init__(self, cluster, random):
        self.servers = [random.choice([cluster.leader(random), random.choice(cluster.servers)])]

    def begin(self):
        for server in self.servers:
            server.process.popen.send_signal(signal.SIGSTOP)

    def end(self):
        for server in self.servers:
            server.process.popen.send_signal(signal.SIGCONT)


class Partition:
    """Some servers hear nothing of the others, nor the others of them. Clients reach all."""

    both_ways = True

    def __init__(self, cluster, random):
        leader = cluster.leader(random)
        others = [server for server in cluster.servers if server is not leader]
        # The leader alone, the leader with too few, or somebody else.
        few = random.choice([[leader], [leader, *random.sample(others, cluster.majority - 2)],
                             random.sample(others, cluster.majority - 1)])
        self.servers = few
        self.many = [server for server in cluster.servers if server not in few]

    def begin(self):
        for server in self.servers:
            server.refuse_packets(self.many)
        if self.both_ways:
            for server in self.many:
                server.refuse_packets(self.servers)

    def end(self):
        for server in self.servers + self.many:
            server.accept_packets()


class OneWay(Partition):
    """Some hear nothing of the others, but are heard; or the other way round."""

    both_ways = False

    def __init__(self, cluster, random):
        super().__init__(cluster, random)
        if random.random() < 0.5:
            self.servers, self.many = self.many, self.servers


class FullDisk:
    def __init__(self, cluster, random):
        self.servers = random.choice([[random.choice(cluster.servers)], [cluster.leader(random)],
                                      cluster.servers])

    def begin(self):
        for server in self.servers:
            server.fill_disk()

    def end(self):
        for server in self.servers:
            server.empty_disk()


class Nemesis:
    def __init__(self, cluster, random, log):
        self.cluster, self.random, self.log, self.begun = cluster, random, log, 0
        self.faults = [Kill, Pause, FullDisk]
        if len(cluster.servers) > 1:
            self.faults += [Partition, OneWay]
        self.bag = []

    def run(self, seconds):
        started = time.monotonic()
        while time.monotonic() - started < seconds:
            time.sleep(self.random.uniform(0.2, 1.5))  # the cluster's time to mend
            fault = self.next_fault()(self.cluster, self.random)
            names = ", ".join(server.host.name for server in fault.servers)
            self.log(f"{time.monotonic() - started:5.1f} s  {type(fault).__name__} {names}")
            fault.begin()
            try:
                time.sleep(self.random.uniform(0.5, 4))
            finally:
                fault.end()
            self.begun += 1

    def next_fault(self):
        """Each kind once before any comes again."""
        if not self.bag:
            self.bag = self.random.sample(self.faults, len(self.faults))
        return self.bag.pop()
