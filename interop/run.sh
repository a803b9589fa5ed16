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

# npm installs the one package that fits this platform.
bun=$(echo "$interop"/node/node_modules/@oven/bun-linux-*/bin/bun)
clients="ws undici bun python"
for over in "" /wss; do
    with_servers ws$over node "$interop/node/ws.mjs"
    with_servers undici$over node "$interop/node/undici.mjs"
    with_servers bun$over "$bun" "$interop/node/bun.mjs"
    with_servers python$over "$python" -B "$interop/python/client.py"
done
# Node's own WebSocket came with versions 20.10 and 22; before 22 it has to be asked for.
if node --experimental-websocket -e '' 2>/dev/null; then
    for over in "" /wss; do with_servers node$over node --experimental-websocket "$interop/node/undici.mjs" node; done
    clients="$clients node"
else
    echo "interop: left out: this Node has no WebSocket of its own: $(node --version)"
fi

# The Go clients run the engine in their own process; so do the tests of permessage-deflate, which start the others, and those behind
# HAProxy and nginx.
status=0
(
    cd "$interop"
    export INTEROP_RESULTS=$results
    export INTEROP_WS="node $interop/node/deflate-ws.mjs"
    export INTEROP_UNDICI="node $interop/node/deflate-undici.mjs"
    export INTEROP_BUN="$bun $interop/node/deflate-bun.mjs"
    export INTEROP_PYTHON="$python -B $interop/python/deflate.py"
    export INTEROP_PROXIES=1
    go test -count=1 ./... && cd routers && go test -count=1 ./... # which is a module of its own
) || status=$?
note go "$status"

failed=0
# shellcheck disable=SC2086
summary $clients gorilla coder gobwas || failed=1
# shellcheck disable=SC2046,SC2086
summary $(printf '%s/wss ' $clients gorilla coder gobwas) || failed=1
summary --deflate ws undici bun python gorilla coder gws || failed=1
summary --secure ws/wss undici/wss bun/wss python/wss gorilla/wss coder/wss gobwas/wss gws/wss || failed=1
exit "$failed"
