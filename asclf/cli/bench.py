"""Measures a bundle on this machine: latency of front end and network, real-time factor, memory.

The measurement runs in a process of its own on seeded noise, after the bundle's golden vectors have
been checked.

Examples:
  asclf bench exp/esc10/bundle
  asclf bench exp/esc10/bundle --threads 2 --json exp/esc10/bench.json
"""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from pathlib import Path

from asclf.cli._parser import positive_int
from asclf.files import write_whole


def add_arguments(parser: ArgumentParser) -> None:
    """Declares the arguments."""
    parser.add_argument("bundle", type=Path, metavar="BUNDLE", help="the bundle's folder")
    parser.add_argument(
        "--threads", type=positive_int, default=1, metavar="N", help="for the network (default: 1)"
    )
    parser.add_argument(
        "--runs", type=positive_int, default=100, metavar="N", help="timed runs (default: 100)"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the result there as well")


def run(options: Namespace) -> int:
    """Runs the verb."""
    from rich.console import Console
    from rich.table import Table

    from asclf.edge.bench import benchmark

    result = benchmark(options.bundle, threads=options.threads, runs=options.runs)
    table = Table("step", "median ms", "95 % ms", box=None, pad_edge=False)
    for step in ("frontend", "network", "whole"):
        latency = getattr(result, step)
        table.add_row(step, f"{latency.p50_ms:.2f}", f"{latency.p95_ms:.2f}")
    Console().print(table)
    print(
        f"{result.name}: {result.model_bytes / 1e6:.2f} MB, {result.duration_s:g} s of sound in "
        f"{result.whole.p50_ms:.2f} ms (real-time factor {result.real_time_factor:.4f}), "
        f"peak memory {result.peak_rss_mb:.0f} MB, {result.threads} threads on {result.cpu}"
    )
    if options.json:
        write_whole(options.json, result.to_json())
    return 0
