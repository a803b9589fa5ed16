#!/usr/bin/env bash
# Runs Debian's Chromium against the server, and Chromium and Firefox with permessage-deflate. See README.md. SCREENSHOTS names a directory
# for pictures of the page; by default they go to a new one, which is printed.
set -eu
interop=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=common.sh
. "$interop/common.sh"

need_node
command -v chromium >/dev/null || install_packages chromium fonts-dejavu-core
command -v firefox-esr >/dev/null || install_packages firefox-esr
build_server

SCREENSHOTS=${SCREENSHOTS:-$(mktemp -d "${TMPDIR:-/tmp}/wsloop-browser.XXXXXX")}
CHROMIUM=$(command -v chromium)
# Its profile goes away with the working directory.
PROFILE=$work/profile
export SCREENSHOTS CHROMIUM PROFILE

with_servers chromium node "$interop/node/chromium.mjs"
with_servers chromium/wss node "$interop/node/chromium.mjs"

# The page of -mode topics, in several tabs.
start_server topics
plain=$started_pid started_pid=
status=0
timeout -k 5 180 node "$interop/node/topics.mjs" "$started_url" || status=$?
end_server topics "$plain" || status=1
plain=
note topics "$status"

# The page that the load generator writes of a run, made up by a test.
(cd "$interop/.." && go test -count=1 ./cmd/wsloop/internal/report -run 'TestSamplePage$' -page "$work/report.html")
status=0
timeout -k 5 180 node "$interop/node/report.mjs" "$work/report.html" || status=$?
note report "$status"

status=0
(
    cd "$interop"
    INTEROP_RESULTS=$results INTEROP_CHROMIUM=$CHROMIUM INTEROP_FIREFOX=$(command -v firefox-esr) \
        go test -count=1 ./deflate -run 'TestPeers|TestSecure'
) || status=$?
note go "$status"

failed=0
summary chromium || failed=1
summary chromium/wss || failed=1
summary --deflate chromium firefox || failed=1
summary --secure chromium/wss firefox/wss || failed=1
exit "$failed"
