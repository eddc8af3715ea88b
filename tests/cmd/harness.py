"""Runs the binary in a folder of its own, and daemons that tell when they are ready."""

import json
import os
import pathlib
import select
import signal
import socket
import subprocess
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
BINARY = os.environ.get("HAWSER") or str(ROOT / "build/hawser")
PATIENCE = 60  # of every wait; a machine under load is slow, and a wait ends as soon as it can


class Host:
    def __init__(self, folder, stack):
        self.folder, self.stack = folder, stack

    def file(self, name, text):
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return str(path)

    def run(self, *words, stdin="", env=None):
        return subprocess.run([BINARY, *words], input=stdin, capture_output=True, text=True,
                              timeout=PATIENCE, cwd=self.folder,
                              env={**os.environ, "NO_COLOR": "", **(env or {})})

    def expect(self, code, *words, **options):
        result = self.run(*words, **options)
        equal(result.returncode, code, f"exit code of {words}: {result.stdout}{result.stderr}")
        return result

    def json(self, *words):
        return json.loads(self.expect(0, *words, "--json").stdout)

    def start(self, *words):
        daemon = Daemon(self, words)
        self.stack.callback(daemon.end)
        return daemon

    def follow(self, *words):
        follower = Follower(self, words)
        self.stack.callback(follower.end)
        return follower


class Follower:
    """A command that goes on printing; its lines as they come."""

    def __init__(self, host, words):
        self.process = subprocess.Popen([BINARY, *words], stdout=subprocess.PIPE, cwd=host.folder,
                                        stdin=subprocess.DEVNULL)
        self.text = ""

    def wait_for(self, word):
        end = time.monotonic() + PATIENCE
        while word not in self.text:
            ready, _, _ = select.select([self.process.stdout], [], [], end - time.monotonic())
            piece = os.read(self.process.stdout.fileno(), 65536) if ready else b""
            if not piece:
                raise AssertionError(f"no {word} came: {self.text}")
            self.text += piece.decode()
        return self

    def end(self):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()


class Daemon:
    """A process that says READY=1 the way systemd hears it."""

    def __init__(self, host, words):
        self.heard = ""
        name = host.folder / f"notify-{len(os.listdir(host.folder))}"
        self.notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.notify.bind(str(name))
        self.notify.settimeout(PATIENCE)
        self.log = open(host.folder / f"{name.name}.log", "w+")
        self.process = subprocess.Popen([BINARY, *words], stdout=self.log, stderr=self.log,
                                        cwd=host.folder, stdin=subprocess.DEVNULL,
                                        env={**os.environ, "NOTIFY_SOCKET": str(name)})

    def wait_for(self, word):
        while word not in self.heard:
            try:
                self.heard += self.notify.recv(4096).decode() + "\n"
            except TimeoutError:
                raise AssertionError(f"no {word} came: {self.text()}") from None
        return self

    def text(self):
        self.log.flush()
        self.log.seek(0)
        return self.log.read()

    def stop(self, number=signal.SIGTERM):
        self.process.send_signal(number)
        code = self.process.wait(timeout=PATIENCE)
        equal(code, 0, f"exit code after signal {number}: {self.text()}")
        self.wait_for("STOPPING=1")

    def end(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self.notify.close()
        self.log.close()


def equal(actual, wanted, what):
    if actual != wanted:
        raise AssertionError(f"{what}: {actual!r} is not {wanted!r}")


def contains(text, part, what):
    if part not in text:
        raise AssertionError(f"{what}: no {part!r} in {text!r}")
