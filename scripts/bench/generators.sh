#!/usr/bin/env bash
# Compares `wsloop load` with the minimal load generator in C: what a message, and a connection that comes and goes, costs
# the generator. Against our server and two others; see README.md.
set -eu
shopt -s inherit_errexit # a measurement that failed in $(...) ends the script

usage() {
    cat >&2 <<'END'
usage: generators.sh [-n rounds] [-t seconds] [-s server]...
  -n  rounds (5)        -t  seconds of each measurement (2)
  -s  wsloop, gws or gobwas; default: all three
END
    exit 2
}

bench=$(cd "$(dirname "$0")" && pwd)
rounds=5 seconds=2 servers=()
while getopts n:t:s: flag; do
    case $flag in
    n) rounds=$OPTARG ;;
    t) seconds=$OPTARG ;;
    s) servers+=("$OPTARG") ;;
    *) usage ;;
    esac
done
shift $((OPTIND - 1))
[[ $# -eq 0 && $rounds =~ ^[1-9][0-9]*$ && $seconds =~ ^[1-9][0-9]*$ ]] || usage
[[ ${#servers[@]} -gt 0 ]] || servers=(wsloop gws gobwas)

# shellcheck source=common.sh
. "$bench/common.sh"
build_load
build_wsloop
for server in "${servers[@]}"; do
    [[ $server == wsloop ]] || (cd "$bench/../../benchmarks" && go build -o "$work/$server" "./servers/$server")
done

# by_c CELL [reads]: messages or connections, and processor time of the generator for each, in ns. Unless it reads, the kernel
# discards the replies, so that they are never in the generator's cache.
by_c() {
    local flags=(-c 100 -b 125 -t "$seconds" -w 0.3)
    if [[ ${2:-} == reads ]]; then flags+=(-r); fi
    mode=ws # which load heeds
    if [[ $1 == churn ]]; then mode=connect; else flags+=(-o "${1#*,}"); fi
    load -P "$server_pid" "${flags[@]}" | awk '{
        for (i = 1; i <= NF; i++) { split($i, f, "="); v[f[1]] = f[2] }
        rate = "cycles_per_s" in v ? v["cycles_per_s"] : v["msgs_per_s"]
        printf "%.0f %.1f\n", rate, v["client_pct"] / 100 * 1e9 / rate
    }'
}

# by_wsloop CELL: the same of wsloop load.
by_wsloop() {
    local flags=(-c 100 -size 125 -duration "${seconds}s" -warmup 300ms -quiet -json "$work/report")
    if [[ $1 == churn ]]; then flags+=(-scenario churn); else flags+=(-outstanding "${1#*,}"); fi
    rm -f "$work/report"
    GOMAXPROCS=1 taskset -c "$CLIENT_CORE" "$work/wsloop" load "${flags[@]}" "ws://127.0.0.1:$port/" >"$work/text" ||
        die "wsloop load failed"
    echo "$(figure messages/s) $(figure generator.cpu/message)"
}

# figure NAME: one of the report's.
figure() { tr -d ' \n' <"$work/report" | sed -n "s|.*\"$1\":{\"value\":\([0-9.e+]*\).*|\1|p"; }

# measure CELL SERVER: one line for each generator, in turns, against one process of the server.
measure() {
    local command=("$work/$2" -addr 127.0.0.1:0)
    if [[ $2 == wsloop ]]; then resolve wsloop; fi
    start_server "${command[@]}"
    local c reading ours
    c=$(by_c "$1")
    reading=$(by_c "$1" reads)
    ours=$(by_wsloop "$1")
    end_child "$server_pid"
    echo "$1 $2 $c $reading $ours" >>"$work/lines"
}

for ((round = 1; round <= rounds; round++)); do
    for cell in 100,1 100,16 churn; do
        for server in "${servers[@]}"; do measure "$cell" "$server"; done
    done
done
printf '%-8s %-8s %10s %10s %9s %9s %10s %8s %8s %6s %6s\n' cell server 'C/s' 'wsloop/s' 'C ns' 'reads ns' 'wsloop ns' 'C/ours' 'reads/ours' min max
sort -s -k1,2 "$work/lines" | awk '
    function flush(    i, j, t, m) {
        if (!n) return
        for (i = 2; i <= n; i++) for (j = i; j > 1 && r[j] < r[j-1]; j--) {
            t = r[j]; r[j] = r[j-1]; r[j-1] = t; t = line[j]; line[j] = line[j-1]; line[j-1] = t
        }
        m = int((n + 1) / 2)
        split(line[m], f)
        printf "%-8s %-8s %10.0f %10.0f %9.1f %9.1f %10.1f %8.2f %8.2f %6.2f %6.2f\n", f[1], f[2], f[3], f[7], f[4], f[6], f[8], f[4] / f[8], r[m], r[1], r[n]
        n = 0
    }
    $1 " " $2 != key { flush(); key = $1 " " $2 }
    { line[++n] = $0; r[n] = $6 / $8 }
    END { flush() }'
