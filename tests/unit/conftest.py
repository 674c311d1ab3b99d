"""An experiment in miniature, two folds of short clips and a run for each; and shards damaged."""

from __future__ import annotations

import json
import tarfile
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
import soundfile

from asclf.checkpoint import FINAL, CheckpointMeta, load_checkpoint, save_checkpoint
from asclf.data.manifest import Clip, write_manifest
from asclf.data.shard_reader import read_samples
from asclf.data.shards import ShardIndex, ShardInfo, write_shards

SAMPLE_RATE = 16_000
LABELS = ("cat", "dog", "rain")
CLIPS_PER_FOLD = 9


@pytest.fixture(scope="session")
def tiny_shards(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Shards of two folds with nine clips each, of three lengths; one more file is no audio."""
    folder = tmp_path_factory.mktemp("tiny_data")
    rng = np.random.default_rng(0)
    clips = []
    for fold in (1, 2):
        for i in range(CLIPS_PER_FOLD):
            path = folder / f"{fold}-{i}.wav"
            noise = 0.1 * rng.standard_normal(SAMPLE_RATE // 10 * (1 + i % 2 + fold))
            soundfile.write(path, noise, SAMPLE_RATE)
            clips.append(Clip(path.stem, path, (LABELS[i % 3],), fold=fold))
    broken = folder / "2-broken.wav"
    broken.write_text("not audio", encoding="utf-8")
    clips.append(Clip(broken.stem, broken, ("cat",), fold=2))
    write_manifest(folder / "manifest.jsonl", clips)
    write_shards(folder / "manifest.jsonl", folder / "shards", sample_rate=SAMPLE_RATE)
    return folder / "shards"


@pytest.fixture
def tiny_experiment(tiny_run: Path, tiny_shards: Path, tmp_path: Path) -> Path:
    """An experiment whose two finished runs share the weights of `tiny_run`."""
    checkpoint = load_checkpoint(tiny_run)
    for fold in (1, 2):
        data = replace(checkpoint.config.data, shards=str(tiny_shards), test_fold=fold)
        config = replace(checkpoint.config, data=data).to_yaml()
        meta = CheckpointMeta(config, LABELS, 2, {"averaged": ["epoch_0001", "epoch_0002"]})
        run = tmp_path / "exp" / "tiny" / f"fold{fold}"
        save_checkpoint(run / FINAL, checkpoint.model, meta)
        data_facts = {"manifest_hash": ShardIndex.load(tiny_shards).manifest_hash}
        (run / "data.json").write_text(json.dumps(data_facts), encoding="utf-8")
        summary = {"minutes": 0.5, "epochs": 2, "steps": 4, "clips_skipped": 0}
        (run / "summary.json").write_text(json.dumps(summary), encoding="utf-8")
    return tmp_path / "exp" / "tiny"


@pytest.fixture
def damage_flac() -> Callable[[ShardIndex, ShardInfo, int], str]:
    """Overwrites the audio of a shard's n-th clip with zeros; returns its clip_id."""

    def damage(index: ShardIndex, shard: ShardInfo, number: int) -> str:
        path = index.path(shard)
        with tarfile.open(path) as tar:
            member = tar.getmembers()[2 * number]
        content = bytearray(path.read_bytes())
        content[member.offset_data : member.offset_data + member.size] = bytes(member.size)
        path.write_bytes(content)
        return [sample.facts.clip_id for sample in read_samples(index, shard)][number]

    return damage


class FaultyServer(ThreadingHTTPServer):
    """Serves files of `folder`, with one fault a request as long as there are any in `faults`.

    A fault is a status, `cut` (half the body), `corrupt` (a wrong byte in it) or `stall` (half of
    it, and then nothing).

    Attributes:
        always: A fault of every request, after those in `faults`.
        requests: Name and `Range` of every request.
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _FaultyHandler)
        self.folder = Path()
        self.faults: list[str] = []
        self.always = ""
        self.requests: list[tuple[str, str | None]] = []
        self.over = threading.Event()

    @property
    def url(self) -> str:
        """The address of the folder."""
        return f"http://127.0.0.1:{self.server_port}/shards"


class _FaultyHandler(BaseHTTPRequestHandler):
    server: FaultyServer
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        server, name = self.server, self.path.rpartition("/")[2]
        fault = server.faults.pop(0) if server.faults else server.always
        asked = self.headers.get("Range")
        server.requests.append((name, asked))
        self.close_connection = True
        if fault.isdigit() or not (server.folder / name).exists():
            self._begin(int(fault or 404), 0)
            return
        content = bytearray((server.folder / name).read_bytes())
        start = int(asked.removeprefix("bytes=").rstrip("-")) if asked else 0
        if fault == "corrupt":
            content[(start + len(content)) // 2] ^= 1
        body = content[start:]
        self._begin(206 if start else 200, len(body))
        self.wfile.write(body[: len(body) // 2] if fault in ("cut", "stall") else body)
        if fault == "stall":
            server.over.wait(30)

    def _begin(self, status: int, length: int) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(length))
        self.send_header("Connection", "close")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def faulty_server(monkeypatch: pytest.MonkeyPatch) -> Iterator[FaultyServer]:
    """A web server with faults, and clients that are less patient than usual."""
    monkeypatch.setattr("asclf.data.shard_web.FIRST_WAIT_S", 0.01)
    monkeypatch.setattr("asclf.data.shard_web.SILENCE_S", 0.4)
    with FaultyServer() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.over.set()
        server.shutdown()
        thread.join()
