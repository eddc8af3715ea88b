"""What needs no daemon: help, wrong usage, validate."""

import json
import subprocess

from harness import BINARY, PATIENCE, ROOT, contains, equal

VERBS = ["server", "agent", "dev", "demo", "init", "token", "token create", "token list",
         "token revoke", "join", "apply", "plan", "get", "delete", "history", "rollback", "validate",
         "services", "nodes", "members", "status", "intercept", "intercept status", "cert", "cert list",
         "cert renew", "check", "version"]


def test_every_verb_has_help_with_an_example(host):
    for verb in VERBS:
        text = host.expect(0, *verb.split(), "--help").stdout
        contains(text, "Example:\n  ", f"hawser {verb} --help")
        contains(text, f"Usage: hawser {verb} [OPTIONS]", f"hawser {verb} --help: usage")
    overview = host.expect(0, "--help").stdout
    contains(overview, "Usage: hawser [OPTIONS]", "hawser --help: usage")
    for verb in {verb.split()[0] for verb in VERBS}:
        contains(overview, f"  {verb} ", "hawser --help")


def test_wrong_usage_is_one_line_and_exit_2(host):
    cases = [
        ([], "no command"),
        (["aply"], "unknown command 'aply'; did you mean 'apply'?"),
        (["status", "--jsn"], "unknown option '--jsn'; did you mean '--json'?"),
        (["token", "crate"], "unknown command 'crate'; did you mean 'create'?"),
        (["token", "create", "--nod", "a"], "unknown option '--nod'; did you mean '--node'?"),
        (["token"], "subcommand is required"),
        (["token", "create"], "either --node or --for-server"),
        (["token", "create", "--node", "a", "--for-server", "b"], "either --node or --for-server"),
        (["token", "create", "--for-server", "S1"], "--for-server: server name 'S1' is not a DNS label"),
        (["token", "create", "--for-server", "s1", "--services", "a"], "speaks for no service"),
        (["token", "create", "--node", "Web_1"], "--node: node name 'Web_1' is not a DNS label"),
        (["token", "create", "--node", "a", "--services", "x,Y"], "service name 'Y'"),
        (["token", "create", "--node", "a", "--ttl", "10"], "--ttl: '10' is not a duration"),
        (["token", "create", "--node", "a", "--ttl", "0s"], "--ttl: must not be zero"),
        (["apply"], "--file is required"),
        (["apply", "-f", "x", "--timeout", "soon"], "--timeout: 'soon' is not a duration"),
        (["apply", "-f", "x", "--if-index", "0"], "--if-index"),
        (["apply", "-f", "x", "--if-index", "1", "--create-only"], "--create-only"),
        (["plan"], "--file is required"),
        (["rollback"], "INDEX is required"),
        (["rollback", "x"], "INDEX"),
        (["get", "polisy"], "unknown kind 'polisy'; did you mean 'policy'?"),
        (["get", "join_token"], "hawser token list"),
        (["delete", "policy"], "NAME is required"),
        (["delete", "instance", "x"], "only services, policies and nodes"),
        (["delete", "policy", "No"], "policy name 'No' is not a DNS label"),
        (["services", "Not-A-Name"], "service name 'Not-A-Name' is not a DNS label"),
        (["nodes", "extra"], "unknown argument 'extra'"),
        (["status", "--server", "somewhere"], "--server: 'somewhere' is not ADDRESS:PORT"),
        (["status", "--server", "127.0.0.1:1"], "--token-file"),
        (["status", "--server", "127.0.0.1:1", "--socket", "/x"], "--socket"),
        (["join", "not-a-token", "--data-dir", "state"], "token"),
        (["validate"], "FILE is required"),
        (["dev", "--listen", "here"], "--listen: 'here' is not ADDRESS:PORT"),
    ]
    for words, message in cases:
        result = host.expect(2, *words)
        equal(len(result.stderr.strip().split("\n")), 1, f"lines of {result.stderr!r}")
        contains(result.stderr, message, f"hawser {' '.join(words)}")
        equal(result.stdout, "", "stdout")


def test_words_of_other_tools_are_understood(host):
    equal(host.expect(0, "--version").stdout, host.expect(0, "version").stdout, "--version")
    for words in ([], ["token"], ["token", "create"]):
        equal(host.expect(0, "help", *words).stdout, host.expect(0, *words, "--help").stdout,
              f"help {words}")
    contains(host.expect(2, "help", "aply").stderr, "unknown command 'aply'", "help aply")
    for words in (["-o", "json"], ["-ojson"], ["--output", "json"], ["--output=json"]):
        equal(sorted(json.loads(host.expect(0, "version", *words).stdout)),
              ["commit", "libraries", "version"], f"{words}")
    contains(host.expect(2, "version", "-o", "yaml").stderr, "unknown option '-o'", "-o yaml")


def test_nothing_typed_reaches_the_terminal_unescaped(host):
    result = host.expect(2, "get", "a\x1b[2Jb\nc")
    contains(result.stderr, r"'a\x1b[2Jb\x0ac'", "stderr")


def test_a_daemon_that_is_not_there_is_exit_3(host):
    for words in (["status"], ["services"], ["nodes"], ["get", "policy"], ["token", "list"],
                  ["intercept", "status"], ["delete", "policy", "p"]):
        result = host.expect(3, *words, "--socket", "/nonexistent/hawser.sock")
        contains(result.stderr, "cannot reach /nonexistent/hawser.sock: No such file", f"{words}")
        contains(result.stderr, "is the daemon running", "what to do")
        equal(result.stderr.count("/nonexistent/hawser.sock"), 1, f"paths in {result.stderr!r}")
        equal(len(result.stderr.strip().split("\n")), 1, f"lines of {result.stderr!r}")


