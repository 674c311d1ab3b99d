# How training is started: in one process, or by torchrun in several, on one machine or more. Sourced
# by stages.sh; a line `some_name=default #: help` declares an option there.
# shellcheck shell=bash disable=SC2034,SC2154  # what stages.sh sets, and what it reads

nproc=1       #: training processes on this machine
engine=torch  #: what runs the training steps: torch, ddp or deepspeed
nnodes=1      #: machines that train together
node_rank=0   #: this machine's number among them, from 0
master_addr=  #: name or address of machine 0, as the others reach it
master_port=29500 #: a port of it that is free
of_node=      # in the names of this machine's logs, where it is not machine 0

check_launch() {
  local option
  for option in nproc nnodes master_port; do
    [[ ${!option} =~ ^[1-9][0-9]*$ ]] || die "--${option//_/-} ${!option} is no number from 1 on"
  done
  if [[ ! $node_rank =~ ^[0-9]+$ ]] || ((node_rank >= nnodes)); then
    die "--node-rank $node_rank: with --nnodes $nnodes it is a number below that"
  fi
  ((node_rank == 0)) || of_node=_node$node_rank
  ((nproc * nnodes == 1)) || [[ $engine != torch ]] ||
    die "--nproc $nproc --nnodes $nnodes: --engine torch is one process; take ddp or deepspeed"
  ((nnodes == 1)) || [[ -n $master_addr ]] ||
    die "--nnodes $nnodes: --master-addr is missing, the address of machine 0"
  ((nnodes == 1 || (stage >= 3 && stop_stage <= 4))) ||
    die "--nnodes $nnodes: several machines only train; run with --stage 3 --stop-stage 4 on each, and the other stages on one of them"
}

train() { # EXP ARGUMENT…: in as many processes as are asked for
  local launcher=()
  if ((nnodes > 1)); then
    launcher=(--nnodes "$nnodes" --node-rank "$node_rank"
      --master-addr "$master_addr" --master-port "$master_port")
  elif ((nproc > 1)); then
    launcher=(--standalone)
  fi
  ((nproc * nnodes == 1)) || launcher=(-m torch.distributed.run --nproc-per-node "$nproc" "${launcher[@]}")
  "$PYTHON" "${launcher[@]}" -m asclf.cli.main train --config "$config" --exp "$1" --resume "${@:2}"
}
