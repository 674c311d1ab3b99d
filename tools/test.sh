#!/usr/bin/env bash
# Sets up, then runs the tests. Other arguments go to pytest.
#
#   bash tools/test.sh              the quick suite
#   bash tools/test.sh --full       all of it; real recordings are used where ASCLF_DATA names them
#   bash tools/test.sh -k registry
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
source tools/setup.sh

selection=(-m "not slow and not parity and not fault and not fuzz and not browser")
arguments=()
for argument in "$@"; do
  if [[ "$argument" == --full ]]; then selection=(); else arguments+=("$argument"); fi
done
exec "$PYTHON" -m pytest "${selection[@]}" "${arguments[@]}"
