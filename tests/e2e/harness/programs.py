"""The programs that talk through the mesh: small Python ones with exactly known behaviour, and
nginx, redis and PostgreSQL from the distribution."""

import asyncio
import glob
import os
import select
import socket

from .checks import CheckFailed, check, wait_until
from .hosts import wait_for_port

WEB_UID, BATCH_UID, STRANGER_UID = 61001, 61002, 61099


# --- servers: run with host.background(…) -----------------------------------------------------


def greeter(port, text, address="0.0.0.0"):
    """Speaks first: sends the text and closes."""

    def serve():
        with socket.create_server((address, port), backlog=1024) as server:
            while True:
                connection, _ = server.accept()
                with connection:
                    connection.sendall(text.encode())

    return serve


def echo(port, address="0.0.0.0"):
    """Sends back what comes, on any number of connections; EOF is answered with EOF."""

    async def handle(reader, writer):
        try:
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()
            writer.write_eof()
            await reader.read()
        except OSError:
            pass
        finally:
            writer.close()

    async def main():
        server = await asyncio.start_server(handle, address, port, backlog=2048)
        await server.serve_forever()

    return lambda: asyncio.run(main())


def start_once(host, port, function, address="0.0.0.0"):
    """Listens, accepts one connection and makes its result of what the function does with it."""
    ready = os.pipe()

    def serve():
        with socket.create_server((address, port)) as server:
            os.write(ready[1], b"!")
            server.settimeout(60)
            connection, _ = server.accept()
            with connection:
                connection.settimeout(60)
                return function(connection)

    call = host.background(serve)
    check(select.select([ready[0]], [], [], 10)[0], f"{host.name} listens on {port}")
    return call


def start_greeter(host, port, text):
    server = host.background(greeter(port, text))
    wait_for_port(host, port)
    return server


def start_echo(host, port):
    server = host.background(echo(port))
    wait_for_port(host, port)
    return server


# --- clients: run with host.call(…) -------------------------------------------------------------


def dial(name="api.mesh", port=80, timeout=10):
    connection = socket.create_connection((name, port), timeout=timeout)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection


def fetch(name="api.mesh", port=80):
    """What a server that speaks first says until it closes."""
    with dial(name, port) as connection, connection.makefile("rb") as file:
        return file.read().decode()


def fetch_many(count, name="api.mesh", port=80):
    """[answer or exception's name] of as many connections, one after another."""
    answers = []
    for _ in range(count):
        try:
            answers.append(fetch(name, port))
        except OSError as error:
            answers.append(type(error).__name__)
    return answers


def echoed(payload, name="api.mesh", port=80):
    with dial(name, port) as connection, connection.makefile("rb") as file:
        connection.sendall(payload)
        connection.shutdown(socket.SHUT_WR)
        return file.read()


def refused(name="api.mesh", port=80):
    """How the connection was refused; fails if it was not."""
    try:
        with dial(name, port) as connection:
            answer = connection.recv(100)
    except ConnectionResetError:
        return "reset"
    except ConnectionRefusedError:
        return "refused"
    if answer:
        raise CheckFailed(f"let through: {answer!r}")
    return "closed"


# --- real programs ------------------------------------------------------------------------------


def start_nginx(host, port, text):
    folder = os.path.join(host.directory, f"nginx-{port}")
    os.makedirs(folder)
    temporary = "".join(f"{kind}_temp_path {folder}/{kind};\n" for kind in
                        ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
    config = host.file(f"nginx-{port}.conf", f"""
daemon off; master_process off; pid {folder}/pid; error_log stderr warn;
events {{ worker_connections 256; }}
http {{ access_log off; {temporary}
  server {{ listen 127.0.0.1:{port}; default_type text/plain;
           location / {{ return 200 "{text}\\n"; }} }} }}
""")
    process = host.start("/usr/sbin/nginx", "-p", folder, "-e", "stderr", "-c", config)
    wait_for_port(host, port)
    return process


def start_redis(host, port=6379):
    process = host.start("redis-server", "--port", str(port), "--bind", "127.0.0.1", "--save", "",
                         "--dir", host.directory)
    wait_for_port(host, port)
    return process


def start_postgres(host, port=5432):
    """A fresh cluster whose local users are trusted, run as a user of its own (never root)."""
    programs = sorted(glob.glob("/usr/lib/postgresql/*/bin"))
    check(programs, "PostgreSQL is not installed")
    uid = 61020
    data = os.path.join(host.directory, "postgres")
    os.makedirs(data, mode=0o700)
    os.chown(data, uid, uid)
    # initdb wants its user to have a name.
    host.files["/etc/passwd"] = host.file("passwd", "root:x:0:0::/root:/bin/sh\n"
                                          f"postgres:x:{uid}:{uid}::/:/bin/sh\n")
    host.output(f"{programs[-1]}/initdb", "-D", data, "-A", "trust", "-U", "postgres", "--no-sync",
                "--no-locale", "-E", "UTF8", uid=uid, timeout=60)
    process = host.start(f"{programs[-1]}/postgres", "-D", data, "-p", str(port), "-k", data,
                         "-c", "listen_addresses=127.0.0.1", "-c", "fsync=off", uid=uid)
    wait_for_port(host, port)
    ready = [f"{programs[-1]}/pg_isready", "-h", "127.0.0.1", "-p", str(port)]
    wait_until(lambda: host.run(*ready).returncode == 0, 20, "PostgreSQL is ready")
    return process
