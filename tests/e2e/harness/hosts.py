"""Hosts: network namespaces on one switch. A program or a Python function runs in one, as any
uid, and never outlives the test."""

import encodings.idna  # noqa: F401  (getaddrinfo needs it, and a child may not read its file)
import os
import pickle
import select
import signal
import subprocess
import time
import traceback

from . import kernel
from .checks import PATIENCE, CheckFailed, check, wait_until

NETWORK4, NETWORK6 = "10.99.0.", "fd99::"
GATEWAY4, GATEWAY6 = NETWORK4 + "1", NETWORK6 + "1"


def ip(*arguments):
    result = subprocess.run(["ip", *arguments], capture_output=True, text=True, timeout=20)
    check(result.returncode == 0, f"ip {' '.join(arguments)}: {result.stderr.strip()}")
    return result.stdout


class Process:
    """A child with its output in a file."""

    def __init__(self, popen, name, log_path):
        self.popen, self.name, self.log_path = popen, name, log_path

    @property
    def pid(self):
        return self.popen.pid

    def running(self):
        return self.popen.poll() is None

    def log(self):
        with open(self.log_path, errors="replace") as file:
            return file.read()

    def wait(self, timeout=20):
        try:
            return self.popen.wait(timeout * PATIENCE)
        except subprocess.TimeoutExpired:
            raise CheckFailed(f"{self.name} did not end within {timeout} s") from None

    def stop(self, sig=signal.SIGTERM, timeout=15):
        if self.running():
            self.popen.send_signal(sig)
        return self.wait(timeout)

    def kill(self):
        return self.stop(signal.SIGKILL)


class Call:
    """A Python function at work in another process; result() returns its value or raises."""

    def __init__(self, pid, descriptor, name):
        self.pid, self._descriptor, self.name = pid, descriptor, name
        self._received, self._ended = b"", False

    def result(self, timeout=20):
        deadline = time.monotonic() + timeout * PATIENCE
        while not self._ended:
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([self._descriptor], [], [], left)[0]:
                self.kill()
                raise CheckFailed(f"{self.name} did not end within {timeout} s")
            data = os.read(self._descriptor, 1 << 16)
            self._received += data
            self._ended = not data
        self._reap()
        check(self._received, f"{self.name} died without a result")
        succeeded, value = pickle.loads(self._received)
        check(succeeded, f"in {self.name}: {value}")
        return value

    def done(self):
        """True once a result is waiting."""
        return self._ended or bool(select.select([self._descriptor], [], [], 0)[0])

    def kill(self):
        if self.pid:
            os.kill(self.pid, signal.SIGKILL)
            self._reap()

    def _reap(self):
        if self.pid:
            os.waitpid(self.pid, 0)
            os.close(self._descriptor)
            self.pid = None


class Host:
    """One namespace with eth0 on the switch."""

    def __init__(self, network, name, number):
        self.network, self.name, self.namespace = network, name, f"{network.prefix}-{name}"
        self.ip4, self.ip6 = f"{NETWORK4}{number}", f"{NETWORK6}{number:x}"
        self.directory = os.path.join(network.directory, name)
        os.makedirs(self.directory, mode=0o755)
        self.files = {"/etc/resolv.conf": self.file("resolv.conf", f"nameserver {GATEWAY4}\n"
                                                    "options timeout:2 attempts:2\n")}
        if os.path.exists("/etc/nsswitch.conf"):
            self.files["/etc/nsswitch.conf"] = self.file("nsswitch.conf", "hosts: files dns\n")
        self.processes, self.calls = [], []
        ip("netns", "add", self.namespace)
        ip("-n", self.namespace, "link", "set", "lo", "up")

    def attach(self):
        switch, port = self.network.switch, f"v-{self.name}"
        ip("-n", switch, "link", "add", port, "type", "veth", "peer", "name", "eth0",
           "netns", self.namespace)
        ip("-n", switch, "link", "set", port, "master", "br0", "up")
        ip("-n", self.namespace, "addr", "add", f"{self.ip4}/24", "dev", "eth0")
        ip("-n", self.namespace, "addr", "add", f"{self.ip6}/64", "dev", "eth0", "nodad")
        # No link-local address that would appear a second later, amid a test.
        ip("-n", self.namespace, "link", "set", "eth0", "addrgenmode", "none")
        ip("-n", self.namespace, "link", "set", "eth0", "up")
        ip("-n", self.namespace, "route", "add", "default", "via", GATEWAY4)
        ip("-n", self.namespace, "-6", "route", "add", "default", "via", GATEWAY6)

    def unplug(self):
        ip("-n", self.network.switch, "link", "set", f"v-{self.name}", "down")

    def plug(self):
        ip("-n", self.network.switch, "link", "set", f"v-{self.name}", "up")

    def file(self, name, text, mode=0o644):
        path = os.path.join(self.directory, name)
        with open(path, "w") as file:
            file.write(text)
        os.chmod(path, mode)
        return path

    def _entering(self, uid):
        parent = os.getpid()

        def enter():
            kernel.enter_namespace(self.namespace, self.files)
            if uid is not None:
                kernel.become(uid)
            kernel.die_with_parent(parent)

        return enter

    def start(self, *argv, uid=None, name=None, env=None):
        """Starts a program; its output goes to a log that a failing test prints."""
        name = name or os.path.basename(argv[0])
        log_path = os.path.join(self.directory, f"{name}.{len(self.processes)}.log")
        with open(log_path, "wb") as log:
            popen = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                     env=env, preexec_fn=self._entering(uid), cwd="/")
        process = Process(popen, f"{name} on {self.name}", log_path)
        self.processes.append(process)
        return process

    def run(self, *argv, uid=None, timeout=20, stdin=b""):
        """Runs a program to its end: subprocess.CompletedProcess with text output."""
        try:
            result = subprocess.run(argv, input=stdin, capture_output=True, cwd="/",
                                    timeout=timeout * PATIENCE, preexec_fn=self._entering(uid))
        except subprocess.TimeoutExpired as error:
            raise CheckFailed(f"{' '.join(argv)} on {self.name} did not end within {timeout} s: "
                              f"{error.stdout} {error.stderr}") from None
        result.stdout = result.stdout.decode(errors="replace")
        result.stderr = result.stderr.decode(errors="replace")
        return result

    def output(self, *argv, **options):
        """The output of a program that must succeed."""
        result = self.run(*argv, **options)
        check(result.returncode == 0, f"{' '.join(argv)} on {self.name} exited "
              f"{result.returncode}: {result.stdout[-1500:]}{result.stderr[-1500:]}")
        return result.stdout

    def background(self, function, uid=None):
        """Runs a Python function in the host, in a process of its own."""
        read_end, write_end = os.pipe()
        enter = self._entering(uid)
        pid = os.fork()
        if pid == 0:
            _work(function, enter, write_end)
        os.close(write_end)
        call = Call(pid, read_end, f"{getattr(function, '__name__', 'call')} on {self.name}")
        self.calls.append(call)
        return call

    def call(self, function, uid=None, timeout=20):
        return self.background(function, uid).result(timeout)

    def kill_all(self):
        for call in self.calls:
            call.kill()
        for process in self.processes:
            if process.running():
                process.popen.kill()
        for process in self.processes:
            process.popen.wait(10)


