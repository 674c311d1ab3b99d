"""What shards say of their clips; their audio is passed over unread."""

from __future__ import annotations

import tarfile
from collections.abc import Iterator

from pydantic import TypeAdapter

from asclf.data.shard_index import REWRITE, ShardIndex, ShardInfo
from asclf.data.shard_reader import SampleFacts
from asclf.data.shard_web import fetch
from asclf.errors import DataError


def read_facts(index: ShardIndex, shard: ShardInfo) -> Iterator[SampleFacts]:
    """Yields the facts of a shard's clips, in the order in which they were written.

    Raises:
        DataError: The shard is missing, cut short, or holds something else; names it.
    """
    path = fetch(index, shard)
    try:
        with tarfile.open(path, "r:") as tar:
            for member in tar:
                file = tar.extractfile(member) if member.name.endswith(".json") else None
                if file is not None:
                    yield _FACTS.validate_json(file.read())
    except (OSError, tarfile.TarError, ValueError) as error:
        what = f"the shard cannot be read: {error.args[-1] if error.args else error}"
        raise DataError(what, where=path, hint=REWRITE) from error


_FACTS = TypeAdapter(SampleFacts)
