# Sourced by the entry scripts: progress lines, logged commands, and the packages each job needs.
# shellcheck shell=bash

export LC_ALL=C DEBIAN_FRONTEND=noninteractive
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root" || exit 1

packages_for() { # JOB: build | demo | test
    case $1 in
    build) echo clang-19 lld-19 llvm-19 meson ninja-build ccache git python3 dpkg-dev \
        debian-archive-keyring ca-certificates ;;
    demo) echo nftables iproute2 ;;
    # libclang-rt has the sanitizers; the end-to-end tests drive real programs and namespaces.
    test) echo clang-format-19 libclang-rt-19-dev nftables iproute2 procps curl openssl \
        nginx redis-server redis-tools postgresql postgresql-client socat dnsutils util-linux \
        systemd file groff-base ;; # these three examine the package
    *) fail "unknown job '$1' (build, demo, test)" ;;
    esac
}

say() { printf '==> %s\n' "$*"; }
fail() {
    printf 'error: %s\n' "$*" >&2
    exit 1
}

as_root() {
    if [[ $(id -u) == 0 ]]; then
        "$@"
    elif command -v sudo >/dev/null; then
        # Without a terminal nobody can answer a password prompt: fail instead of hanging.
        if [[ -t 0 && ${CI:-} != true ]]; then sudo "$@"; else sudo -n "$@"; fi
    else
        fail "this needs root or sudo: $*"
    fi
}

# Installs what is missing of the packages of the named jobs; a few milliseconds if nothing is.
install_deps() { # JOB...
    local job wanted=() missing=() installed p
    for job in "$@"; do
        read -ra p <<<"$(packages_for "$job" | tr '\n' ' ')"
        wanted+=("${p[@]}")
    done
    command -v apt-get >/dev/null ||
        fail "this is not a Debian system; provide the equivalents of: ${wanted[*]}"
    installed=$(dpkg-query -W -f '${Package} ${db:Status-Status}\n' "${wanted[@]}" 2>/dev/null || true)
    for p in "${wanted[@]}"; do
        grep -qx "$p installed" <<<"$installed" || missing+=("$p")
    done
    if ((${#missing[@]} == 0)); then return 0; fi

    say "installing ${missing[*]}"
    local install=(env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends
        -o DPkg::Lock::Timeout=300 -o Dpkg::Use-Pty=0 "${missing[@]}")
    # Package lists may be absent or stale: refresh them only if the first try fails.
    as_root "${install[@]}" </dev/null >/dev/null 2>&1 || {
        as_root apt-get update -qq -o Acquire::Retries=3 </dev/null || fail "apt-get update failed"
        as_root "${install[@]}" </dev/null >/dev/null || fail "could not install ${missing[*]}"
    }
}

# Runs a long command with its output in a log; on a terminal shows the log's last line in place,
# elsewhere a line every 20 seconds. On failure prints the end of the log and returns its status.
logged() { # TITLE LOG COMMAND...
    local title=$1 log=$2 started=$SECONDS status pid last
    shift 2
    mkdir -p "$(dirname "$log")"
    say "$title"
    "$@" >"$log" 2>&1 </dev/null &
    pid=$!
    local shown=$SECONDS
    while kill -0 "$pid" 2>/dev/null; do
        sleep 0.2
        last=$(tail -n 1 "$log" 2>/dev/null | cut -c1-90)
        if [[ -t 1 && ${CI:-} != true ]]; then
            printf '\r\033[K    %s' "$last"
        elif ((SECONDS - shown >= 20)); then
            shown=$SECONDS
            printf '    %4ds  %s\n' $((SECONDS - started)) "$last"
        fi
    done
    if [[ -t 1 && ${CI:-} != true ]]; then printf '\r\033[K'; fi
    wait "$pid"
    status=$?
    if ((status != 0)); then
        # The first error is what matters; ninja prints it after FAILED.
        grep -n -m1 -A40 -E '^FAILED|error:|ERROR' "$log" || tail -n 40 "$log"
        printf '    failed after %ds; full log: %s\n' $((SECONDS - started)) "$log"
    else
        printf '    done in %ds\n' $((SECONDS - started))
    fi
    return "$status"
}
