"""Seeds that depend on what is drawn and on nothing else.

Every random draw of the pipeline has its own generator, seeded by the experiment's seed, the
purpose of the draw, and its place (epoch, rank, position). The draw is then the same whoever makes
it and in whatever order: this is what makes batches independent of the number of workers.
"""

from __future__ import annotations

import hashlib


def place_seed(seed: int, purpose: str, *place: int) -> int:
    """Mixes a seed, a purpose and a place into one integer.

    SHA-256 of the parts as text: neighbouring places give unrelated seeds, equal parts give equal
    seeds in every process, Python and version of numpy.

    Args:
        seed: The experiment's seed.
        purpose: What is drawn, so that two draws at one place differ.
        *place: Where, such as epoch, rank and position.

    Returns:
        An integer in [0, 2**63), which `random.Random` and `torch.Generator` take.
    """
    text = ":".join([purpose, *map(str, (seed, *place))])
    return int.from_bytes(hashlib.sha256(text.encode("utf-8")).digest()[:8], "big") >> 1
