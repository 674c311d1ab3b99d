#!/usr/bin/env bash
# What all recipes share: options, stages, and every stage after the manifest. Sourced by run.sh.
#
# A line `some_name=default #: help`, here or in run.sh, declares an option --some-name. A recipe
# reads the command line with `parse_options "$@"`, names its data with `use_dataset`, runs its own
# stages 0 and 1 with `run_stage`, and ends with `run_shared_stages`. One of a dataset that can be
# downloaded names that with `use_release`, and ends with `run_release_stages`.

stage=0       #: first stage to run
stop_stage=7  #: last stage to run
folds=        #: test folds, as "1 2"; without it, all that the shards (or runs) hold
config=       #: experiment file, seen from the recipe's folder
set=          #: values laid over it, as "key.path=value …"
name=         #: name of the experiment's folder below exp/
work_dir=     #: folder for data/, shards/ and exp/; without it, the recipe's own
manifest=     #: file for the list of clips; without it, named after the data in data/
pretrain=     #: none, a recipe or manifest to pre-train on, or a checkpoint to start from
pretrain_data_dir= #: folder of that recipe's release; without it, its stage 0 downloads one
pretrain_set= #: values laid over --set for the pre-training alone
results=      #: folder whose RESULTS.md and EXPERIMENTS.md keep every score
data_dir=     # folder of the release, an option where there is one
data_licence= # of the recordings, for the model card
folds_known=  # how many folds the dataset has, where the shards may hold fewer

caller_dir=$PWD
recipe_dir=$(cd "$(dirname "$0")" && pwd)
recipe=$(basename "$recipe_dir")
tools_dir=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
source "$tools_dir/launch.sh"

die() { # MESSAGE: an error of the user's
  echo "$recipe/run.sh: $*" >&2
  exit 2
}

declared_options() { # one a line: --some-name help
  sed -n 's/^\([a-z_]*\)=.*#: /\1 /p' "$tools_dir"/{stages,launch}.sh "$recipe_dir/run.sh" |
    awk '{gsub("_", "-", $1); print "--" $0}'
}

print_help() {
  sed -n '2,/^[^#]/s/^# \{0,1\}//p' "$recipe_dir/run.sh"
  printf '\nOptions:\n'
  declared_options | while read -r flag help; do printf '  %-20s %s\n' "$flag" "$help"; done
}

