#!/usr/bin/env bash
# Several Ray nodes on one machine: a head that takes no work, and N nodes of CPUS CPUs and GPUS GPUs.
#
#   eval "$(cluster/local.sh start [N] [CPUS] [GPUS])"    start, and point this shell at it
#   cluster/local.sh stop                                 end what `start` started, and nothing else
#
# Everything listens on 127.0.0.1 and asks for a token, which lies in $TTS_RAY_CLUSTER (0600).
set -euo pipefail

folder="${TTS_RAY_CLUSTER:-/tmp/tts_ray-cluster-$(id -u)}"
port="${TTS_RAY_PORT:-6390}"
export RAY_AUTH_MODE=token RAY_AUTH_TOKEN_PATH="$folder/token"
# An engine without a GPU must see none.
export RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO=1 RAY_USAGE_STATS_ENABLED=0

# Start one node in the background; it ends its own processes when it is asked to stop.
node() {
  nohup ray start --block --node-ip-address=127.0.0.1 --min-worker-port=0 --max-worker-port=0 \
    "$@" >>"$folder/log" 2>&1 </dev/null &
  echo $! >>"$folder/pids"
}

start() {
  if [ -e "$folder/pids" ]; then
    echo "a cluster is in $folder already; stop it first" >&2
    exit 1
  fi
  (umask 077 && mkdir -p "$folder" && head -c 32 /dev/urandom | od -An -tx1 | tr -d ' \n' >"$folder/token")
  local nodes="${1:-2}" cpus="${2:-1}" gpus="${3:-0}"
  node --head --port="$port" --num-cpus=0 --num-gpus=0 --temp-dir="$folder" --dashboard-host=127.0.0.1 \
    --dashboard-port=$((port + 1)) --dashboard-agent-listen-port=0 \
    --system-config='{"enable_metrics_collection": false, "enable_open_telemetry": false}'
  wait_for 1
  # One after the other: of nodes that start at the same moment one was seen to wait in vain.
  for at in $(seq "$nodes"); do
    node --address="127.0.0.1:$port" --num-cpus="$cpus" --num-gpus="$gpus" --dashboard-agent-listen-port=0
    wait_for $((at + 1))
  done
  echo "export RAY_AUTH_MODE=token RAY_AUTH_TOKEN_PATH=$folder/token RAY_ADDRESS=127.0.0.1:$port"
}

# Wait until so many nodes are up, which each says in the log.
wait_for() {
  for _ in $(seq 300); do
    if [ "$(grep -c 'will now block forever' "$folder/log")" -ge "$1" ]; then
      return
    fi
    sleep 0.2
  done
  echo "the cluster did not come up:" >&2
  tail -n 5 "$folder/log" >&2
  stop
  exit 1
}

stop() {
  if [ ! -e "$folder/pids" ]; then
    echo "no cluster in $folder" >&2
    return
  fi
  # The nodes first and the head last.
  tac "$folder/pids" | while read -r pid; do
    kill -TERM "$pid" 2>/dev/null || true
    for _ in $(seq 100); do
      kill -0 "$pid" 2>/dev/null || break
      sleep 0.2
    done
    kill -KILL "$pid" 2>/dev/null || true
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
