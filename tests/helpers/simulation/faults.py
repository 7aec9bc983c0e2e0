"""Which faults happen, how often, and which did. All chances come from the seed."""

from collections import Counter
from dataclasses import dataclass, field
from random import Random

from helpers.simulation.times import HOUR, MINUTE

WIRE = {
    "throttled": 0.05,
    "server error": 0.04,
    "reset": 0.03,
    "truncated": 0.03,
    "web page": 0.01,
    "silence": 0.01,
    "long wait asked": 0.006,
    "repeated cursor": 0.006,
    "expired cursor": 0.006,
    "timeout": 0.03,
    "duplicates": 0.15,
    "shifted page": 0.15,
    "slow answer": 0.1,
}
"""At most one of them for each request."""
STORE = {"store fails before": 0.008, "store fails after": 0.008}
SIDE_BY_SIDE = "side by side"
"""A request while several searches are open."""
PHASES = (
    "acquire",
    "opening",
    "search",
    SIDE_BY_SIDE,
    "data",
    "context",
    "progress",
    "forgetting",
    "closing",
    "release",
)
"""The steps of a run at which it is killed or frozen: all its writes, and the requests in between."""
RARELY_REACHED = (SIDE_BY_SIDE, SIDE_BY_SIDE, "context", "context", "progress")
"""Drawn more often than the others, for many a run never comes to them."""
ANY_WRITE = "write"
"""Stands for any of them but the requests."""


@dataclass
class Doom:
    """What happens to one run: at the `count`-th time of a phase, before it or with its answer lost."""

    phase: str
    count: int
    after: bool
    frozen_seconds: float | None = None
    """Frozen for so long, or (None) killed."""


@dataclass
class Faults:
    """The faults of one seed. `quiet` ends them all."""

    random: Random
    quiet: bool = False
    happened: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self._rejected_until = -1.0
        self._wire = {kind: chance * self.random.choice((0, 0.5, 1, 1, 2, 4)) for kind, chance in WIRE.items()}
        self._store = {kind: chance * self.random.choice((0, 1, 2)) for kind, chance in STORE.items()}
        self._dooms = self.random.choice((0.2, 0.4, 0.6))

    def of_request(self, now: float) -> str | None:
        """What goes wrong with this request."""
        if self.quiet:
            return None
        if now < self._rejected_until:
            return self.note("credentials rejected")
        if self.random.random() < 0.004:
            self._rejected_until = now + self.random.uniform(MINUTE, HOUR / 2)
        return self._drawn(self._wire)

    def of_store(self) -> str | None:
        """What goes wrong with this write."""
        return None if self.quiet else self._drawn(self._store)

    def doom(self) -> Doom | None:
        """What is to befall the next run."""
        if self.quiet or self.random.random() > self._dooms:
            return None
        frozen = self.random.choice((20.0, 150.0, 300.0, 700.0, 1000.0)) if self.random.random() < 0.4 else None
        phase = self.random.choice((*PHASES, *RARELY_REACHED))
        first = phase in ("acquire", "opening", "forgetting", "closing", "release")
        number = 1 if first else self.random.choice((1, 1, 2, 3))
        return Doom(phase, number, self.random.random() < 0.5, frozen)

    def note(self, kind: str) -> str:
        """It happened."""
        self.happened[kind] += 1
        return kind

    def _drawn(self, chances: dict[str, float]) -> str | None:
        drawn = self.random.random()
        for kind, chance in chances.items():
            drawn -= chance
            if drawn < 0:
                return kind
        return None
