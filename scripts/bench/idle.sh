#!/usr/bin/env bash
# Memory that a server holds for each idle connection, everything counted.
set -eu

usage() {
    cat >&2 <<'END'
usage: idle.sh [-c connections] [-b payload] [-s server]... [-o file]
  -c  connections to hold (18000), fewer where descriptors run short
  -b  payload bytes of the echo (125)
  -s  epoll, wsloop, or [raw:]name=command; default: epoll and wsloop
  -o  append the results to this file
END
    exit 2
}

bench=$(cd "$(dirname "$0")" && pwd)
connections=18000 payload=125 raw=/dev/null reserve=256
servers=()
while getopts c:b:s:o: flag; do
    case $flag in
    c) connections=$OPTARG ;;
    b) payload=$OPTARG ;;
    s) servers+=("$OPTARG") ;;
    o) raw=$OPTARG ;;
    *) usage ;;
    esac
done
shift $((OPTIND - 1))
[[ $# -eq 0 && $connections =~ ^[1-9][0-9]*$ && $payload =~ ^[0-9]+$ ]] || usage
[[ ${#servers[@]} -gt 0 ]] || servers=(epoll wsloop)

# shellcheck source=common.sh
. "$bench/common.sh"
files=$(ulimit -Hn)
if [[ $files != unlimited && $connections -gt $((files - reserve)) ]]; then
    echo "shrunk from $connections to $((files - reserve)) connections: $files descriptors" >&2
    connections=$((files - reserve))
fi
for spec in "${servers[@]}"; do
    resolve "$spec"
done
: >>"$raw"
build_c
for spec in "${servers[@]}"; do
    if [[ $spec == wsloop ]]; then
        build_wsloop
    fi
done

# resident_kb: what the server has in memory. smaps_rollup walks the page tables;
# VmRSS, where that is missing, may lag behind by some pages per thread.
resident_kb() {
    awk '/^(Rss|VmRSS):/ { print $2; exit }' "/proc/$server_pid/smaps_rollup" 2>/dev/null ||
        awk '/^VmRSS:/ { print $2; exit }' "/proc/$server_pid/status"
}

# stable_kb: sets kb once three readings, half a second apart, agree.
stable_kb() {
    local before same=0 i
    kb=$(resident_kb)
    for ((i = 0; i < 60 && same < 2; i++)); do
        before=$kb
        sleep 0.5
        kb=$(resident_kb)
        if [[ $kb == "$before" ]]; then
            same=$((same + 1))
        else
            same=0
        fi
    done
    stable=yes
    if [[ $same -lt 2 ]]; then
        stable=no
    fi
}

# expect LINE: waits for the next line of the load generator.
expect() {
    local line=
    while ! read -r -t 1 line <&4; do
        kill -0 "$load_pid" 2>/dev/null || die "$name: the load generator failed"
    done
    [[ $line == "$1" ]] || die "$name: the load generator did not say: $1"
}

measure() {
    local load_pid base opened echoed
    start_server "${command[@]}"
    # Code is paged in and lazily made things are made before anything is counted.
    echo echo | load -i -b "$payload" >/dev/null || die "$name failed to echo"
    stable_kb
    base=$kb

    # Opened for both directions, so that neither side waits for the other to open it.
    mkfifo "$work/commands" "$work/answers"
    exec 3<>"$work/commands" 4<>"$work/answers"
    taskset -c "$CLIENT_CORE" "$work/load" -p "$port" -m "$mode" -i -c "$connections" \
        -b "$payload" <&3 >&4 3>&- 4>&- &
    load_pid=$!
    children+=("$load_pid")
    expect "open $connections"
    stable_kb
    opened=$kb stable_opened=$stable
    echo echo >&3
    expect "echoed $connections"
    stable_kb
    echoed=$kb
    end_child "$load_pid"
    exec 3>&- 4>&-
    rm "$work/commands" "$work/answers"
    end_child "$server_pid"

    printf '%-12s %8d %9d %9d %9d %10d %10d %9s\n' "$name" "$connections" "$base" "$opened" "$echoed" \
        $(((opened - base) * 1024 / connections)) $(((echoed - base) * 1024 / connections)) \
        "$stable_opened/$stable"
    echo "server=$name conns=$connections payload=$payload base_kb=$base opened_kb=$opened echoed_kb=$echoed" >>"$raw"
}

printf '%-12s %8s %9s %9s %9s %10s %10s %9s\n' server conns base_kB opened_kB echoed_kB B/opened B/echoed stable
for spec in "${servers[@]}"; do
    resolve "$spec"
    measure
done
