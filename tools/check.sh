#!/usr/bin/env bash
# The one gate: format, lint, types, import contracts, shell scripts. All of it runs, then it fails.
#
#   bash tools/check.sh [--fix]     --fix formats, and mends what ruff can mend
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
source tools/setup.sh

case "${1:-}" in
  --fix) ruff format . && ruff check --fix . ;;
  "") ;;
  *) echo "check: unknown argument '$1'; the only one is --fix" >&2 && exit 2 ;;
esac

failed=()
check() { # NAME COMMAND…
  local name=$1 && shift
  echo "== $name"
  "$@" || failed+=("$name")
}

mapfile -t scripts < <(git ls-files '*.sh' .ci/run)
check format ruff format --check .
check lint ruff check .
check types mypy
check imports lint-imports
check shell shellcheck --external-sources --source-path=SCRIPTDIR "${scripts[@]}"

if ((${#failed[@]})); then
  echo "check: failed: ${failed[*]}" >&2
  exit 1
fi
echo "check: all well"
