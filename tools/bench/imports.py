"""How long `import asclf` and `asclf --help` take as whole processes, and that no torch is loaded.

    python tools/bench/imports.py

`import asclf` is also given without the interpreter's own start, measured in the same rounds.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from statistics import median

from _timing import interleave, report

START, IMPORT, HELP = "python -c pass", "import asclf", "asclf --help"
COMMANDS = {
    START: ("-c", "pass"),
    IMPORT: ("-c", "import asclf"),
    HELP: ("-c", "from asclf.cli.main import main; main(['--help'])"),
}
HEAVY = "import sys, atexit; atexit.register(lambda: sys.stderr.write(str('torch' in sys.modules)))"


def main(argv: Sequence[str] | None = None) -> int:
    """Times the processes and reports."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--json", type=Path, default=Path("exp/bench/imports.json"))
    options = parser.parse_args(argv)
    cases = {name: partial(_run, *arguments) for name, arguments in COMMANDS.items()}
    medians = {name: median(times) for name, times in interleave(cases, options.rounds).items()}
    rows = [
        {
            "process": name,
            "median_ms": 1e3 * seconds,
            "without_start_ms": 1e3 * (seconds - medians[START]),
            "loads torch": _loads_torch(COMMANDS[name][1]),
        }
        for name, seconds in medians.items()
    ]
    report(f"Start-up, whole processes, {options.rounds} rounds", rows, options.json)
    return 0


def _run(*arguments: str) -> str:
    command = [sys.executable, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stderr


def _loads_torch(code: str) -> bool:
    return _run("-c", f"{HEAVY}; {code}").endswith("True")


if __name__ == "__main__":
    sys.exit(main())
