import os
import pathlib
import shutil
import subprocess

from harness.checks import check

ABOUT = """\
hawser's TLS sessions beside the distribution's OpenSSL, in memory, one thread on one CPU, per second
of processor time. Both: TLS 1.3, TLS_AES_128_GCM_SHA256, P-256 key exchange; both sides show a P-256
leaf and its intermediate and verify the other's up to the root; no tickets, so every handshake is full.
bulk: one side writes, the other reads. handshake: both sides of it, again and again between the same
two; first handshake: between two that never met."""

PROGRAMS = ["tls-sessions"]
HERE = pathlib.Path(__file__).resolve().parent
CASES = {  # case: what the programs call it, metric, unit
    "bulk_1400": ("1400", "bytes_per_second", "B/s"),
    "bulk_16k": ("16384", "bytes_per_second", "B/s"),
    "handshake": ("handshake", "handshakes_per_second", "1/s"),
    "first_handshake": ("first-handshake", "handshakes_per_second", "1/s"),
}


def systems(context):
    directory = os.path.join(context.directory, "tls")
    os.mkdir(directory)
    make_certificates(directory)
    return [System("hawser", [context.program("tls-sessions")], [directory]),
            OpenSsl(directory)]


class System:
    def __init__(self, name, program, arguments):
        self.name, self.program, self.arguments = name, program, arguments

    def missing(self):
        return None

    def measure(self, context):
        milliseconds = 200 if context.quick else 2000
        cpu = max(os.sched_getaffinity(0))
        for case, (word, metric, unit) in CASES.items():
            if context.wants(case):
                command = ["taskset", "-c", str(cpu), *self.program, self.word(word),
                           str(milliseconds), *self.arguments]
                yield case, metric, float(run(*command)), unit

    def word(self, word):
        return word


class OpenSsl(System):
    def __init__(self, directory):
        self.compiler = next((each for each in ("cc", "gcc", "clang", "clang-19")
                              if shutil.which(each)), None)
        super().__init__("OpenSSL", [os.path.join(directory, "openssl-sessions")],
                         [directory, "P-256"])
        self.why_missing = self.build()
        if not self.why_missing:
            self.name = " ".join(run("openssl", "version").split()[:2])

    def missing(self):
        return self.why_missing

    def word(self, word):  # it has nothing that it could know from the last time
        return "handshake" if word == "first-handshake" else word

    def build(self):
        """With the machine's own compiler and library, as whoever uses that library would."""
        if not self.compiler:
            return "no C compiler"
        built = subprocess.run([self.compiler, "-O2", "-o", *self.program, HERE / "tls/openssl.c",
                                "-lssl", "-lcrypto"], capture_output=True, text=True)
        if built.returncode != 0:
            return f"it did not build (package libssl-dev): {built.stderr.strip()[:200]}"
        return None


def make_certificates(directory):
    """root → intermediate → web, api: <name>.pem, <name>.key.pem; with the intermediate in
    <name>.chain.pem."""
    authority = "basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign,cRLSign\n"
    leaf = ("basicConstraints=critical,CA:FALSE\nkeyUsage=critical,digitalSignature\n"
            "extendedKeyUsage=serverAuth,clientAuth\nsubjectAltName=URI:spiffe://bench/svc/{}\n")
    signers = [("root", None, authority), ("intermediate", "root", authority),
               *((name, "intermediate", leaf.format(name)) for name in ("web", "api"))]
    for name, signer, extensions in signers:
        def path(end, of=name):
            return os.path.join(directory, f"{of}{end}")
        run("openssl", "req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
            "-nodes", "-subj", f"/CN={name}", "-keyout", path(".key.pem"), "-out", path(".csr"))
        pathlib.Path(path(".ext")).write_text(extensions)
        signed_by = (["-CA", path(".pem", signer), "-CAkey", path(".key.pem", signer),
                      "-CAcreateserial"] if signer else ["-signkey", path(".key.pem")])
        run("openssl", "x509", "-req", "-in", path(".csr"), *signed_by, "-sha256", "-days", "2",
            "-extfile", path(".ext"), "-out", path(".pem"))
        chain = [path(".pem"), path(".pem", "intermediate")]
        pathlib.Path(path(".chain.pem")).write_text(
            "".join(pathlib.Path(each).read_text() for each in chain if os.path.exists(each)))


def run(*command):
    result = subprocess.run(command, capture_output=True, text=True, timeout=120)
    check(result.returncode == 0, f"{command[0]}: {result.stderr.strip()[-500:]}")
    return result.stdout.strip()
