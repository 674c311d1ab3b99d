"""How sure a score is: intervals of shares and means, for clips that may share a recording."""

from __future__ import annotations

import math
from collections.abc import Iterator
from statistics import NormalDist

import numpy as np

from asclf.score.metrics import FloatArray, IntArray

Interval = tuple[float, float]

DRAWS = 5000
SEED = 0
BLOCK = 4_000_000
"""Most numbers that are drawn at once, so that memory stays bounded."""


def wilson_interval(correct: float, clips: float, level: float = 0.95) -> Interval:
    """The score interval of a proportion: all p that a two-sided normal test does not reject.

    It stays inside [0, 1] and is never empty, at 0 or n correct as well. Clips count as
    independent; those cut from one recording are not, and `bootstrap_mean` allows for that. Where
    clips were scored several times, `correct` may be the mean.

    Source: Wilson 1927, "Probable inference, the law of succession, and statistical inference",
    J. Am. Stat. Assoc. 22, 209–212; as recommended for small n by Brown, Cai and DasGupta 2001,
    "Interval estimation for a binomial proportion", Stat. Sci. 16, equation 4.
    """
    if clips == 0:
        return 0.0, 1.0
    z = NormalDist().inv_cdf((1 + level) / 2)
    share = correct / clips
    centre = (share + z * z / (2 * clips)) / (1 + z * z / clips)
    spread = math.sqrt(share * (1 - share) / clips + (z / (2 * clips)) ** 2)
    half = z * spread / (1 + z * z / clips)
    low = centre - half if correct > 0 else 0.0  # the bounds meet the ends exactly,
    high = centre + half if correct < clips else 1.0  # rounding apart
    return low, high


def bootstrap_mean(
    values: FloatArray, clusters: IntArray, *, draws: int = DRAWS, seed: int = SEED
) -> Interval:
    """The 95 % percentile interval of the mean over clips, whole clusters being drawn.

    Where every clip has the same value it has no width; for a share, Wilson's says more there.

    Source: Field and Welsh 2007, "Bootstrapping clustered data", J. R. Stat. Soc. B 69, 369–390
    (the cluster bootstrap); Efron and Tibshirani 1993, An Introduction to the Bootstrap, 13.3.

    Args:
        values: (N,) of each clip: 1 for a correct one, or a difference of two classifiers.
        clusters: (N,) the cluster of each clip, from 0 without gaps.
        draws: How many resamples.
        seed: Of the resamples; equal clusters are then drawn equally.
    """
    sizes, sums = np.bincount(clusters), np.bincount(clusters, weights=values)
    blocks = draw_clusters(len(sizes), draws=draws, seed=seed)
    return percentiles(np.concatenate([(drawn @ sums) / (drawn @ sizes) for drawn in blocks]))


def draw_clusters(num_clusters: int, *, draws: int = DRAWS, seed: int = SEED) -> Iterator[IntArray]:
    """Draws as many clusters as there are, with replacement, again and again.

    Yields:
        (D, K) how often each of K clusters is in each of D draws; the blocks add up to all draws.
    """
    random = np.random.default_rng(seed)
    most = max(1, BLOCK // num_clusters)
    for start in range(0, draws, most):
        rows = min(most, draws - start)
        picked = random.integers(num_clusters, size=(rows, num_clusters))
        picked += num_clusters * np.arange(rows)[:, np.newaxis]  # every draw counts for itself
        counts = np.bincount(picked.ravel(), minlength=rows * num_clusters)
        yield counts.reshape(rows, num_clusters).astype(np.int64)  # (D, K)


def percentiles(values: FloatArray, level: float = 0.95) -> Interval:
    """The central share of the values of all draws; those that are NaN do not count."""
    tail = (1 - level) / 2
    low, high = np.nanquantile(values, [tail, 1 - tail])
    return float(low), float(high)
