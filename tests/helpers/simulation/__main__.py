"""Plays seeds from the command line: `python -m helpers.simulation --first 1 --seeds 200`, for soaks and replays."""

import argparse
import multiprocessing
import sys
import time
from collections import Counter

import evalforge
from helpers.simulation.chaos import Verdict, play, replay_command


def main() -> int:
    """0 if all seeds are well."""
    arguments = _arguments()
    if arguments.expect_source and not (evalforge.__file__ or "").startswith(arguments.expect_source):
        print(f"this plays {evalforge.__file__}")
        return 2
    seeds = range(arguments.first, arguments.first + arguments.seeds)
    begun, faults, bad, kills = time.monotonic(), Counter[str](), 0, 0
    with multiprocessing.Pool(arguments.processes) as pool:
        for verdict in pool.imap(play, seeds, chunksize=5) if arguments.processes > 1 else map(play, seeds):
            faults += verdict.faults
            kills += verdict.kills
            if arguments.story:
                print("\n".join(verdict.story))
            if verdict.wrong:
                bad += 1
                show(verdict)
                if arguments.until_wrong:
                    break
    for kind, count in sorted(faults.items()):
        print(f"{count:7} {kind}")
    took = time.monotonic() - begun
    print(f"{len(seeds)} seeds in {took:.1f} s, {faults.total()} faults, {kills} kills; {bad} seeds went wrong")
    return 1 if bad else 0


def show(verdict: Verdict) -> None:
    """What went wrong, and how to see it again."""
    print(f"seed {verdict.seed} went wrong; again with: {replay_command(verdict.seed)}")
    for line in verdict.wrong[:20]:
        print(f"    {line}")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="helpers.simulation")
    parser.add_argument("--first", type=int, default=1)
    parser.add_argument("--seeds", type=int, default=200)
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--story", action="store_true", help="print what happened, run by run")
    parser.add_argument("--until-wrong", action="store_true", help="end with the first seed that went wrong")
    parser.add_argument("--expect-source", help="fail unless evalforge is read from below this folder")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