unknown_option() { # FLAG
  local near
  near=$("${PYTHON:-python3}" -c 'import difflib, sys
print(*difflib.get_close_matches(sys.argv[1], sys.argv[2].split(), 1, 0.5))' \
    "$1" "$(declared_options | cut -d " " -f 1)") || near=
  die "unknown option $1; ${near:+did you mean $near? }all options: --help"
}

parse_options() { # ARGUMENT…: `--some-name VALUE` or `--some-name=VALUE` sets `some_name`
  local flag variable
  export ASCLF_COMMAND="bash egs/$recipe/run.sh ${*@Q}" # what a score says about its origin
  while (($#)); do
    flag=${1%%=*}
    if [[ $flag == --help || $flag == -h ]]; then print_help && exit 0; fi
    [[ $flag == --* ]] || die "'$1' is no option; options are written like --stage 3"
    declared_options | grep -q -- "^$flag " || unknown_option "$flag"
    variable=$(tr - _ <<<"${flag#--}")
    if [[ $1 == *=* ]]; then
      printf -v "$variable" %s "${1#*=}"
    else
      [[ $# -gt 1 && $2 != --* ]] || die "$flag needs a value"
      printf -v "$variable" %s "$2" && shift
    fi
    shift
  done
  check_options
}

check_options() {
  [[ $stage =~ ^[0-7]$ && $stop_stage =~ ^[0-7]$ ]] || die "a stage is a number from 0 to 7"
  [[ $folds =~ ^[0-9\ ]*$ ]] || die "--folds '$folds' is no list of numbers"
  check_launch
  check_pretrain
  given_work_dir=$(from_caller "$work_dir")
  work_dir=${given_work_dir:-$recipe_dir}
}

check_pretrain() {
  [[ $pretrain != none ]] || pretrain=
  if [[ -n $pretrain ]] && ! is_recipe "$pretrain"; then
    pretrain=$(from_caller "$pretrain")
    [[ -e $pretrain ]] || die "--pretrain: $pretrain is not there, and no recipe has that name"
  fi
}

is_recipe() { # NAME
  [[ -f $recipe_dir/../$1/run.sh ]]
}

from_caller() { # PATH: the same, as seen from where the recipe was called, if it is given at all
  if [[ -z $1 || $1 == /* ]]; then echo "$1"; else echo "$caller_dir/$1"; fi
}

use_dataset() { # NAME: sets up, reads the configuration, and says where everything is
  local setting
  source "$tools_dir/setup.sh"
  cd "$recipe_dir" || exit
  read -ra overrides <<<"$set train.engine=$engine"
  sample_rate=$(asclf config show "$config" "${overrides[@]}" | awk '$1 == "sample_rate" {print $2}')
  manifest=$(from_caller "${manifest:-$work_dir/data/$1.jsonl}")
  shards=$work_dir/shards/$1_$sample_rate
  setting=$(basename "$config" .yaml)
  [[ $setting == "$1"* ]] || setting=$1_$setting
  exp=$work_dir/exp/${name:-$setting${pretrain:+_from_$(basename "$pretrain" .jsonl)}}
}

use_release() { # FOLDER FILE ARGUMENT…: the release is data/FOLDER, or --data-dir, and has that file
  release=$(from_caller "${data_dir:-$work_dir/data/$1}")
  release_file=$release/$2
  list_arguments=("${@:3}") # the recipe's own, for its local/prepare.py
}

asclf() {
  "$PYTHON" -m asclf.cli.main "$@"
}

run_stage() { # NUMBER TITLE COMMAND…: where it is asked for; logged and timed
  local number=$1 title=$2 log="$exp/log/stage$1$of_node.log" start=$SECONDS status
  shift 2
  ((stage <= number && number <= stop_stage)) || return 0
  mkdir -p "$exp/log"
  echo "== stage $number: $title"
  set +e # a command that is tested for failure would run on after its own failures
  (set -e && "$@") </dev/null 2>&1 | tee "$log"
  status=${PIPESTATUS[0]}
  set -e
  echo "== stage $number: $((SECONDS - start)) s, status $status" | tee -a "$log"
  ((status == 0)) || exit "$status"
}

needs() { # FILE NUMBER: stops, unless the file (or one of that pattern) is there
  [[ -e $1 ]] || compgen -G "$1" >/dev/null ||
    die "$1 is missing, which stage $2 makes; run with --stage $2"
}

fetch_release() {
  if [[ -n $data_dir ]]; then
    echo "nothing to do: the release is in $release"
  else
    "$PYTHON" local/prepare.py download --out "$release"
  fi
}

list_release() {
  needs "$release_file" 0
  "$PYTHON" local/prepare.py manifest --data-dir "$release" --out "$manifest" "${list_arguments[@]}"
}

make_shards() {
  needs "$manifest" 1
  asclf shard "$manifest" "$shards" --sample-rate "$sample_rate"
}

pre_train() {
  local values
  if [[ -z $pretrain ]]; then
    echo "nothing to do: no --pretrain is asked for"
  elif ! pre_trains_here; then
    echo "nothing to do: training starts from $pretrain"
  else
    make_pretraining_shards
    read -ra values <<<"$pretrain_set"
    train "$exp/pretrain" "data.shards=$exp/pretrain/shards" "${overrides[@]}" "${values[@]}"
  fi
}

make_pretraining_shards() { # several machines share one folder, and must not write it all at once
  local clips=$pretrain
  if ((nnodes > 1)); then
    [[ -e $exp/pretrain/shards/index.json ]] ||
      die "$exp/pretrain/shards is missing; make it on one machine: --stage 3 --stop-stage 3 without --nnodes, stopped when training begins"
    return
  fi
  needs "$manifest" 1
  if is_recipe "$pretrain"; then
    clips=$exp/pretrain/$pretrain.jsonl
    bash "../$pretrain/run.sh" --stop-stage 1 --name pretrain --manifest "$clips" \
      ${given_work_dir:+--work-dir "$given_work_dir"} \
      ${pretrain_data_dir:+--data-dir "$(from_caller "$pretrain_data_dir")"}
  fi
  asclf shard "$clips" "$exp/pretrain/shards" --sample-rate "$sample_rate" --without "$manifest"
}

pre_trains_here() { # whether stage 3 trains; otherwise there is a checkpoint, or nothing
  [[ -n $pretrain ]] && { is_recipe "$pretrain" || [[ $pretrain == *.jsonl ]]; }
}

folds_in_shards() {
  "$PYTHON" -c 'import pathlib, sys
from asclf.data.shard_index import ShardIndex
print(*ShardIndex.load(pathlib.Path(sys.argv[1])).folds)' "$shards"
}

fine_tune() {
  local left_out=$folds start=() weights=$pretrain
  needs "$shards/index.json" 2
  if pre_trains_here; then
    weights=$exp/pretrain/all
    needs "$weights/final.safetensors" 3
  fi
  [[ -z $weights ]] || start=("init.checkpoint=$weights" init.strict=false "init.drop=[head]")
  left_out=${left_out:-$(folds_in_shards)} # none where the dataset has a split
  train "$exp" ${left_out:+--folds "$left_out"} "data.shards=$shards" "${overrides[@]}" "${start[@]}"
}

score_runs() {
  local missing
  missing=$(cat "${manifest%.jsonl}.missing" 2>/dev/null) || missing=
  needs "$exp/*/final.safetensors" 4
  asclf score "$exp" ${folds:+--folds "$folds"} ${results:+--results "$results"} \
    ${folds_known:+--official-folds "$folds_known"} ${missing:+--missing "$missing"}
}

export_model() {
  needs "$exp/*/final.safetensors" 4
  asclf export "$exp" --onnx --name "$(basename "$exp")" \
    ${data_licence:+--data-licence "$data_licence"}
}

benchmark_model() {
  needs "$exp/bundle/bundle.json" 6
  asclf bench "$exp/bundle" --json "$exp/bench.json"
  needs "$exp/report.json" 5
  "$PYTHON" "$tools_dir/results_table.py" "$exp"
}

run_shared_stages() {
  run_stage 2 shard make_shards
  run_stage 3 pre-train pre_train
  run_stage 4 fine-tune fine_tune
  run_stage 5 score score_runs
  run_stage 6 export export_model
  run_stage 7 benchmark benchmark_model
}

run_release_stages() {
  run_stage 0 download fetch_release
  run_stage 1 manifest list_release
  run_shared_stages
}
