"""Clips a second of two processes on a core each, against one process on one core.

    python tools/bench/scaling.py --model spectromasknet_small --engines ddp zero1 --rounds 5

A step is features, forward, backward, exchange and optimizer on clips from memory; decoding is not
in it. All runs stand by at once, each process pinned to its core with one thread, and take turns of
a few steps, so that a slow spell of the machine falls on all of them. Where `cores_used` is well
below the number of processes, something else was using the cores. Ends with the resident memory
that a process needs to train a larger network.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import median
from time import perf_counter, process_time
from types import SimpleNamespace
from typing import IO, Any

from _timing import report

ENGINES = {
    "torch": "train: {engine: torch}",
    "ddp": "train: {engine: ddp}",
    **{f"zero{n}": f"train: {{engine: deepspeed, deepspeed: {n}}}" for n in range(4)},
}
CLASSES = 50


def main(argv: Sequence[str] | None = None) -> int:
    """Measures, or is one of the processes that are measured."""
    options = _parse(argv)
    if options.work:
        return _work(options)
    rows = measure(options)
    memory = measure_memory(options)
    title = (
        f"{options.model}, clips/s: batch {options.batch_size} of all processes, "
        f"{options.seconds:g} s, 1 thread a process, median of {options.rounds} turns"
    )
    report(title, rows, options.json)
    report(
        f"Training {options.memory_model}: batch 16, 5-s clips",
        [memory],
        options.json.with_name("training_memory.json"),
    )
    return 0


def measure(options: argparse.Namespace) -> list[dict[str, Any]]:
    """Lets one process alone and pairs of each engine take turns; a row each."""
    with ExitStack() as stack:
        alone = stack.enter_context(_team(options, "torch", 1))
        teams = {"torch": alone} | {
            engine: stack.enter_context(_team(options, engine, 2)) for engine in options.engines
        }
        rates: dict[str, list[float]] = {engine: [] for engine in teams}
        used: dict[str, list[float]] = {engine: [] for engine in teams}
        for _ in range(options.rounds):
            for engine, team in teams.items():
                rates[engine].append(team.turn())
                used[engine].append(team.cores_used)
    return [
        {
            "engine": engine,
            "processes": teams[engine].size,
            "clips_per_s": median(found),
            "x one process": median(found) / median(rates["torch"]),
            "cores_used": median(used[engine]),
            "x of each turn": " ".join(
                f"{one / other:.2f}" for one, other in zip(found, rates["torch"], strict=True)
            ),
        }
        for engine, found in rates.items()
    ]


def measure_memory(options: argparse.Namespace) -> dict[str, Any]:
    """The most memory that a process holds while it trains, alone, on all cores."""
    large = argparse.Namespace(
        **{**vars(options), "model": options.memory_model, "batch_size": 16, "seconds": 5.0}
    )
    with _team(large, "torch", 1, pinned=False) as team:
        team.turn()
    return {"model": large.model, "resident_gb": team.peak_gb}


class Team:
    """Processes that train together when they are told to."""

    def __init__(self, processes: Sequence[subprocess.Popen[str]], batch_size: int) -> None:
        self.processes = processes
        self.batch_size = batch_size
        self.size = len(processes)
        self.peak_gb = self.cores_used = 0.0
        for process in processes:
            if not _say(process).readline():
                raise SystemExit("one of the processes could not start; see above")

    def turn(self) -> float:
        """A few steps; clips a second."""
        for process in self.processes:
            assert process.stdin is not None
            process.stdin.write("\n")
            process.stdin.flush()
        told = [json.loads(_say(process).readline()) for process in self.processes]
        seconds = max(each["seconds"] for each in told)
        self.peak_gb = max(each["peak_gb"] for each in told)
        self.cores_used = sum(each["cpu_seconds"] for each in told) / seconds
        return float(told[0]["steps"] * self.batch_size / seconds)


def _say(process: subprocess.Popen[str]) -> IO[str]:
    assert process.stdout is not None
    return process.stdout


@contextmanager
def _team(
    options: argparse.Namespace, engine: str, size: int, *, pinned: bool = True
) -> Iterator[Team]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    cores = sorted(os.sched_getaffinity(0))
    processes = []
    for rank in range(size):
        place = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": size}
        variables = {
            **os.environ,
            **{name: str(value) for name, value in place.items()},
            "MASTER_ADDR": "127.0.0.1",
            "MASTER_PORT": port,
            "OMP_NUM_THREADS": "1" if pinned else str(len(cores)),
        }
        command = [sys.executable, __file__, "--work", engine, "--model", options.model]
        command += ["--core", str(cores[rank % len(cores)]) if pinned else "-1"]
        command += ["--batch-size", str(options.batch_size), "--seconds", str(options.seconds)]
        command += ["--steps", str(options.steps)]
        processes.append(
            subprocess.Popen(
                command, env=variables, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
            )
        )
    try:
        yield Team(processes, options.batch_size)
    finally:
        for process in processes:
            process.kill()
            process.communicate()


def _work(options: argparse.Namespace) -> int:
    """One process: builds the engine, says so, and takes a turn for each line it is sent."""
    if options.core >= 0:
        os.sched_setaffinity(0, {options.core})
    from asclf.device import keep_freed_memory
    from asclf.train.peers import join_peers

    keep_freed_memory()
    with join_peers() as peers:
        step = _stepper(options, peers)
        step()
        step()
        print("ready", flush=True)
        for _ in sys.stdin:
            start, cpu_start = perf_counter(), process_time()
            for _ in range(options.steps):
                step()
            told = {
                "steps": options.steps,
                "seconds": perf_counter() - start,
                "cpu_seconds": process_time() - cpu_start,
                "peak_gb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2,
            }
            print(json.dumps(told), flush=True)
    return 0


def _stepper(options: argparse.Namespace, peers: Any) -> Callable[[], object]:
    """A training step on one batch of noise, of which this process has its part."""
    import torch

    from asclf.config.experiment import bind_experiment
    from asclf.config.yaml import parse_yaml
    from asclf.data.labels import LabelMap
    from asclf.model import build_classifier
    from asclf.protocols import Batch
    from asclf.train.engines import build_engine

    torch.set_num_threads(1 if options.core >= 0 else os.cpu_count() or 1)
    text = f"backbone: {{type: {options.model}}}\ndata: {{batch_size: {options.batch_size}}}\n"
    config = bind_experiment(parse_yaml(text + ENGINES[options.work], "scaling.py"))
    torch.manual_seed(0)
    model = build_classifier(config, CLASSES)
    labels = LabelMap(tuple(f"{number:02}" for number in range(CLASSES)))
    data: Any = SimpleNamespace(labels=labels, sample_rate=config.sample_rate)
    engine = build_engine(config, model, data, peers)
    clips = options.batch_size // peers.world_size
    batch = Batch(
        waveform=0.1 * torch.randn(clips, round(options.seconds * config.sample_rate)),
        lengths=None,
        targets=torch.eye(CLASSES)[torch.randint(CLASSES, (clips,))],
        clip_ids=tuple(map(str, range(clips))),
    )
    generator = torch.Generator().manual_seed(0)
    return lambda: engine.step(batch, 1.0, generator)


def _parse(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--model", default="spectromasknet_small", metavar="NAME")
    parser.add_argument("--memory-model", default="spectromasknet", metavar="NAME")
    parser.add_argument("--engines", nargs="+", default=["ddp", "zero1"], choices=ENGINES)
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--steps", type=int, default=3, help="steps of a turn")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", type=Path, default=Path("exp/bench/scaling.json"))
    parser.add_argument("--work", choices=ENGINES, help=argparse.SUPPRESS)
    parser.add_argument("--core", type=int, default=-1, help=argparse.SUPPRESS)
    return parser.parse_args(argv)


if __name__ == "__main__":
    sys.exit(main())
