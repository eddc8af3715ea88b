"""Unmodified programs reach services on other hosts."""

import hashlib
import os

from harness.checks import check, check_contains, check_equal, wait_until
from harness.mesh import service, tcp_check
from harness.programs import (WEB_UID, dial, echoed, fetch_many, start_echo, start_greeter,
                              start_nginx, start_once, start_postgres, start_redis)
from harness.runner import alone


def start_pair(mesh, name, port, **more):
    """Server, a host that calls and a host that offers `name`, allowed for the caller."""
    mesh.start_server()
    web = mesh.start_agent("web", [service("web", user=WEB_UID)])
    other = mesh.start_agent("api", [service(name, port=port, **more)])
    mesh.server.allow(("web", name))
    return web.host, other.host


def test_curl_reaches_nginx_on_another_host_by_name(mesh):
    web, api = start_pair(mesh, "api", 8080, check=[{"http": "/", "interval": "1s"}])
    start_nginx(api, 8080, "hello from nginx")
    mesh.wait_passing("api", 1)
    answer = web.output("curl", "-sS", "--max-time", "5", "http://api.mesh/", uid=WEB_UID)
    check_equal(answer, "hello from nginx\n", "curl http://api.mesh/")
    # The same over IPv6 addresses, and several requests on one connection.
    answer = web.output("curl", "-6sS", "--max-time", "5", "http://api.mesh/a", "http://api.mesh/b",
                        uid=WEB_UID)
    check_equal(answer, "hello from nginx\n" * 2, "curl -6")


def test_redis_cli_reaches_redis_by_name(mesh):
    web, cache = start_pair(mesh, "cache", 6379, check=tcp_check())
    start_redis(cache)
    mesh.wait_passing("cache", 1)
    redis = ["redis-cli", "-h", "cache.mesh"]
    check_equal(web.output(*redis, "set", "key", "value", uid=WEB_UID).strip(), "OK", "SET")
    check_equal(web.output(*redis, "get", "key", uid=WEB_UID).strip(), "value", "GET")
    # A pipeline: many small messages in both directions at once.
    commands = "".join(f"INCRBY counter {number}\n" for number in range(2000)).encode()
    web.output(*redis, uid=WEB_UID, stdin=commands)
    check_equal(web.output(*redis, "get", "counter", uid=WEB_UID).strip(),
                str(sum(range(2000))), "counter")


def test_psql_reaches_postgresql_where_the_server_speaks_first(mesh):
    web, db = start_pair(mesh, "db", 5432, check=tcp_check())
    start_postgres(db)
    mesh.wait_passing("db", 1)
    psql = ["psql", "-h", "db.mesh", "-U", "postgres", "-AtX", "-v", "ON_ERROR_STOP=1"]
    query = "create table t as select n from generate_series(1, 10000) n; select sum(n) from t"
    check_contains(web.output(*psql, "-c", query, uid=WEB_UID), "50005000", "the sum")
    # A COPY each way: bulk data inside the protocol.
    rows = web.output(*psql, "-c", "copy t to stdout", uid=WEB_UID)
    check_equal(len(rows.splitlines()), 10000, "rows copied out")
    web.output(*psql, "-c", "copy t from stdin", uid=WEB_UID, stdin=rows.encode())
    check_equal(web.output(*psql, "-c", "select count(*) from t", uid=WEB_UID).strip(), "20000",
                "rows")


def test_a_service_reaches_one_on_its_own_host(mesh):
    mesh.start_server()
    both = mesh.start_agent("web", [service("web", user=WEB_UID), service("api", port=8080)])
    mesh.server.allow(("web", "api"))
    start_greeter(both.host, 8080, "same host")
    answers = both.host.call(lambda: fetch_many(3), uid=WEB_UID)
    check_equal(answers, ["same host"] * 3, "answers")


def test_connections_are_spread_over_instances_by_weight(mesh):
    mesh.start_server()
    web = mesh.start_agent("web", [service("web", user=WEB_UID)])
    for number, weight in ((1, 1), (2, 3), (3, 0)):
        api = mesh.start_agent(f"api-{number}", [service("api", port=8080, weight=weight)])
        start_greeter(api.host, 8080, str(number))
    mesh.server.apply('[[service]]\nname = "api"\nbalance = "random"\n')
    mesh.server.allow(("web", "api"))
    answers = web.host.call(lambda: fetch_many(400), uid=WEB_UID, timeout=30)
    check_equal(set(answers), {"1", "2"}, "who answered")
    # A quarter of 400 is 100 with a standard deviation of 9.
    check(50 <= answers.count("1") <= 150, f"{answers.count('1')} of 400 to a weight of 1 in 4")


def send_pattern(connection, block, total):
    digest = hashlib.sha256()
    view, sent = memoryview(block), 0
    while sent < total:
        piece = view[:min(len(block), total - sent)]
        connection.sendall(piece)
        digest.update(piece)
        sent += len(piece)
    return digest.hexdigest()


def receive_exactly(connection, total):
    digest = hashlib.sha256()
    buffer = bytearray(1 << 20)
    left = total
    while left:
        size = connection.recv_into(buffer, min(len(buffer), left))
        check(size, f"the connection ended {left} bytes early")
        digest.update(memoryview(buffer)[:size])
        left -= size
    return digest.hexdigest()


@alone
def test_a_gibibyte_arrives_unchanged_in_each_direction(mesh):
    total, block = 1 << 30, os.urandom(7_340_033)  # no multiple of anything

    def serve(connection):
        return receive_exactly(connection, total), send_pattern(connection, block, total)

    def call():
        with dial() as connection:
            sent = send_pattern(connection, block, total)
            return sent, receive_exactly(connection, total)

    web, api = start_pair(mesh, "api", 8080)
    serving = start_once(api, 8080, serve)
    sent, received = web.call(call, uid=WEB_UID, timeout=60)
    arrived, answered = serving.result()
    check_equal(arrived, sent, "checksum of what the server received")
    check_equal(received, answered, "checksum of what the client received")


@alone
def test_a_thousand_connections_at_once_each_carry_their_own(mesh):
    count = 1000

    def call():
        connections = [dial() for _ in range(count)]
        for number, connection in enumerate(connections):
            connection.sendall(b"%08d" % number)
        for number, connection in enumerate(connections):
            answer = b""
            while len(answer) < 8:
                piece = connection.recv(8 - len(answer))
                check(piece, f"connection {number} ended early")
                answer += piece
            check_equal(answer, b"%08d" % number, "echo")
        return True

    web, api = start_pair(mesh, "api", 8080)
    start_echo(api, 8080)
    web.call(call, uid=WEB_UID, timeout=40)
    agent = mesh.agents["web"]
    wait_until(lambda: agent.status()["open_connections"] == 0, 10, "all of them are closed")
    check_equal(web.call(lambda: echoed(b"again"), uid=WEB_UID), b"again", "afterwards")