def _work(function, enter, descriptor):
    """The child of background(): never returns."""
    for sig in (signal.SIGTERM, signal.SIGINT):
        signal.signal(sig, signal.SIG_DFL)
    try:
        enter()
        answer = (True, function())
    except CheckFailed as failure:
        answer = (False, str(failure))
    except BaseException:  # the parent raises it again
        answer = (False, traceback.format_exc())
    try:
        data = pickle.dumps(answer)
        while data:
            data = data[os.write(descriptor, data):]
    finally:
        os._exit(0)


class Network:
    """The switch and its hosts. The names carry our pid, so that runs do not meet and leftovers
    of a dead run can be told."""

    def __init__(self, directory):
        self.directory = directory
        self.prefix = f"hw{os.getpid()}"
        self.switch = f"{self.prefix}-br"
        self.hosts = []
        ip("netns", "add", self.switch)
        ip("-n", self.switch, "link", "set", "lo", "up")
        # One fixed address for the bridge: without it, it takes its first port's.
        ip("-n", self.switch, "link", "add", "br0", "address", "02:00:00:00:00:01", "type",
           "bridge", "stp_state", "0", "forward_delay", "0")
        ip("-n", self.switch, "addr", "add", f"{GATEWAY4}/24", "dev", "br0")
        ip("-n", self.switch, "addr", "add", f"{GATEWAY6}/64", "dev", "br0", "nodad")
        ip("-n", self.switch, "link", "set", "br0", "up")

    def add_host(self, name):
        host = Host(self, name, 10 + len(self.hosts))
        self.hosts.append(host)
        host.attach()
        return host

    def on_switch(self, function):
        """Runs a Python function in the switch's namespace, in the background."""
        read_end, write_end = os.pipe()
        parent = os.getpid()

        def enter():
            kernel.enter_namespace(self.switch, {})
            kernel.die_with_parent(parent)

        pid = os.fork()
        if pid == 0:
            _work(function, enter, write_end)
        os.close(write_end)
        return Call(pid, read_end, f"{function.__name__} on the switch")

    def close(self):
        for host in self.hosts:
            host.kill_all()
        for name in [host.namespace for host in self.hosts] + [self.switch]:
            subprocess.run(["ip", "netns", "del", name], capture_output=True, timeout=20)


def remove_leftovers():
    """Namespaces and folders of runs that died without cleaning up."""
    import glob
    import re
    import shutil

    for path in glob.glob("/run/netns/hw*-*") + glob.glob("/tmp/hawser-e2e-*"):
        match = re.match(r"(?:hw|hawser-e2e-)(\d+)", os.path.basename(path))
        if not match or kernel.is_alive(int(match[1])):
            continue
        if path.startswith("/run/netns/"):
            subprocess.run(["ip", "netns", "del", os.path.basename(path)], capture_output=True)
        else:
            shutil.rmtree(path, ignore_errors=True)


def wait_for_port(host, port, address="127.0.0.1", timeout=15):
    """Waits until something in the host accepts connections on the port."""
    import socket

    def answers():
        with socket.create_connection((address, port), timeout=1):
            return True

    def probe():
        return wait_until(answers, timeout, f"{host.name} accepts on {address}:{port}")

    host.call(probe, timeout=timeout + 5)
