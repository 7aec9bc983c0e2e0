"""Two hundred seeds of chaos over the real pipeline, client and store; `make soak SEEDS=10000` plays more.

A seed that goes wrong names the command that plays it again, which tells its story.
"""

import subprocess
import sys
from collections import Counter

import pytest

from helpers.simulation.chaos import Verdict, play, replay_command
from helpers.simulation.faults import PHASES
from helpers.simulation.mutations import TESTS

SEEDS, AT_ONCE = 200, 100


@pytest.mark.timeout(300)
@pytest.mark.parametrize("first", range(1, SEEDS + 1, AT_ONCE))
def test_after_any_chaos_the_store_holds_what_a_perfect_reader_would_have_stored(first: int) -> None:
    verdicts = [play(seed) for seed in range(first, first + AT_ONCE)]
    wrong = [f"{replay_command(one.seed)}\n  " + "\n  ".join(one.wrong[:5]) for one in verdicts if one.wrong]
    assert not wrong, "\n".join(wrong)
    _assert_that_faults_happened(verdicts)


def _assert_that_faults_happened(verdicts: list[Verdict]) -> None:
    faults = sum((one.faults for one in verdicts), Counter[str]())
    killed = {phase for phase in PHASES if faults[f"killed before {phase}"] or faults[f"killed after {phase}"]}
    assert faults.total() >= 100 * len(verdicts)
    assert faults["duplicates"] >= len(verdicts)
    assert sum(one.kills for one in verdicts) >= len(verdicts)
    assert killed == set(PHASES)
    assert min(one.captures for one in verdicts) >= 10


@pytest.mark.parametrize("seed", [17, 23])
def test_a_seed_tells_the_same_story_in_every_process_also_where_slices_are_read_side_by_side(seed: int) -> None:
    told = {
        subprocess.run(
            [sys.executable, "-m", "helpers.simulation", "--first", str(seed), "--seeds", "1", "--story"],
            env={"PYTHONPATH": str(TESTS), "PYTHONHASHSEED": hash_seed},
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        ).stdout.rpartition("1 seeds in")[0]
        for hash_seed in ("1", "2")
    }
    assert len(told) == 1
    assert "run-001" in told.pop()
