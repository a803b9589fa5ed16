#!/usr/bin/env bash
# Holds a million idle WebSocket connections on one machine, server and client together, and says what they cost.
set -eu

usage() {
    cat >&2 <<'END'
usage: million.sh [CONNECTIONS] [HOLD]
  CONNECTIONS  how many to hold (1000000)
  HOLD         for how long, as 5m or 90s (5m)
Environment:
  OUT          directory of the results (benchmarks/results)
  RESERVE_MB   the run ends when less memory than that is available (1024)
  KEEPALIVE    silence after which the client pings (120s)
  RATE         messages per second on a random 1 % of the connections (one per thousand connections)
END
    exit 2
}

connections=${1:-1000000} hold=${2:-5m}
[[ $# -le 2 && $connections =~ ^[1-9][0-9]*$ && $hold =~ ^[0-9]+(s|m|h)$ ]] || usage
root=$(cd "$(dirname "$0")/.." && pwd)
out=${OUT:-$root/benchmarks/results}
reserve_mb=${RESERVE_MB:-1024}
keepalive=${KEEPALIVE:-120s}
rate=${RATE:-$(((connections + 999) / 1000))}

die() {
    echo "million.sh: $*" >&2
    exit 1
}

# --- what has to be there ---

for command in awk sed sort go mktemp; do
    command -v "$command" >/dev/null || die "$command is not installed"
done
[[ -r /proc/meminfo && -r /proc/self/smaps_rollup ]] || die "this is no Linux with /proc/PID/smaps_rollup"

meminfo_kb() { awk -v name="$1:" '$1 == name { print $2 }' /proc/meminfo; }

descriptors=$(ulimit -Hn)
[[ $descriptors != unlimited ]] || descriptors=1048576
[[ $descriptors -ge 1024 ]] || die "$descriptors descriptors are too few for a process: ulimit -Hn 20000"
ulimit -n "$descriptors"
# The kernel spreads connections over the server's processes by chance: five standard deviations are left free.
spread=$(awk -v n=$((descriptors - 200)) 'BEGIN { printf "%d", n - 5 * sqrt(n) }')
servers=$(((connections + spread - 1) / spread))
loads=$(((connections + descriptors - 65) / (descriptors - 64)))
# A source has some 60,000 ports in the namespace, and each process gets as many sources as the others.
sources=$((loads * ((connections + 60000 * loads - 1) / (60000 * loads))))
[[ $sources -le 254 ]] || die "$descriptors descriptors are too few: more than 254 processes would be needed"

# Measured: 10 KiB of kernel memory for both ends, under 1 KiB of user space, and some 12 MiB for each process.
need_mb=$(((connections * 11 + (servers + loads) * 12 * 1024) / 1024 + reserve_mb))
have_mb=$(($(meminfo_kb MemAvailable) / 1024))
[[ $have_mb -ge $need_mb ]] || die "$need_mb MiB of memory are needed and $have_mb are available: ask for fewer connections"

read -r open _ most </proc/sys/fs/file-nr
files=$((2 * connections + 64 * (servers + loads)))
if [[ $((most - open)) -lt $files && $(id -u) -ne 0 ]]; then
    die "$files files are needed and $((most - open)) can be opened: sysctl -w fs.file-max=$((open + files))"
fi

# --- the program, and a network of its own ---

if [[ -z ${MILLION_WORK:-} ]]; then
    MILLION_WORK=$(mktemp -d)
    export MILLION_WORK
    (cd "$root" && go build -o "$MILLION_WORK/wsloop" ./cmd/wsloop) || {
        rm -rf "$MILLION_WORK"
        die "wsloop cannot be built"
    }
    if command -v unshare >/dev/null && command -v ip >/dev/null; then
        for flags in -n -rn; do
            if unshare $flags ip link set lo up 2>/dev/null; then
                exec unshare $flags "$0" "$@" # the namespace ends with its last process
            fi
        done
    fi
    echo "million.sh: no network namespace can be made: this machine's own is used" >&2
fi
work=$MILLION_WORK
wsloop=$work/wsloop

pids=() # that were started here
finish() {
    status=$?
    trap - EXIT
    trap '' INT TERM
    set +e
    local pid
    for pid in "${pids[@]}"; do
        kill -TERM "$pid" 2>/dev/null && kill -TERM "$pid" 2>/dev/null
        for _ in {1..100}; do
            kill -0 "$pid" 2>/dev/null || break
            sleep 0.1
        done
        kill -KILL "$pid" 2>/dev/null # its processes end with it
        wait "$pid" 2>/dev/null
    done
    rm -rf "$work"
    exit "$status"
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

if [[ $(readlink /proc/self/ns/net) != "$(readlink /proc/1/ns/net 2>/dev/null)" ]] && ip link set lo up 2>/dev/null; then
    network="a namespace of its own"
    echo '1024 65535' >/proc/sys/net/ipv4/ip_local_port_range
    echo 16384 >/proc/sys/net/core/somaxconn
    echo 16384 >/proc/sys/net/ipv4/tcp_max_syn_backlog
else
    network="of the machine"
fi

# --- what is measured ---

# pss_kb PID...: memory of processes, of shared pages their part.
pss_kb() {
    local pid
    for pid in "$@"; do
        cat "/proc/$pid/smaps_rollup"
    done | awk '/^Pss:/ { kb += $2 } END { print kb + 0 }'
}
kernel_kb() { awk '/^(Slab|KernelStack|PageTables|Percpu):/ { kb += $2 } END { print kb }' /proc/meminfo; }
# tcp_pages: buffers of all TCP sockets of the machine.
tcp_pages() { awk '$1 == "TCP:" { for (i = 2; i < NF; i++) if ($i == "mem") print $(i + 1) }' /proc/net/sockstat; }
sockets() { awk '$1 == "TCP:" { print $3 }' /proc/net/sockstat; }
# slabs: bytes of each kind of kernel object, where they can be read.
slabs() { awk 'NR > 2 { print $1, $3 * $4 }' /proc/slabinfo 2>/dev/null || true; }
opened() { sed -n 's/.* open \([0-9]*\)\/.*/\1/p' "$work/load.err" | tail -n 1; }

# --- the run ---

mkdir -p "$out"
name=$out/million-$connections
echo "million.sh: $connections connections for $hold; server in $servers processes, client in $loads; network: $network; $have_mb MiB available"

"$wsloop" serve -addr 127.0.0.1:0 -procs "$servers" -max-connections $((descriptors - 100)) -ping-interval never -handshake-timeout 60s \
    >"$work/serve.out" 2>"$work/serve.err" &
server=$!
pids+=("$server")
for _ in {1..600}; do
    grep -q '^wsloop: .* pids' "$work/serve.out" && break
    kill -0 "$server" 2>/dev/null || die "the server did not start: $(cat "$work/serve.err")"
    sleep 0.1
done
url=$(sed -n '1s/.*\(ws:.*\)/\1/p' "$work/serve.out")
read -r -a server_pids <<<"$(sed -n 's/.* pids \([0-9 ]*\).*/\1/p' "$work/serve.out" | tail -n 1)"
[[ ${#server_pids[@]} -eq $servers ]] || die "the server has ${#server_pids[@]} processes: $(cat "$work/serve.err")"
sleep 2 # its processes come to rest
user_before=$(pss_kb "${server_pids[@]}") kernel_before=$(kernel_kb) pages_before=$(tcp_pages) free_before=$(meminfo_kb MemAvailable)
slabs >"$work/slabs.before"

begun=$(date +%s.%N)
# In that directory, so that the report names no other.
(cd "$out" && exec "$wsloop" load -scenario idle -c "$connections" -procs "$loads" -src "127.0.1.1-127.0.1.$sources" -active 1% -rate "$rate" \
    -keepalive "$keepalive" -pending $((loads * 20)) -timeout 60s -warmup 5s -duration "$hold" -drain 60s \
    -server-pid "$(IFS=,; echo "${server_pids[*]}")" -json "${name##*/}.json" -html "${name##*/}.html" "$url") >"$work/load.out" 2>"$work/load.err" &
load=$!
pids+=("$load")

lowest=$free_before
held=
while kill -0 "$load" 2>/dev/null; do
    sleep 1
    free=$(meminfo_kb MemAvailable)
    lowest=$((free < lowest ? free : lowest))
    if [[ $((free / 1024)) -lt $reserve_mb ]]; then
        tail -n 1 "$work/load.err" >&2
        die "less than $reserve_mb MiB are available: it ends at $(opened) connections"
    fi
    now=$(tail -n 1 "$work/load.err")
    [[ $now == "${said:-}" ]] || echo "$now; $((free / 1024)) MiB available"
    said=$now
    if [[ -z $held && $now == *" out "* ]]; then # the last one has opened, and messages run
        opening=$(awk -v a="$begun" -v b="$(date +%s.%N)" 'BEGIN { printf "%.1f", b - a }')
        held=$(date +%s)
    fi
    # When the opening is some time past, but before anything closes.
    if [[ -n $held && -z ${user_after:-} && $(($(date +%s) - held)) -ge 10 ]]; then
        user_after=$(pss_kb "${server_pids[@]}") kernel_after=$(kernel_kb) pages_after=$(tcp_pages) free_after=$(meminfo_kb MemAvailable)
        inuse=$(sockets) open=$(opened)
        slabs >"$work/slabs.after"
    fi
done
status=0
wait "$load" || status=$?
pids=("$server")
cat "$work/load.out"
[[ $status -eq 0 ]] || die "the client ended with status $status: $(tail -n 3 "$work/load.err")"
[[ -n ${user_after:-} ]] || die "the hold was too short to measure anything"
[[ ! -s $work/serve.err ]] || sed 's/^/server: /' "$work/serve.err" >&2

# Where the kernel's memory went: the kinds that grew most, in bytes per connection.
kinds=$(awk -v n="$open" 'NR == FNR { before[$1] = $2; next } $2 - before[$1] > 16 * n { printf "%d %s\n", ($2 - before[$1]) / n, $1 }' \
    "$work/slabs.before" "$work/slabs.after" | sort -rn | awk 'NR <= 12 { printf "%s\"%s\": %d", (NR > 1 ? ", " : ""), $2, $1 }')
per() { echo $((($2 - $1) * 1024 / open)); }
cat >"$name.summary.json" <<END
{
  "connections": $open,
  "hold": "$hold",
  "server_processes": $servers,
  "client_processes": $loads,
  "network": "$network",
  "opening_seconds": $opening,
  "tcp_sockets_in_use": $inuse,
  "server_user_bytes_per_connection": $(per "$user_before" "$user_after"),
  "kernel_bytes_per_connection_both_ends": $(per "$kernel_before" "$kernel_after"),
  "kernel_bytes_by_kind": {$kinds},
  "tcp_buffer_pages": $((pages_after - pages_before)),
  "available_bytes_per_connection_everything": $(per "$free_after" "$free_before"),
  "lowest_available_mib": $((lowest / 1024)),
  "kernel": "$(uname -r)"
}
END
cat "$name.summary.json"
echo "million.sh: $name.json, $name.html, $name.summary.json"
