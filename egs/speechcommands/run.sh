#!/usr/bin/env bash
# Speech Commands v2: from the official release to a scored, exported and benchmarked model.
#
#   bash egs/speechcommands/run.sh --task v2-35
#   bash egs/speechcommands/run.sh --task v2-12 --sampling-seed 1 --data-dir /data/speech_commands_v2
#
# Stages: 0 download · 1 manifest · 2 shard · 3 pre-train · 4 fine-tune (one model, on the split train)
#         5 score (the split test) · 6 export · 7 benchmark
set -euo pipefail
source "$(dirname "$0")/../../tools/stages.sh"

task=v2-35      #: v2-35 (every word) or v2-12 (ten words, _unknown_ and _silence_)
sampling_seed=0 #: for what is drawn for _unknown_ and _silence_ of v2-12
data_dir=       #: folder of the release; without it, stage 0 downloads the release
config=conf/spectromasknet_small.yaml
results=.
data_licence="CC BY 4.0 (Speech Commands v2, Warden 2018)"
parse_options "$@"
dataset=speechcommands_$task
case $task in
  v2-35) ;;
  v2-12) dataset+=_seed$sampling_seed ;; # another draw is another test
  *) die "--task is v2-35 or v2-12, not '$task'" ;;
esac
[[ $sampling_seed =~ ^[0-9]+$ ]] || die "--sampling-seed '$sampling_seed' is no number"
use_dataset "$dataset"
use_release speech_commands_v2 . --task "$task" --seed "$sampling_seed"
run_release_stages
