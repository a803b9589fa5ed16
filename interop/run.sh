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
# Debian keeps servers in /usr/sbin, which is not in everybody's PATH.
PATH=$PATH:/usr/sbin
command -v haproxy >/dev/null || install_packages haproxy
if ! command -v nginx >/dev/null || [ ! -e /usr/lib/nginx/modules/ngx_stream_module.so ]; then
    install_packages nginx libnginx-mod-stream
fi
build_server

with_servers ws node "$interop/node/ws.mjs"
with_servers undici node "$interop/node/undici.mjs"
# npm installs the one package that fits this platform.
with_servers bun "$interop"/node/node_modules/@oven/bun-linux-*/bin/bun "$interop/node/bun.mjs"
with_servers python "$python" -B "$interop/python/client.py"

# The Go clients run the engine in their own process; so do the tests of permessage-deflate, which start the others, and those behind
# HAProxy and nginx.
status=0
(
    cd "$interop"
    export INTEROP_RESULTS=$results
    export INTEROP_WS="node $interop/node/deflate-ws.mjs"
    export INTEROP_UNDICI="node $interop/node/deflate-undici.mjs"
    export INTEROP_BUN="$(echo "$interop"/node/node_modules/@oven/bun-linux-*/bin/bun) $interop/node/deflate-bun.mjs"
    export INTEROP_PYTHON="$python -B $interop/python/deflate.py"
    export INTEROP_PROXIES=1
    go test -count=1 ./...
) || status=$?
note go "$status"

failed=0
summary ws undici bun python gorilla coder gobwas || failed=1
summary --deflate ws undici bun python gorilla coder gws || failed=1
exit "$failed"
