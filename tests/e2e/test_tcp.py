"""What TCP promises holds through two agents: half-close, resets, back-pressure."""

import hashlib
import os
import select
import socket
import struct

from harness.checks import check, check_equal
from harness.mesh import service
from harness.programs import WEB_UID, dial, start_once
from harness.runner import alone


def start_pair(mesh):
    mesh.start_server()
    web = mesh.start_agent("web", [service("web", user=WEB_UID)])
    api = mesh.start_agent("api", [service("api", port=8080)])
    mesh.server.allow(("web", "api"))
    return web, api


def read_all(connection):
    data = bytearray()
    while piece := connection.recv(65536):
        data += piece
    return bytes(data)


def reset(connection):
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def outcome_of_reading(connection):
    try:
        return read_all(connection)
    except ConnectionResetError:
        return "reset"


def test_a_client_that_closed_its_half_still_receives(mesh):
    web, api = start_pair(mesh)
    payload = os.urandom(500_000)

    def serve(connection):
        data = read_all(connection)  # until the client's EOF
        connection.sendall(hashlib.sha256(data).hexdigest().encode() * 5000)
        return len(data)

    def call():
        with dial() as connection:
            connection.sendall(payload)
            connection.shutdown(socket.SHUT_WR)
            return read_all(connection)

    serving = start_once(api.host, 8080, serve)
    answer = web.host.call(call, uid=WEB_UID)
    check_equal(serving.result(), len(payload), "bytes the server received")
    check_equal(answer, hashlib.sha256(payload).hexdigest().encode() * 5000, "the answer")


def test_a_server_that_closed_its_half_still_receives(mesh):
    web, api = start_pair(mesh)
    payload = os.urandom(500_000)

    def serve(connection):
        connection.sendall(b"that is all")
        connection.shutdown(socket.SHUT_WR)
        return read_all(connection)

    def call():
        with dial() as connection:
            greeting = read_all(connection)  # until the server's EOF
            connection.sendall(payload)
            return greeting

    serving = start_once(api.host, 8080, serve)
    check_equal(web.host.call(call, uid=WEB_UID), b"that is all", "what the client received")
    check_equal(serving.result(), payload, "what the server received")


def test_a_reset_by_the_client_reaches_the_server(mesh):
    web, api = start_pair(mesh)

    def serve(connection):
        connection.sendall(b"x")
        return outcome_of_reading(connection)

    def call():
        connection = dial()
        connection.recv(1)
        reset(connection)

    serving = start_once(api.host, 8080, serve)
    web.host.call(call, uid=WEB_UID)
    check_equal(serving.result(), "reset", "what the server saw")


def test_a_reset_by_the_server_reaches_the_client(mesh):
    web, api = start_pair(mesh)

    def serve(connection):
        connection.recv(1)
        reset(connection)

    def call():
        with dial() as connection:
            connection.sendall(b"x")
            return outcome_of_reading(connection)

    serving = start_once(api.host, 8080, serve)
    check_equal(web.host.call(call, uid=WEB_UID), "reset", "what the client saw")
    serving.result()


def test_a_service_that_does_not_listen_is_a_reset(mesh):
    web, _ = start_pair(mesh)

    def call():
        with dial() as connection:
            return outcome_of_reading(connection)

    check_equal(web.host.call(call, uid=WEB_UID), "reset", "what the client saw")


@alone
def test_a_slow_reader_blocks_the_writer_and_memory_stays_bounded(mesh):
    web, api = start_pair(mesh)
    bound = 64 << 20

    def serve(connection):
        connection.recv(1)  # the sign to begin reading
        size = 1
        while piece := connection.recv(1 << 20):
            size += len(piece)
        return size

    def write_until_blocked(connection):
        block, sent = bytes(1 << 20), 0
        connection.setblocking(False)
        while select.select([], [connection], [], 1)[1]:  # nothing goes for a second: blocked
            sent += connection.send(block)
            check(sent < 1 << 30, "a gigabyte went to a server that reads nothing")
        connection.setblocking(True)
        return sent

    def stalled(connection):
        """Does not read until a second connection tells it to."""
        with socket.create_server(("127.0.0.1", 9090)) as gate:
            gate.settimeout(60)
            gate.accept()[0].close()
        return serve(connection)

    def call():
        with dial() as connection:
            sent = write_until_blocked(connection)
            memory = sent, web.memory(), api.memory()
            os.write(blocked[1], b"!")
            os.read(resume[0], 1)
            connection.shutdown(socket.SHUT_WR)
            connection.recv(1)
            return memory

    blocked, resume = os.pipe(), os.pipe()
    before = web.memory(), api.memory()
    serving = start_once(api.host, 8080, stalled)
    calling = web.host.background(call, uid=WEB_UID)
    check(select.select([blocked[0]], [], [], 30)[0], "the writer is blocked within 30 s")
    after = web.memory(), api.memory()
    api.host.call(lambda: socket.create_connection(("127.0.0.1", 9090), 5).close())
    os.write(resume[1], b"!")
    sent = calling.result()[0]
    check_equal(serving.result(), sent, "bytes received in the end")
    check(sent < bound, f"{sent >> 20} MiB were taken from the writer")
    for name, old, new in zip(("web", "api"), before, after):
        check(new - old < bound, f"agent {name} grew by {(new - old) >> 20} MiB")
