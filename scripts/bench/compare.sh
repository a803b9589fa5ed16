#!/usr/bin/env bash
# Compares servers with the plain C epoll echo: CPU of the server per message.
set -eu

usage() {
    cat >&2 <<'END'
usage: compare.sh [-c conns,outstanding,payload]... [-s server]... [-n rounds]
                  [-t seconds] [-w warm-up] [-q percent] [-o file]
  -c  a cell; default: all seven
  -s  wsloop, or [raw:]name=command; default: wsloop
  -n  rounds of each cell (7)             -t  seconds of each measurement (2)
  -w  seconds before each measurement (0.3)
  -q  repeat a round in which others used more than this much of a core (5)
  -o  append the raw results to this file
END
    exit 2
}

bench=$(cd "$(dirname "$0")" && pwd)
rounds=7 seconds=2 warmup=0.3 quiet=5 raw=/dev/null attempts=3
cells=() servers=()
while getopts c:s:n:t:w:q:o: flag; do
    case $flag in
    c) cells+=("$OPTARG") ;;
    s) servers+=("$OPTARG") ;;
    n) rounds=$OPTARG ;;
    t) seconds=$OPTARG ;;
    w) warmup=$OPTARG ;;
    q) quiet=$OPTARG ;;
    o) raw=$OPTARG ;;
    *) usage ;;
    esac
done
shift $((OPTIND - 1))
[[ $# -eq 0 && $rounds =~ ^[1-9][0-9]*$ ]] || usage
[[ ${#cells[@]} -gt 0 ]] || read -ra cells <<<'100,1,125 1000,1,125 100,16,125 1000,16,125 1,1,125 100,1,16384 10,1,1048576'
[[ ${#servers[@]} -gt 0 ]] || servers=(wsloop)
for cell in "${cells[@]}"; do
    [[ $cell =~ ^[0-9]+,[0-9]+,[0-9]+$ ]] || usage
done

# shellcheck source=common.sh
. "$bench/common.sh"
for spec in "${servers[@]}"; do
    resolve "$spec"
    [[ $name != epoll ]] || die "the epoll echo is always measured"
done
: >>"$raw"
build_c
for spec in "${servers[@]}"; do
    if [[ $spec == wsloop ]]; then
        build_wsloop
    fi
done

# one_round CELL: measures every server once, each in a fresh process; the lines
# go to $work/round.
one_round() {
    local conns outstanding payload line
    IFS=, read -r conns outstanding payload <<<"$1"
    : >"$work/round"
    for spec in epoll "${servers[@]}"; do
        resolve "$spec"
        start_server "${command[@]}"
        line=$(load -P "$server_pid" -c "$conns" -o "$outstanding" -b "$payload" \
            -t "$seconds" -w "$warmup") || die "$name failed at $1"
        end_child "$server_pid"
        echo "cell=$1 server=$name $line" >>"$work/round"
    done
}

# noisy: did anyone else use the processors during the last round?
noisy() {
    awk -v limit="$quiet" '
        { for (i = 1; i <= NF; i++) if (split($i, f, "=") == 2 && f[1] == "other_pct" && f[2] + 0 > limit) noisy = 1 }
        END { exit !noisy }' "$work/round"
}

: >"$work/kept"
for cell in "${cells[@]}"; do
    : >"$work/cell"
    for ((round = 1; round <= rounds; round++)); do
        for ((attempt = 1; ; attempt++)); do
            one_round "$cell"
            verdict=quiet
            if noisy; then
                verdict=noisy
            fi
            kept=yes
            if [[ $verdict == noisy && $attempt -lt $attempts ]]; then
                kept=no
            fi
            sed "s/^/round=$round attempt=$attempt verdict=$verdict kept=$kept /" "$work/round" >"$work/lines"
            cat "$work/lines" >>"$raw"
            if [[ $kept == yes ]]; then
                cat "$work/lines" >>"$work/cell"
                break
            fi
        done
    done
    awk -v header="$([[ $cell == "${cells[0]}" ]] && echo 1 || echo 0)" -f "$bench/summary.awk" "$work/cell"
done
