#!/usr/bin/env bash
# A small dataset of generated sounds, from nothing to a scored, exported and benchmarked model.
# It needs no download and a few minutes on two cores: a first look, and a check of an installation.
#
#   bash egs/synth/run.sh
#   bash egs/synth/run.sh --task multi
#   bash egs/synth/run.sh --stage 4 --folds 1 --set "train.epochs=2" --name short
#
# Stages: 0 generate · 1 manifest · 2 shard · 3 pre-train · 4 fine-tune · 5 score · 6 export
#         7 benchmark
set -euo pipefail
source "$(dirname "$0")/../../tools/stages.sh"

task=single        #: single (one sound in a clip) or multi (several that are heard together)
clips_per_class=20 #: clips to generate for each class
parse_options "$@"
case $task in
  single) dataset=synth audio=$work_dir/data/audio ;;
  multi) dataset=synth_multi audio=$work_dir/data/audio_multi ;;
  *) die "--task is single or multi, not '$task'" ;;
esac
config=${config:-conf/$dataset.yaml}
use_dataset "$dataset"

generate() {
  "$PYTHON" local/prepare.py audio --out "$audio" --task "$task" --clips-per-class "$clips_per_class"
}

list_clips() {
  needs "$audio" 0
  "$PYTHON" local/prepare.py manifest --audio "$audio" --out "$manifest"
}

run_stage 0 generate generate
run_stage 1 manifest list_clips
run_shared_stages
