#!/usr/bin/env bash
# The store tests start Redis servers of their own: installs Debian's package where there is none.
set -euo pipefail
command -v redis-server >/dev/null 2>&1 && exit 0
echo "installing redis-server (Debian's package) for the store tests"
if [ "$(id -u)" -eq 0 ]; then as_root=(); else as_root=(sudo); fi
if ! { "${as_root[@]}" apt-get update -qq &&
  DEBIAN_FRONTEND=noninteractive "${as_root[@]}" apt-get install -y -qq --no-install-recommends \
    redis-server >/dev/null; }; then
  echo "redis-server is needed by the tests and could not be installed; install it and run again" >&2
  exit 1
fi
# Debian starts a server of its own on install; the tests do not use it.
"${as_root[@]}" service redis-server stop >/dev/null 2>&1 || true
