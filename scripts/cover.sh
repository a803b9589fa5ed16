#!/bin/sh
# Runs the tests and fails where they leave more statements out than a package may: none of a parser, a twentieth of the rest.
# What only one system, or only a tag, compiles in is counted as compiled here.
set -eu
cd "$(dirname "$0")/.."
go=${GO:-go}
profile=$(mktemp)
trap 'rm -f "$profile"' EXIT
trap 'exit 1' HUP INT TERM
$go test -timeout 30m -coverprofile="$profile" -coverpkg=./mask,./codec/...,./handshake/...,./poller,./poller/sim,./poller/tlsdriver,./poller/proxydriver,./poller/gnetdriver,./engine,./engine/internal/...,./internal/...,./contrib/internal/bridge,./wstest,./cmd/wsloop/internal/... ./... >/dev/null
awk -v module="$($go list -m)" '
	function least(p) { return p ~ /^(codec|codec\/utf8|codec\/deflate|handshake|engine\/internal\/(route|topic)|internal\/topics)$/ ? 100 : 95 }
	$1 != "mode:" {
		statements[$1] = $2
		if ($3 > 0) covered[$1] = 1
	}
	END {
		for (block in statements) {
			p = substr(block, length(module) + 2)
			sub(/\/[^\/]*$/, "", p)
			all[p] += statements[block]
			if (block in covered) run[p] += statements[block]
		}
		for (p in all) {
			low = 100 * run[p] < least(p) * all[p]
			failed = failed || low
			printf "%-32s %6d statements  %6.2f %%  at least %d%s\n", p, all[p], 100 * run[p] / all[p], least(p), low ? ": TOO LOW" : "" | "sort"
		}
		close("sort")
		exit failed
	}' "$profile"
