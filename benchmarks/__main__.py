"""`make bench`: each figure against its bound. Exit code 1 when one is missed."""

import json
import statistics
import subprocess
import sys
import time

PAGES, SPANS_A_PAGE = 12, 1000
BOUNDS = {"ratio": 5.0, "peak_rss_mb": 200.0, "help_seconds": 0.3}
STARTS = 11


def main() -> None:
    """Run every benchmark and say what was met."""
    figures = capture_figures() | help_figures()
    for name, value in figures.items():
        bound = BOUNDS.get(name)
        verdict = "" if bound is None else f"  (at most {bound:g}: {'met' if value <= bound else 'MISSED'})"
        print(f"{name:24} {value:>10,}{verdict}")
    sys.exit(any(figures[name] > bound for name, bound in BOUNDS.items()))


def capture_figures() -> dict[str, float]:
    """Speed and memory of a capture, with the pages served by another process."""
    command = [sys.executable, "-m", "benchmarks.pages", str(PAGES), str(SPANS_A_PAGE)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        url = f"http://127.0.0.1:{server.stdout.readline().strip()}"
        try:
            measured = [sys.executable, "-m", "benchmarks.capture_speed", url, str(PAGES)]
            done = subprocess.run(measured, stdout=subprocess.PIPE, text=True, check=True)
        finally:
            server.terminate()
    return dict(json.loads(done.stdout.splitlines()[-1]))


def help_figures() -> dict[str, float]:
    """How long `evalforge --help` takes, and how many bare interpreter starts that is."""
    shown, bare = seconds("-m", "evalforge", "--help"), seconds("-c", "pass")
    return {"help_seconds": round(shown, 3), "help_over_bare_python": round(shown / bare, 1)}


def seconds(*arguments: str) -> float:
    """The median of several starts."""
    taken = []
    for _ in range(STARTS):
        start = time.perf_counter()
        subprocess.run([sys.executable, *arguments], check=True, stdout=subprocess.DEVNULL)
        taken.append(time.perf_counter() - start)
    return statistics.median(taken)


if __name__ == "__main__":
    main()
