# Sourced by the start programs of the peers: a folder of their own, free ports, and the end of
# all that was started. Expects a peer's folder as the working directory.
set -euo pipefail

folder=$(mktemp -d "${TMPDIR:-/tmp}/tollgate-peer-XXXXXX")
pids=()

# Ends what was started, the last first, each by its pid.
end_all() {
  trap '' TERM INT
  for ((i = ${#pids[@]} - 1; i >= 0; i--)); do kill "${pids[i]}" 2>/dev/null || :; done
  wait
  rm -rf "$folder"
}
trap end_all EXIT
trap 'exit 0' TERM INT

# The exit code of test runners for "skipped".
not_installed() {
  echo "$1" >&2
  exit 77
}

# Sets each of the variables named to a port that was free a moment ago.
free_ports() {
  read -r "$@" < <(node -e '
    const servers = process.argv.slice(1).map(() => require("net").createServer());
    let waiting = servers.length;
    const print = () => {
      if (--waiting > 0) return;
      console.log(servers.map((server) => server.address().port).join(" "));
      for (const server of servers) server.close();
    };
    for (const server of servers) server.listen(0, "127.0.0.1", print);
  ' "$@")
}

# Starts a program; what it prints is kept for the case that it fails.
run() {
  "$@" >>"$folder/log" 2>&1 &
  pids+=($!)
}

# Waits until the program that was started last listens on a port of 127.0.0.1. (To connect is no
# test: a client can be given the very port that it asks for.) The bench has the deadline.
accepts() {
  local listening
  listening=$(printf ' 0100007F:%04X 00000000:0000 0A ' "$1")
  until grep -q "$listening" /proc/net/tcp; do
    kill -0 "${pids[-1]}" 2>/dev/null || failed
    sleep 0.05
  done
}

failed() {
  tail -n 20 "$folder/log" >&2
  exit 1
}

# Stays until one of the programs ends, which none should before SIGTERM.
stay() {
  wait -n "${pids[@]}" || :
  failed
}
