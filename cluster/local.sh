#!/usr/bin/env bash
# Several Ray nodes on one machine: a head that takes no work, and N nodes of CPUS CPUs and GPUS GPUs.
#
#   eval "$(cluster/local.sh start [N] [CPUS] [GPUS])"    start, and point this shell at it
#   cluster/local.sh stop                                 end what `start` started, and nothing else
#
# Everything listens on 127.0.0.1 only and asks for a token. $TTS_RAY_CLUSTER, which only its owner may
# enter, holds the token, the process ids, and a folder of Ray's for each node.
set -euo pipefail

folder="${TTS_RAY_CLUSTER:-/tmp/tts_ray-cluster-$(id -u)}"
port="${TTS_RAY_PORT:-6390}"
export RAY_AUTH_MODE=token RAY_AUTH_TOKEN_PATH="$folder/token"
# An engine without a GPU must see none.
export RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO=1 RAY_USAGE_STATS_ENABLED=0
# What an earlier `start` exported to this shell would reach the nodes.
unset RAY_ADDRESS RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER
# Ray's sockets, which lie below this folder, may have names of 107 characters in all.
longest=34
# How long a node may take to start, in seconds.
patience=300

# Ray's servers bind to loopback only if the node's address is 127.0.0.1, and `ray start` puts the
# interface's address in its place. On Linux nothing but this variable turns that off, and `ray start`
# refuses to add a node while it is set: so it is set for what the node starts, not for the start itself.
loopback='
import os
from ray._private import services
from ray.scripts.scripts import main
services.resolve_ip_for_localhost = lambda host: host
os.environ["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"] = "0"
main()
'

# Start one node in the background, and wait until it says that it is up. It ends its own processes
# when it is asked to stop. Each node has a folder of its own: in a shared one, a node that unpacks a
# job's files would first delete those that the job's driver is running in.
node() {
  local name="$1"
  nohup python -c "$loopback" start --block --temp-dir="$folder/$name" --node-ip-address=127.0.0.1 \
    --min-worker-port=0 --max-worker-port=0 --dashboard-agent-listen-port=0 "${@:2}" \
    >>"$folder/$name.log" 2>&1 </dev/null &
  local pid=$! since=$SECONDS
  echo "$pid" >>"$folder/pids"
  until grep -qs 'will now block forever' "$folder/$name.log"; do
    if ! kill -0 "$pid" 2>/dev/null || [ $((SECONDS - since)) -ge "$patience" ]; then
      echo "the node '$name' did not come up:" >&2
      tail -n 5 "$folder/$name.log" >&2 || true
      stop
      exit 1
    fi
    sleep 0.2
  done
}

start() {
  if [ "${#folder}" -gt "$longest" ]; then
    echo "TTS_RAY_CLUSTER=$folder has ${#folder} characters, and Ray's sockets leave room for $longest" >&2
    exit 2
  fi
  # Made anew, so that nobody else owns it or holds a file in it open.
  if ! (umask 077 && mkdir "$folder"); then
    echo "is a cluster running there? '$0 stop' ends it" >&2
    exit 1
  fi
  trap 'stop; exit 130' INT TERM
  (umask 077 && head -c 32 /dev/urandom | od -An -tx1 | tr -d ' \n' >"$folder/token")
  local nodes="${1:-2}" cpus="${2:-1}" gpus="${3:-0}"
  node head --head --port="$port" --num-cpus=0 --num-gpus=0 --dashboard-host=127.0.0.1 \
    --dashboard-port=$((port + 1)) --ray-client-server-port=$((port + 2)) \
    --system-config='{"enable_metrics_collection": false, "enable_open_telemetry": false}'
  # One after the other: of nodes that start at the same moment one was seen to wait in vain.
  for at in $(seq "$nodes"); do
    node "$at" --address="127.0.0.1:$port" --num-cpus="$cpus" --num-gpus="$gpus"
  done
  # The last variable keeps Ray from putting the interface's address in the place of 127.0.0.1.
  echo "export RAY_AUTH_MODE=token RAY_AUTH_TOKEN_PATH=$folder/token RAY_ADDRESS=127.0.0.1:$port" \
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER=0"
}

# Whether a process is a node that was started with this folder, and not a later one with its number.
is_node() {
  ps -ww -o args= -p "$1" 2>/dev/null | grep -qF -- "--temp-dir=$folder/"
}

# Print a process and everything that descends from it.
family() {
  ps -eo pid=,ppid= | awk -v first="$1" '
    {parent[$1] = $2}
    END {for (pid in parent) for (p = pid; p > 1; p = parent[p]) if (p == first) {print pid; break}}'
}

# Wait up to 20 s until these processes have ended.
ended() {
  for _ in $(seq 100); do
    kill -0 "$@" 2>/dev/null || return 0
    sleep 0.2
  done
  return 1
}

stop() {
  if [ ! -O "$folder" ] || [ ! -e "$folder/token" ]; then
    echo "no cluster of yours in $folder" >&2
    return
  fi
  # The nodes first and the head last.
  local pid child
  for pid in $(tac "$folder/pids" 2>/dev/null); do
    is_node "$pid" || continue
    local children
    children="$(family "$pid")"
    kill -TERM "$pid" 2>/dev/null || true
    for child in $children; do
      ended "$child" || kill -KILL "$child" 2>/dev/null || true
    done
  done
  rm -rf "$folder"
}

case "${1:-}" in
start) start "${@:2}" ;;
stop) stop ;;
*)
  echo "usage: $0 start [NODES] [CPUS] [GPUS] | stop" >&2
  exit 2
  ;;
esac
