#!/usr/bin/env bash
# Runs every client but the browser against the server. See README.md.
set -eu
interop=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=common.sh
. "$interop/common.sh"

# Debian's Python has Debian's websockets; another one in PATH would not.
python=${PYTHON:-/usr/bin/python3}

need_node
"$python" -c 'import websockets' 2>/dev/null || install_packages python3 python3-websockets
build_server

with_servers ws node "$interop/node/ws.mjs"
with_servers undici node "$interop/node/undici.mjs"
# npm installs the one package that fits this platform.
with_servers bun "$interop"/node/node_modules/@oven/bun-linux-*/bin/bun "$interop/node/bun.mjs"
with_servers python "$python" -B "$interop/python/client.py"

# The Go clients run the engine in their own process; so do the tests of permessage-deflate, which start the others.
status=0
(
    cd "$interop"
    export INTEROP_RESULTS=$results
    export INTEROP_WS="node $interop/node/deflate-ws.mjs"
    export INTEROP_UNDICI="node $interop/node/deflate-undici.mjs"
    export INTEROP_BUN="$(echo "$interop"/node/node_modules/@oven/bun-linux-*/bin/bun) $interop/node/deflate-bun.mjs"
    export INTEROP_PYTHON="$python -B $interop/python/deflate.py"
    go test -count=1 ./... && cd routers && go test -count=1 ./... # which is a module of its own
) || status=$?
note go "$status"

failed=0
summary ws undici bun python gorilla coder gobwas || failed=1
summary --deflate ws undici bun python gorilla coder gws || failed=1
exit "$failed"
