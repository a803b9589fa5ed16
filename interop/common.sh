# shellcheck shell=bash
# What run.sh and browser.sh share: installing clients, building the server, starting and
# ending servers, and the summary. Sourced, not run. Whoever sources it has `set -eu`, and
# has set `interop` to the directory of this file.
: "${interop:?}"

work=$(mktemp -d "${TMPDIR:-/tmp}/wsloop-interop.XXXXXX")
results=$work/results # one line per case: client, feature, outcome, remark
started_pid=          # process ids of servers, while they run
large=
plain=

: >"$results"

die() {
    echo "${0##*/}: $*" >&2
    exit 1
}

# Only servers that were started here are ended, each by its own id.
cleanup() {
    local pid
    for pid in $started_pid $large $plain; do
        kill -KILL "$pid" 2>/dev/null || true
    done
    rm -rf "$work"
}
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

as_root() {
    if [ "$(id -u)" -eq 0 ]; then
        "$@"
    elif command -v sudo >/dev/null; then
        sudo "$@"
    else
        die "$* needs root"
    fi
}

# install_packages installs Debian packages, and says nothing unless that fails.
install_packages() {
    command -v apt-get >/dev/null || die "please install: $*"
    echo "interop: installing $*"
    {
        as_root apt-get update -qq &&
            as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@"
    } >"$work/apt" 2>&1 || {
        cat "$work/apt" >&2
        die "could not install $*"
    }
}

# need_node brings Node and the packages of node/package-lock.json. Their install scripts
# do not run: the one of bun would fetch what its platform's package already holds.
need_node() {
    command -v node >/dev/null || install_packages nodejs
    command -v npm >/dev/null || install_packages npm
    local installed=$interop/node/node_modules/.package-lock.json
    if [ ! -e "$installed" ] || [ "$interop/node/package-lock.json" -nt "$installed" ]; then
        echo "interop: installing npm packages"
        (cd "$interop/node" && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error)
    fi
}

# make_certificates writes ca.pem, cert.pem, key.pem and spki, and has Node trust that authority.
make_certificates() {
    (cd "$interop" && go run ./authority/write "$work")
    INTEROP_CA=$work/ca.pem
    INTEROP_SPKI=$(cat "$work/spki")
    NODE_EXTRA_CA_CERTS=$INTEROP_CA
    export INTEROP_CA INTEROP_SPKI NODE_EXTRA_CA_CERTS
}

build_server() {
    command -v go >/dev/null || die "Go is needed, see go.mod for the version"
    make_certificates
    (cd "$interop/.." && go build -o "$work/server" ./cmd/wsloop)
}

# start_server NAME [FLAG...] sets started_pid and started_url. The server chooses its port, and
# says so in its first line.
start_server() {
    local flags output=$work/$1.log tries=0
    : >"$output"
    node "$interop/node/flags.mjs" "$1" >"$work/flags"
    mapfile -t flags <"$work/flags"
    "$work/server" serve -addr 127.0.0.1:0 ${flags[@]+"${flags[@]}"} "${@:2}" >"$output" 2>&1 &
    started_pid=$!
    until started_url=$(sed -n '1s|.* on \(wss\{0,1\}://.*\)$|\1|p' "$output") && [ -n "$started_url" ]; do
        tries=$((tries + 1))
        if [ "$tries" -gt 200 ] || ! kill -0 "$started_pid" 2>/dev/null; then
            complain "$1" "did not start"
            exit 1
        fi
        sleep 0.05
    done
}

# end_server NAME PID: a server that is told to stop must end with 0, and without a word
# from the runtime.
end_server() {
    local status=0
    kill -TERM "$2" 2>/dev/null || true
    wait "$2" || status=$?
    if [ "$status" -ne 0 ] || grep -qE 'panic|DATA RACE|fatal error' "$work/$1.log"; then
        complain "$1" "ended with $status"
        return 1
    fi
}

# complain SERVER WHAT shows what a server said.
complain() {
    cat "$work/$1.log" >&2
    echo "interop: the server $1 $2" >&2
}

# with_servers NAME COMMAND... runs a client against two fresh servers, over wss if the name ends in that. A client that
# fails does not stop the others: the summary tells.
with_servers() {
    local client=$1 status=0 secure=()
    shift
    case $client in */wss) secure=(-tls-cert "$work/cert.pem" -tls-key "$work/key.pem") ;; esac
    start_server large ${secure[@]+"${secure[@]}"}
    large=$started_pid started_pid=
    local large_url=$started_url
    start_server default ${secure[@]+"${secure[@]}"}
    plain=$started_pid started_pid=
    INTEROP_LARGE=$large_url INTEROP_LARGE_PID=$large INTEROP_DEFAULT=$started_url \
        INTEROP_RESULTS=$results timeout -k 5 180 "$@" || status=$?
    if ! kill -0 "$plain" 2>/dev/null; then
        complain default "ended before it was told to"
        status=1
    fi
    end_server large "$large" || status=1
    large=
    end_server default "$plain" || status=1
    plain=
    if [ "$status" -ne 0 ]; then
        complain large "said that while $client failed"
        complain default "said that while $client failed"
    fi
    note "$client" "$status"
}

# note CLIENT STATUS keeps the exit status of a client, which must agree with its cases.
note() {
    [ "$2" -eq 0 ] || printf '%s\t%s\t%s\t%s\n' "$1" run failed "ended with $2" >>"$results"
}

# summary CLIENT... prints the table and the counts, and fails unless every client has
# brought every case to a good end.
summary() {
    node "$interop/node/summary.mjs" "$results" "$@"
}
