"""Bad input: one clear error with its place and the nearest word, and exit code 2."""

import re

from harness.checks import check, check_contains, check_equal
from harness.mesh import service

AGENT = 'node = "web"\nservers = ["10.0.0.1:7443"]\n'
# (text, line:column of the complaint, what it says)
AGENT_MISTAKES = [
    ('nod = "web"\n', "1:1", "did you mean 'node'"),
    (AGENT + '[tunel]\nlisten = "0.0.0.0:15008"\n', "3:", "did you mean 'tunnel'"),
    (AGENT + '[tunnel]\nlisten = "0.0.0.0"\n', "4:", "0.0.0.0"),
    (AGENT + '[intercept]\nmode = "transparant"\n', "4:", "transparent"),
    (AGENT + '[[service]]\nname = "Api"\n', "4:", "Api"),
    (AGENT + '[[service]]\nname = "api"\nport = 70000\n', "5:", "65535"),
    (AGENT + '[[service]]\nname = "api"\nport = "8080"\n', "5:", "port"),
    (AGENT + '[[service]]\nname = "api"\nport = 80\ncheck = [ { htp = "/" } ]\n', "6:", "'http'"),
    (AGENT + '[[service]]\nname = "api"\nport = 80\n'
     'check = [ { http = "/", interval = "10" } ]\n', "6:", "10"),
    (AGENT + 'node = "again"\n', "3:", "node"),
    (AGENT + 'zone = "unfinished\n', "3:", ""),
]
SERVER_MISTAKES = [
    ('lisen = "0.0.0.0:7443"\n', "1:1", "did you mean 'listen'"),
    ('node = "s1"\nvip4 = "240.0.0.1/8"\n', "2:", "vip4"),
    ('node = "s1"\ntrust_domain = "Not A Domain"\n', "2:", "trust_domain"),
]
RESOURCE_MISTAKES = [
    ('[[service]]\nname = "api"\nprotocl = "http"\n', "3:1", "did you mean 'protocol'"),
    ('[[service]]\nname = "api"\nprotocol = "htttp"\n', "3:", "http"),
    ('[[polcy]]\nname = "p"\n', "1:", "did you mean 'policy'"),
    ('[[policy]]\nname = "p"\nservice = "api"\naction = "alow"\nfrom = ["web"]\n', "4:", "allow"),
    ('[[policy]]\nname = "p"\nservice = "api"\naction = "allow"\nfrom = ["we b"]\n', "5:", "we b"),
    ('[[service]]\nname = "api"\n[[service]]\nname = "api"\n', "3:", "api"),
]


def complaint(result, path, place, words, what):
    check_equal(result.returncode, 2, f"{what}: exit code ({result.stdout}{result.stderr})")
    lines = [line for line in result.stderr.split("\n") if line]
    check(1 <= len(lines) <= 2, f"{what}: lines of {result.stderr!r}")
    for line in lines:
        check(re.match(re.escape(path) + r":\d+:\d+: ", line), f"{what}: no place in {line!r}")
    pattern = re.escape(f"{path}:{place}") + (r"\d+: " if place.endswith(":") else ": ")
    check(any(re.match(pattern, line) and words in line for line in lines),
          f"{what}: no {path}:{place} with {words!r} in {lines}")


def test_a_malformed_configuration_is_refused_with_its_place_and_the_nearest_key(mesh):
    host = mesh.add_host("a")
    for role, mistakes in (("agent", AGENT_MISTAKES), ("server", SERVER_MISTAKES)):
        for number, (text, place, words) in enumerate(mistakes):
            path = host.file(f"{role}-{number}.toml", text)
            result = host.run(mesh.binary, role, "-c", path)
            complaint(result, path, place, words, f"{role} with {text!r}")


def test_a_user_that_does_not_exist_is_refused_with_its_place(mesh):
    mesh.start_server()
    agent = mesh.add_agent("web", [service("web", user="nobody-here")])
    agent.enrol()
    process = agent.launch()
    check_equal(process.wait(), 2, f"exit code ({process.log()})")
    with open(agent.config_path) as file:
        line = next(number for number, text in enumerate(file, 1) if "nobody-here" in text)
    check_contains(process.log(), f"{agent.config_path}:{line}:", "the place")


def test_validate_finds_the_same_offline(mesh):
    host = mesh.add_host("a")
    for number, (text, place, words) in enumerate(AGENT_MISTAKES[3:] + SERVER_MISTAKES[1:]
                                                  + RESOURCE_MISTAKES):
        path = host.file(f"bad-{number}.toml", text)
        complaint(host.run(mesh.binary, "validate", path), path, place, words, f"{text!r}")
    good = host.file("good.toml", '[[service]]\nname = "api"\nprotocol = "http"\n')
    check_equal(host.run(mesh.binary, "validate", good).returncode, 0, "a good file")
    both = host.run(mesh.binary, "validate", good, host.file("bad.toml", 'nod = "x"\n'))
    check_equal(both.returncode, 2, "a good and a bad file")


def test_a_malformed_resource_is_refused_before_anything_is_changed(mesh):
    server = mesh.start_server()
    index = server.status()["applied_index"]
    for number, (text, place, words) in enumerate(RESOURCE_MISTAKES):
        path = server.host.file(f"bad-{number}.toml", text)
        complaint(server.hawser("apply", "-f", path), path, place, words, f"apply {text!r}")
    # One good and one bad file: nothing of either.
    good = server.host.file("good.toml", '[[service]]\nname = "good"\n')
    bad = server.host.file("bad.toml", '[[service]]\nname = "bad"\nprotocl = "tcp"\n')
    check_equal(server.hawser("apply", "-f", good, "-f", bad).returncode, 2, "good and bad")
    check_equal(server.status()["applied_index"], index, "the index")


def test_bad_names_and_arguments_on_the_command_line_exit_2(mesh):
    server = mesh.start_server()
    for arguments in (["token", "create", "--node", "Web_1", "--services", "web"],
                      ["token", "create", "--node", "web", "--services", "we b"],
                      ["token", "create", "--node", "web", "--services", "web", "--ttl", "10"],
                      ["get", "polisy"], ["services", "Not-A-Name"], ["aply", "-f", "x"],
                      ["status", "--jsn"]):
        result = server.host.run(mesh.binary, *arguments, "--socket", server.socket)
        check_equal(result.returncode, 2, f"hawser {' '.join(arguments)}: exit code "
                    f"({result.stdout}{result.stderr})")
        check(result.stderr.strip(), f"hawser {' '.join(arguments)}: says nothing")


def test_a_daemon_that_cannot_be_reached_is_exit_3(mesh):
    host = mesh.add_host("a")
    for arguments in (["status"], ["services"], ["get", "policy"]):
        result = host.run(mesh.binary, *arguments, "--socket", "/nonexistent/hawser.sock")
        check_equal(result.returncode, 3, f"hawser {arguments[0]} ({result.stderr})")
        check_contains(result.stderr, "/nonexistent/hawser.sock", "what was tried")
