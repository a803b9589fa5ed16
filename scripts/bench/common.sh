# shellcheck shell=bash
# What the measurements share: building the programs, and starting and ending
# servers. Sourced, not run. Whoever sources it has `set -eu`, and has set `bench`
# to the directory of this file.

# The processors that the server and the load generator are pinned to.
SERVER_CORE=${SERVER_CORE:-0}
CLIENT_CORE=${CLIENT_CORE:-1}
CC=${CC:-cc}
: "${bench:?}"
export LC_ALL=C # numbers with a point, everywhere

# Servers that do not raise their own limit get it raised here.
ulimit -n "$(ulimit -Hn)"

work=$(mktemp -d "${TMPDIR:-/tmp}/wsloop-bench.XXXXXX")
children=() # processes started here and not ended yet

die() {
    echo "${0##*/}: $*" >&2
    exit 1
}

# Every child is ended by its own id, and nothing else is.
cleanup() {
    trap '' INT TERM
    local pid
    for pid in ${children[@]+"${children[@]}"}; do
        end_child "$pid"
    done
    rm -rf "$work"
}
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

build_load() {
    echo "building the load generator" >&2
    "$CC" -O2 -o "$work/load" "$bench"/load/*.c
}

build_wsloop() {
    echo "building wsloop" >&2
    (cd "$bench/../.." && go build -o "$work/wsloop" ./cmd/wsloop)
}

# resolve SPEC: sets name, mode and command. SPEC is a name known here, or
# [raw:]name=command, the command being split at blanks.
resolve() {
    mode=ws
    case $1 in
    # The load generator answers no pings. Every deadline is on all the same.
    wsloop) name=wsloop command=("$work/wsloop" serve -addr 127.0.0.1:0 -ping-interval 1h -idle-timeout 2h -max-lifetime 3h) ;;
    raw:*=*) name=${1%%=*} name=${name#raw:} mode=raw && read -ra command <<<"${1#*=}" ;;
    *=*) name=${1%%=*} && read -ra command <<<"${1#*=}" ;;
    *) die "$1: expected a known server or [raw:]name=command" ;;
    esac
    [[ $name =~ ^[A-Za-z0-9_.-]+$ && ${#command[@]} -gt 0 ]] || die "$1: bad server"
}

# start_server COMMAND...: starts a server and waits until it printed its address.
# Sets server_pid, the process that it became, and port.
start_server() {
    local line address='(127\.0\.0\.1|0\.0\.0\.0|localhost|\[::1?\]):([0-9]+)' i
    : >"$work/server.log"
    # taskset replaces itself with the server, so the id is the server's own.
    taskset -c "$SERVER_CORE" "$@" >"$work/server.log" 2>&1 </dev/null &
    server_pid=$!
    children+=("$server_pid")
    for ((i = 0; i < 500; i++)); do
        # read refuses a line that is not finished yet.
        while read -r line; do
            if [[ $line =~ .*$address ]]; then
                port=${BASH_REMATCH[2]}
                return
            fi
        done <"$work/server.log"
        kill -0 "$server_pid" 2>/dev/null || break
        sleep 0.02
    done
    sed 's/^/    /' "$work/server.log" >&2
    die "no address from: $*"
}

# end_child PID: asks the process to end, insists after two seconds, reaps it.
end_child() {
    local i pid others=()
    kill -TERM "$1" 2>/dev/null || true
    for ((i = 0; i < 100; i++)); do
        kill -0 "$1" 2>/dev/null || break
        sleep 0.02
    done
    kill -KILL "$1" 2>/dev/null || true
    { wait "$1" || true; } 2>/dev/null
    for pid in "${children[@]}"; do
        [[ $pid == "$1" ]] || others+=("$pid")
    done
    children=(${others[@]+"${others[@]}"})
}

load() {
    taskset -c "$CLIENT_CORE" "$work/load" -p "$port" -m "$mode" "$@"
}
