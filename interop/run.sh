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

# The Go clients run the engine in their own process.
status=0
(cd "$interop" && INTEROP_RESULTS=$results go test -count=1 ./...) || status=$?
note go "$status"

summary ws undici bun python gorilla coder gobwas
