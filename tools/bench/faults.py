"""Runs every test that kills, cuts or fills something, and counts what came of them.

    python tools/bench/faults.py --json docs/measured/faults.json
    python tools/bench/faults.py --json docs/measured/faults.json tests/unit/train/test_kill.py

With files, these alone are run anew, and the other lines of the table stay. A test's name is its
line in the table; one that does something more than once says how often by
`record_property("faults", n)`.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from operator import itemgetter
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from _timing import report

ROOT = Path(__file__).parents[2]
TITLE = "Faults brought about on purpose: how often, and what the tests said"


def main() -> int:
    """Runs the tests, shows the table, and writes it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path, required=True, metavar="FILE")
    parser.add_argument("tests", nargs="*", metavar="TEST.py", help="as seen from the project")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        cases = run_tests(Path(folder) / "results.xml", options.tests)
    found = [*rows(cases), *kept(options.json, options.tests)]
    report(TITLE, sorted(found, key=itemgetter("test", "fault")), options.json)
    return 0


def run_tests(results: Path, files: Sequence[str]) -> Sequence[ElementTree.Element]:
    """Runs the tests with the marker `fault`, of all files or some; pytest's account of each."""
    command = [sys.executable, "-m", "pytest", *files, "-m", "fault", f"--junitxml={results}"]
    subprocess.run([*command, "-o", "junit_family=xunit1"], cwd=ROOT, check=False)
    return list(ElementTree.parse(results).iter("testcase"))


def kept(path: Path, files: Sequence[str]) -> Sequence[Mapping[str, Any]]:
    """The lines of the table so far that are of other files; none where all are run."""
    if not files:
        return []
    return [row for row in json.loads(path.read_text())["rows"] if row["test"] not in files]


def rows(cases: Sequence[ElementTree.Element]) -> Iterator[Mapping[str, Any]]:
    """A line for each test, its cases taken together."""
    groups: dict[tuple[str, str], list[ElementTree.Element]] = {}
    for case in cases:
        name = case.attrib["name"].partition("[")[0]
        groups.setdefault((case.attrib["file"], name), []).append(case)
    for (file, name), group in groups.items():
        outcomes = [outcome(case) for case in group]
        yield {
            "fault": name.removeprefix("test_").replace("_", " "),
            "test": file,
            "times": sum(map(times, group)),
            "passed": outcomes.count("passed"),
            "failed": outcomes.count("failed"),
            "skipped": outcomes.count("skipped"),
        }


def outcome(case: ElementTree.Element) -> str:
    """Passed, failed or skipped."""
    if case.find("skipped") is not None:
        return "skipped"
    broken = any(case.find(name) is not None for name in ("failure", "error"))
    return "failed" if broken else "passed"


def times(case: ElementTree.Element) -> int:
    """How many faults a case brought about: what it says, or one; none where it was skipped."""
    if outcome(case) == "skipped":
        return 0
    properties = {each.attrib["name"]: each.attrib["value"] for each in case.iter("property")}
    return int(properties.get("faults", 1))


if __name__ == "__main__":
    sys.exit(main())
