from __future__ import annotations

import itertools

from asclf.data.seeds import place_seed


def test_equal_places_give_equal_seeds_and_others_differ() -> None:
    places = list(itertools.product(range(3), ["clip", "shards"], range(4), range(4)))
    seeds = {place_seed(*place) for place in places}
    assert len(seeds) == len(places)
    assert all(place_seed(*place) in seeds for place in places)


def test_the_parts_do_not_run_into_one_another() -> None:
    assert place_seed(1, "clip", 23, 4) != place_seed(12, "clip", 3, 4)
    assert place_seed(0, "clip", 1, 23) != place_seed(0, "clip", 12, 3)


def test_seeds_are_well_mixed_and_fit_a_signed_integer() -> None:
    seeds = [place_seed(0, "clip", 0, 0, position) for position in range(2000)]
    assert all(0 <= seed < 2**63 for seed in seeds)
    for bit in range(63):
        ones = sum(seed >> bit & 1 for seed in seeds)
        assert 850 < ones < 1150, f"bit {bit} is one in {ones} of {len(seeds)} seeds"


def test_a_seed_stays_what_it_was() -> None:
    # A run that is resumed under another release must draw what it drew before.
    assert place_seed(7, "clip", 3, 1, 40) == 6784145859824860304
