"""How changed failure rules would judge a window."""

import msgspec

from evalforge.models.captures import FailureType, Severity
from evalforge.models.coverage import Coverage
from evalforge.models.runs import Window


class RulesVerdict(msgspec.Struct, frozen=True, kw_only=True):
    """How a set of failure rules judges one trace."""

    trace_id: str
    failure_type: FailureType
    severity: Severity
    rules: tuple[str, ...]


class RulesChange(msgspec.Struct, frozen=True, kw_only=True):
    """A trace that fails under both sets of rules, with another type or severity."""

    before: RulesVerdict
    after: RulesVerdict


class RulesCheck(msgspec.Struct, frozen=True, kw_only=True):
    """What changed rules would do over a window: traces gained, lost, and changed in type or severity."""

    window: Window
    failing_now: int
    failing_then: int
    gained: tuple[RulesVerdict, ...] = ()
    lost: tuple[RulesVerdict, ...] = ()
    changed: tuple[RulesChange, ...] = ()
    coverage: Coverage
