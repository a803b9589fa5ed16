#!/usr/bin/env bash
# Runs Debian's Chromium against the server. See README.md. SCREENSHOTS names a directory
# for pictures of the page; by default they go to a new one, which is printed.
set -eu
interop=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=common.sh
. "$interop/common.sh"

need_node
command -v chromium >/dev/null || install_packages chromium fonts-dejavu-core
build_server

SCREENSHOTS=${SCREENSHOTS:-$(mktemp -d "${TMPDIR:-/tmp}/wsloop-browser.XXXXXX")}
CHROMIUM=$(command -v chromium)
# Its profile goes away with the working directory.
PROFILE=$work/profile
export SCREENSHOTS CHROMIUM PROFILE

with_servers chromium node "$interop/node/chromium.mjs"
summary chromium
