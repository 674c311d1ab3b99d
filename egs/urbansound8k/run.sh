#!/usr/bin/env bash
# UrbanSound8K: from the official release to a scored, exported and benchmarked model.
#
#   bash egs/urbansound8k/run.sh
#   bash egs/urbansound8k/run.sh --folds "1 2" --data-dir /data/UrbanSound8K --config conf/tdnn.yaml
#
# Stages: 0 download · 1 manifest · 2 shard · 3 pre-train · 4 fine-tune (one model per fold)
#         5 score (all folds pooled) · 6 export · 7 benchmark
set -euo pipefail
source "$(dirname "$0")/../../tools/stages.sh"

data_dir= #: folder of the release; without it, stage 0 downloads the release
config=conf/spectromasknet_small.yaml
results=.
folds_known=10
data_licence="CC BY-NC 3.0 (UrbanSound8K, Salamon et al. 2014)"
parse_options "$@"
use_dataset urbansound8k
use_release UrbanSound8K metadata/UrbanSound8K.csv
run_release_stages
