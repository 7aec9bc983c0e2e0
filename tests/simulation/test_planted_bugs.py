"""The simulator's worth: bugs that would lose, double or hide something, planted in a copy, are each caught."""

from pathlib import Path

import pytest

from helpers.simulation.mutations import MUTATIONS, copy_of_the_source, simulated

SEEDS = 20


@pytest.mark.parametrize("name", MUTATIONS)
def test_a_planted_bug_is_caught(name: str, tmp_path: Path) -> None:
    played = simulated(copy_of_the_source(tmp_path, MUTATIONS[name]), SEEDS)
    assert played.returncode == 1, played.stdout + played.stderr
    assert MUTATIONS[name].caught_as in played.stdout


def test_a_copy_without_a_bug_is_well(tmp_path: Path) -> None:
    played = simulated(copy_of_the_source(tmp_path, None), SEEDS)
    assert played.returncode == 0, played.stdout + played.stderr
