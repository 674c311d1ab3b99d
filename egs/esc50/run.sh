#!/usr/bin/env bash
# ESC-50 and ESC-10: from the official release to a scored, exported and benchmarked model.
#
#   bash egs/esc50/run.sh --subset esc10
#   bash egs/esc50/run.sh --subset esc10 --folds 1 --data-dir /data/ESC-50 --set "seed=0"
#   bash egs/esc50/run.sh --stage 5                   # what is done need not be done again
#
# Stages: 0 download · 1 manifest · 2 shard · 3 pre-train · 4 fine-tune (one model per fold)
#         5 score (all folds pooled) · 6 export · 7 benchmark
set -euo pipefail
source "$(dirname "$0")/../../tools/stages.sh"

subset=esc50 #: esc10 (10 classes) or esc50
data_dir=    #: folder of the release; without it, stage 0 downloads the release
results=.
folds_known=5
data_licence="CC BY-NC 3.0 (ESC-50, Piczak 2015)"
parse_options "$@"
[[ $subset == esc10 || $subset == esc50 ]] || die "--subset is esc10 or esc50, not '$subset'"
config=${config:-conf/${subset}_small.yaml}
use_dataset "$subset"
use_release ESC-50 meta/esc50.csv --subset "$subset"
run_release_stages
