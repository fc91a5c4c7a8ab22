"""The benchmarks' statistics."""

from __future__ import annotations

import pytest
from benchmarks.harness.figures import operations_for, quantile, ratio, ratios, spread, turns


def test_a_quantile_lies_between_its_neighbours() -> None:
    """Quantiles interpolate, whatever the order of the values."""
    assert quantile([4, 1, 3, 2], 0.5) == 2.5
    assert quantile([10, 0], 0.25) == 2.5
    assert quantile([7], 0.99) == 7
    assert quantile([1, 2, 3], 0) == 1
    assert quantile([1, 2, 3], 1) == 3


def test_a_quantile_of_nothing_is_refused() -> None:
    """Without measurements there is no figure."""
    with pytest.raises(ValueError, match="no values"):
        quantile([], 0.5)


def test_the_spread_is_the_median_with_its_quartiles() -> None:
    """One outlier moves neither the median nor the quartiles far."""
    found = spread([1, 2, 3, 4, 1000])
    assert (found.median, found.low, found.high) == (3, 2, 4)


def test_ratios_compare_what_was_measured_in_the_same_round() -> None:
    """A machine that is half as fast in one round changes no ratio."""
    assert ratios([10, 20, 10], [20, 40, 20]) == [0.5, 0.5, 0.5]
    assert ratio([10, 20, 10], [20, 40, 20]).median == 0.5


def test_rounds_that_do_not_match_are_refused() -> None:
    """Ratios of different rounds are refused."""
    with pytest.raises(ValueError, match="2 rounds beside 1"):
        ratios([1, 2], [1])


@pytest.mark.parametrize(
    ("each", "concurrency", "most", "expected"),
    [
        (0.001, 1, 6000, 250),
        (0.001, 16, 6000, 256),
        (10.0, 16, 6000, 16),
        (1e-9, 64, 6000, 6016),
        (0.001, 64, 100, 128),
    ],
)
def test_operations_fill_the_window_in_whole_lanes(each: float, concurrency: int, most: int, expected: int) -> None:
    """Every lane does the same number of operations: at least one, and about as many as fill the window."""
    assert operations_for(0.25, each, concurrency, most) == expected


def test_everybody_begins_a_round_once() -> None:
    """Over as many rounds as there are names, each name takes every place in the order."""
    names = ["a", "b", "c", "d"]
    orders = [turns(names, number) for number in range(4)]
    assert all(sorted(order) == names for order in orders)
    assert len({tuple(order) for order in orders}) == 4
    assert turns([], 3) == []
