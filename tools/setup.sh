#!/usr/bin/env bash
# Finds the Python environment, or makes it. Sourced by the other scripts; can also be run by hand.
#
#   bash tools/setup.sh
#
# Where $PYTHON (default: python3) has asclf with its `train` extra, that environment is used as it
# is. Otherwise .venv is made in the project, once; a run that was cut off is taken up again.
# Sets and exports PYTHON, PATH (the environment's commands) and PYTHONPATH (this checkout first).
#
#   PYTHON       the interpreter to use, or to make .venv with (3.10 to 3.13)
#   ASCLF_TORCH  what to install as torch, in pip's words

ASCLF_ROOT="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"

setup_say() { echo "setup: $*" >&2; }

setup_has_asclf() { # PYTHON: not from the project folder, where asclf is importable by any Python
  (cd / && "$1" -c "import asclf, torch, torchaudio, webdataset") >/dev/null 2>&1
}

setup_new_enough() { # PYTHON
  "$1" -c "import sys; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 13))" 2>/dev/null
}

setup_interpreter() {
  local candidate
  for candidate in "${PYTHON:-python3}" python3.13 python3.12 python3.11 python3.10; do
    if setup_new_enough "$candidate"; then echo "$candidate" && return; fi
  done
  setup_say "no Python 3.10 to 3.13 found; name one: PYTHON=/path/to/python3.12 bash $0"
  return 1
}

setup_pip() { # LOG ARGUMENT…
  local log=$1 && shift
  "$venv/bin/python" -m pip install --disable-pip-version-check --progress-bar off "$@" \
    >>"$log" 2>&1 </dev/null && return
  setup_say "pip install $* failed; the end of $log:"
  tail -n 15 "$log" >&2
  return 1
}

# The newest torch on PyPI is a CUDA build of several GB. `==` also takes a local CPU build of that
# release (2.13.0+cpu) where pip is set up to find one, which is what a machine without a GPU wants;
# `===` takes the release as it is published, which is what a GPU wants.
setup_torch() {
  if nvidia-smi >/dev/null 2>&1; then echo "torch===2.13.0"; else echo "torch==2.13.0"; fi
}

# PyPI's torchaudio carries libraries linked to CUDA: beside a CPU build of torch they do not load,
# and the import fails. Only its Python part is needed, and it imports once they are gone.
setup_mend_torchaudio() {
  local python="$venv/bin/python" folder
  folder=$("$python" -c "import importlib.util as u; print(u.find_spec('torchaudio').submodule_search_locations[0])")
  if "$python" - "$folder" >/dev/null 2>&1 <<'PYTHON'; then return; fi
import pathlib, sys, torch, torchaudio
for library in pathlib.Path(sys.argv[1]).rglob("*.so"):
    torch.ops.load_library(str(library))
PYTHON
  setup_say "torchaudio does not load beside this torch: removing its $(find "$folder" -name '*.so' | wc -l) extension libraries; its Python part is all that is needed"
  find "$folder" -name '*.so' -delete
  "$python" -c "import torchaudio" || { setup_say "torchaudio still does not import" && return 1; }
}

# Published as source alone; none of its kernels are built, since asclf uses none. Only --engine
# deepspeed needs it, so a machine where it does not install does without.
setup_deepspeed() { # LOG
  DS_BUILD_OPS=0 setup_pip "$1" --editable "${ASCLF_ROOT}[deepspeed]" ||
    setup_say "DeepSpeed is left out: --engine deepspeed will not run here; all else will"
}

setup_make_venv() {
  local python log="$venv/setup.log"
  if [[ ! -x "$venv/bin/python" ]] || ! "$venv/bin/python" -m pip --version >/dev/null 2>&1; then
    python=$(setup_interpreter) || return 1
    "$python" -m venv --clear "$venv" || { setup_say "cannot make $venv" && return 1; }
  fi
  setup_say "installing into $venv (a few minutes; log: $log)"
  setup_pip "$log" "${ASCLF_TORCH:-$(setup_torch)}" || return 1
  setup_pip "$log" --no-deps torchaudio || return 1 # some releases would exchange torch for theirs
  setup_pip "$log" --editable "${ASCLF_ROOT}[train,export,plots,dev]" || return 1
  setup_mend_torchaudio || return 1
  setup_deepspeed "$log"
  cksum <"$ASCLF_ROOT/setup.py" >"$venv/complete"
}

setup_main() {
  local venv="$ASCLF_ROOT/.venv"
  if ! setup_has_asclf "${PYTHON:-python3}"; then
    if [[ "$(cat "$venv/complete" 2>/dev/null)" != "$(cksum <"$ASCLF_ROOT/setup.py")" ]]; then
      setup_make_venv || return 1
    fi
    PYTHON="$venv/bin/python"
  fi
  PYTHON="$("${PYTHON:-python3}" -c "import sys; print(sys.executable)")" # absolute
  PATH="$("$PYTHON" -c "import sysconfig; print(sysconfig.get_path('scripts'))"):$PATH"
  PYTHONPATH="$ASCLF_ROOT${PYTHONPATH:+:$PYTHONPATH}"
  export PYTHON PATH PYTHONPATH
}

setup_main