def test_missing_or_wrong_configuration_is_exit_2(host):
    for verb in ("server", "agent", "init"):
        missing = host.expect(2, verb, "-c", "/nonexistent/x.toml")
        contains(missing.stderr, "/nonexistent/x.toml", verb)
        path = host.file("bad.toml", "lisen = 5\nnode = 1\n")
        result = host.expect(2, verb, "-c", path)
        contains(result.stderr, f"{path}:1:1: unknown key 'lisen'", verb)
        contains(result.stderr, f"{path}:2:8: 'node' must be a string", verb)


def test_validate_tells_what_each_file_is(host):
    examples = [("agent.toml", "agent configuration"), ("server.toml", "server configuration"),
                ("services.d/api.toml", "agent configuration"), ("resources.toml", "resources")]
    paths = [str(ROOT / "config" / name) for name, _ in examples]
    lines = host.expect(0, "validate", *paths).stdout.splitlines()
    equal(lines, [f"{path}: valid {kind}" for path, (_, kind) in zip(paths, examples)], "lines")


def test_validate_says_everything_about_every_file(host):
    good = host.file("good.toml", '[[policy]]\nname = "p"\nservice = "s"\naction = "deny"\nfrom = ["*"]\n')
    bad = host.file("bad.toml", 'nod = "a"\nzone = 5\n')
    broken = host.file("broken.toml", "node = [\n")
    binary = host.file("binary.toml", b"\x00\xff\xfe")
    result = host.expect(2, "validate", bad, good, broken, binary, "/nonexistent")
    equal(result.stdout, f"{good}: valid resources\n", "stdout")
    lines = result.stderr.splitlines()
    equal(lines[0], f"{bad}:1:1: unknown key 'nod'; did you mean 'node'?", "first")
    equal(lines[1], f"{bad}:2:8: 'zone' must be a string, not an integer", "second")
    contains(lines[2], f"{broken}:1:10: syntax error", "third")
    equal(lines[3], f"{binary}:1:2: not UTF-8 text", "fourth")
    contains(lines[4], "/nonexistent: No such file or directory", "fifth")


def test_validate_takes_folders_and_stdin(host):
    host.file("all/b.toml", 'servers = ["10.0.0.1:7443"]\n')
    host.file("all/a.toml", '[[policy]]\nname = "p"\nservice = "s"\naction = "deny"\nfrom = ["*"]\n')
    host.file("all/notes.txt", "not looked at")
    for name in ("all", "all/"):
        equal(host.expect(0, "validate", name).stdout.splitlines(),
              ["all/a.toml: valid resources", "all/b.toml: valid agent configuration"], name)
    result = host.expect(0, "validate", "-", stdin='servers = ["10.0.0.1:7443"]\n')
    equal(result.stdout, "stdin: valid agent configuration\n", "stdin")
    contains(host.expect(2, "validate", "-", stdin="nod = 1\n").stderr, "stdin:1:1:", "stdin")
    (host.folder / "empty").mkdir()
    contains(host.expect(2, "validate", "empty").stderr, "empty: holds no *.toml", "empty")


def test_validate_warns_of_what_looks_like_a_slip(host):
    agent = host.file("agent.toml", 'servers = ["10.0.0.1:7443"]\n[[service]]\nname = "checkout"\nuser = "x"\n')
    policy = ('[[policy]]\nname = "p"\nservice = "inventory"\naction = "allow"\n'
              'from = ["{}", "elsewhere"]\n')
    slip = host.file("slip.toml", policy.format("chekout"))
    result = host.expect(0, "validate", agent, slip)
    equal(result.stderr, "hawser: warning: policy 'p': no host may speak as 'chekout' yet; "
          "did you mean 'checkout'?\n", "only that")
    fine = host.file("fine.toml", policy.format("checkout"))
    equal(host.expect(0, "validate", fine, agent).stderr, "", "no slip")


def test_apply_says_what_a_daemons_configuration_is(host):
    for kind in ("agent", "server"):
        path = str(ROOT / "config" / f"{kind}.toml")
        result = host.expect(2, "apply", "-f", path, "--socket", "/nonexistent")
        equal(len(result.stderr.splitlines()), 1, f"lines of {result.stderr!r}")
        contains(result.stderr, f"{path}: this is the configuration of a", kind)
        contains(result.stderr, f"hawser {kind} -c", "what it is for")


def test_apply_finds_mistakes_before_it_asks_anybody(host):
    one = host.file("one.toml", '[[service]]\nname = "a"\n')
    two = host.file("two.toml", '[[service]]\nname = "a"\n')
    result = host.expect(2, "apply", "-f", one, "-f", two, "--socket", "/nonexistent")
    equal(result.stderr, f"{two}: service 'a' is in another file too\n", "twice")
    empty = host.file("empty.toml", "")
    result = host.expect(2, "apply", "-f", empty, "--socket", "/nonexistent")
    contains(result.stderr, "nothing to apply", "empty")
    result = host.expect(2, "apply", "-f", "-", "--socket", "/nonexistent", stdin="[[polcy]]\n")
    equal(result.stderr, "stdin:1:3: unknown key 'polcy'; did you mean 'policy'?\n", "stdin")


def test_version(host):
    contains(host.expect(0, "version").stdout, "hawser 0.", "version")
    value = json.loads(host.expect(0, "version", "--json").stdout)
    equal(sorted(value), ["commit", "libraries", "version"], "keys")


def test_output_that_cannot_be_written_is_exit_1(host):
    with open("/dev/full", "w") as full:
        result = subprocess.run([BINARY, "version"], stdout=full, stderr=subprocess.PIPE,
                                text=True, timeout=PATIENCE, check=False)
    equal(result.returncode, 1, "exit code")
    contains(result.stderr, "the output could not be written", "stderr")
