#!/bin/sh
# Plants the bugs of testdata/mutants, one at a time, in a copy of the module, and expects a test to find each.
# usage: mutants.sh [NAME...], of patches without their ending; all of them if none is named
#
# A patch begins with a line that says what is wrong, and one with what go test takes to find it:
#	test: ./poller/sim -run TestPromises$
# A third line, "hangs", says that running into the time limit is how it is found.
set -euf
cd "$(dirname "$0")/.."
patches=$PWD/scripts/testdata/mutants
limit=5m # also where the machine has much else to do
copy=$(mktemp -d)
trap 'rm -rf "$copy"' EXIT
trap 'exit 1' HUP INT TERM
git ls-files -z | tar -c --null -T - | tar -x -C "$copy"
export GIT_CEILING_DIRECTORIES="$copy" # so that git apply looks for no repository above
ulimit -v 8388608 2>/dev/null || true   # a bug may be one that takes memory for ever
cd "$copy"
[ $# -gt 0 ] || set -- $(ls "$patches" | sed -n 's/\.patch$//p')

# run runs the test of a patch, and leaves what it says in out.
run() { go test -vet=off -timeout "$limit" $1 >out 2>&1; }

# verdict says what became of the bug, given that the test failed.
verdict() {
	if grep -q '\[build failed\]\|\[setup failed\]' out; then
		echo "DOES NOT COMPILE"
	elif grep -q '^panic: test timed out' out; then
		if grep -qx hangs "$1"; then echo "caught by the time limit"; else echo "HANGS"; fi
	else
		echo "caught by $(sed -n 's/^--- FAIL: \([^ ]*\).*/\1/p' out | sed -n 1p)"
	fi
}

# Without a bug the tests have to pass, or their failure would say nothing.
for name; do sed -n 's/^test: //p' "$patches/$name.patch"; done | sort -u >tests
while read -r test; do
	if ! run "$test" </dev/null || grep -q 'no tests to run\|no test files' out; then
		cat out
		echo "go test $test fails, or finds no test, where no bug was planted"
		exit 1
	fi
done <tests

survived=0
for name; do
	patch=$patches/$name.patch
	if ! git apply "$patch" 2>out; then
		found="DOES NOT APPLY"
	else
		if run "$(sed -n 's/^test: //p' "$patch")"; then found=SURVIVES; else found=$(verdict "$patch"); fi
		git apply -R "$patch"
	fi
	printf '%-28s %-34s %s\n' "$name" "$found" "$(sed -n 1p "$patch")"
	case $found in "caught by "*) ;; *) survived=$((survived + 1)) ;; esac
done
echo "$# bugs planted, $survived not caught"
[ "$survived" -eq 0 ]
