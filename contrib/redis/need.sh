#!/usr/bin/env bash
# Installs redis-server, which the tests start, if it is missing.
set -eu
interop=$(cd "$(dirname "$0")/../../interop" && pwd)
# shellcheck source=../../interop/common.sh
. "$interop/common.sh"
command -v redis-server >/dev/null || install_packages redis-server
