#!/usr/bin/env bash
# Counts the naps of the Go runtime's monitor thread while the server is loaded.
# The monitor sleeps 20 us at a time as long as it finds goroutines in system calls
# to take processors from, and 10 ms when it does not: a loop that keeps its hot
# calls out of the scheduler's sight stays near 100 a second.
set -eu

usage() {
    echo "usage: sysmon.sh [-s server] [-c conns,outstanding,payload] [-t seconds] [-l limit a second]" >&2
    exit 2
}

bench=$(cd "$(dirname "$0")" && pwd)
server=wsloop cell=100,1,125 seconds=3 limit=200
while getopts s:c:t:l: flag; do
    case $flag in
    s) server=$OPTARG ;;
    c) cell=$OPTARG ;;
    t) seconds=$OPTARG ;;
    l) limit=$OPTARG ;;
    *) usage ;;
    esac
done
shift $((OPTIND - 1))
[[ $# -eq 0 && $seconds =~ ^[1-9][0-9]*$ && $limit =~ ^[0-9]+$ && $cell =~ ^[0-9]+,[0-9]+,[0-9]+$ ]] || usage
IFS=, read -r conns outstanding payload <<<"$cell"

command -v strace >/dev/null || {
    echo "sysmon.sh: strace is not installed" >&2
    exit 1
}
# shellcheck source=common.sh
. "$bench/common.sh"
resolve "$server"
build_load
if [[ $server == wsloop ]]; then
    build_wsloop
fi

# Started under strace with a filter in the kernel, the server stops for this one
# call only. Attaching with -p would stop it at every call, and measure strace.
# With -I 2, ending strace ends the server too.
start_server strace -I 2 -f --seccomp-bpf -e trace=nanosleep -ttt -o "$work/trace" "${command[@]}"
tracer_pid=$server_pid
# The kernel ends this list without a newline, which read reports as a failure.
read -r server_pid _ <"/proc/$tracer_pid/task/$tracer_pid/children" || [[ -n $server_pid ]]

begin=$EPOCHREALTIME
load -P "$server_pid" -c "$conns" -o "$outstanding" -b "$payload" -w 0.5 -t $((seconds + 1)) \
    >"$work/result" || die "$name failed"
end_child "$tracer_pid"

# Counted from when the connections are up until before they go.
read -r in_life under_load < <(awk -v begin="$begin" -v seconds="$seconds" '
    / nanosleep\(/ { life++; if ($2 >= begin + 0.5 && $2 < begin + 0.5 + seconds) loaded++ }
    END { print life + 0, loaded + 0 }' "$work/trace")
[[ $in_life -gt 0 ]] || die "$name: no nap in its whole life: not a Go program, or strace saw nothing"
per_second=$((under_load / seconds))
echo "server=$name cell=$cell naps_per_s=$per_second limit=$limit $(grep -o 'msgs_per_s=[0-9]*' "$work/result")"
[[ $per_second -lt $limit ]] || die "$name: $per_second naps a second, the limit is $limit"
