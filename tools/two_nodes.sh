#!/usr/bin/env bash
# Trains the recipe of generated sounds on two machines, both of them network namespaces of this one.
#
#   bash tools/two_nodes.sh WORK_DIR [ddp|deepspeed]
#
# Needs Linux, root and `ip` (iproute2): each namespace is a network of its own, and all they share is
# a virtual cable and WORK_DIR. Prepares the data if it is not there; ends with status 77 where making
# namespaces is not permitted.
set -euo pipefail

work_dir=$(realpath -m "${1:?a folder to work in}")
engine=${2:-ddp}
run_sh=$(cd "$(dirname "${BASH_SOURCE[0]}")/../egs/synth" && pwd)/run.sh
nodes=("asclf$$a" "asclf$$b")
recipe=(bash "$run_sh" --work-dir "$work_dir" --clips-per-class 8 --folds 1
  --set "train.epochs=2 train.average_last=1 data.num_workers=0")

clean_up() {
  local node
  for node in "${nodes[@]}"; do ip netns delete "$node" 2>/dev/null || true; done
}

lay_cable() {
  local i
  for i in 0 1; do ip netns add "${nodes[i]}" || return; done
  ip link add "${nodes[0]}" netns "${nodes[0]}" type veth peer name "${nodes[1]}" netns "${nodes[1]}" || return
  for i in 0 1; do
    ip -n "${nodes[i]}" address add "10.77.0.$((i + 1))/24" dev "${nodes[i]}" || return
    ip -n "${nodes[i]}" link set "${nodes[i]}" up || return
    ip -n "${nodes[i]}" link set lo up || return
  done
}

train_on() { # NODE: in its own network alone
  GLOO_SOCKET_IFNAME=${nodes[$1]} ip netns exec "${nodes[$1]}" "${recipe[@]}" \
    --stage 4 --stop-stage 4 --engine "$engine" \
    --nnodes 2 --node-rank "$1" --master-addr 10.77.0.1
}

trap clean_up EXIT
lay_cable || exit 77
"${recipe[@]}" --stop-stage 2
train_on 1 &
train_on 0
wait $!
