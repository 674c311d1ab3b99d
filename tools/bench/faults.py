"""Runs every test that kills, cuts or fills something, and counts what came of them.

    python tools/bench/faults.py --json docs/measured/faults.json

A test's name is its line in the table. One that does something more than once says how often by
`record_property("faults", n)`.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from xml.etree import ElementTree

from _timing import report

ROOT = Path(__file__).parents[2]
TITLE = "Faults brought about on purpose: how often, and what the tests said"


def main() -> int:
    """Runs the tests, shows the table, and writes it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path, required=True, metavar="FILE")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        cases = run_tests(Path(folder) / "results.xml")
    report(TITLE, list(rows(cases)), options.json)
    return 0


def run_tests(results: Path) -> Sequence[ElementTree.Element]:
    """Runs all tests with the marker `fault`; gives pytest's account of each."""
    command = [sys.executable, "-m", "pytest", "-m", "fault", f"--junitxml={results}"]
    subprocess.run([*command, "-o", "junit_family=xunit1"], cwd=ROOT, check=False)
    return list(ElementTree.parse(results).iter("testcase"))


def rows(cases: Sequence[ElementTree.Element]) -> Iterator[Mapping[str, object]]:
    """A line for each test, its cases taken together, in the order of their files."""
    groups: dict[tuple[str, str], list[ElementTree.Element]] = {}
    for case in cases:
        groups.setdefault((case.attrib["file"], case.attrib["name"].partition("[")[0]), []).append(
            case
        )
    for (file, name), group in sorted(groups.items()):
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
