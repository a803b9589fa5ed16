#!/bin/sh
# Runs every fuzz target of this module and of the one in interop for a while, over committed inputs and what it finds.
# usage: fuzz.sh TIME, what go test takes for -fuzztime: 200000x inputs, or 10s
set -eu
time=${1:?usage: fuzz.sh TIME}
cd "$(dirname "$0")/.."
root=$PWD
for module in . interop; do
	cd "$root/$module"
	go list -f '{{if .TestGoFiles}}{{.Dir}}{{end}}' ./... | while read -r dir; do
		grep -hoE '^func Fuzz[A-Za-z0-9_]*' "$dir"/*_test.go 2>/dev/null | cut -d' ' -f2 | sort -u |
			while read -r target; do
				quota=$time
				# An input of this one is three clients and their server: it gets a twentieth.
				case $target:$time in FuzzConnections:*x) quota=$((${time%x} / 20))x ;; esac
				echo "fuzz $target in ${dir#"$root"/}"
				go test -run '^$' -fuzz "^$target\$" -fuzztime "$quota" "$dir"
			done
	done
done
