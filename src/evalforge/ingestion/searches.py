"""Which searches a run makes: per app, over every rule at once, for the evaluators that are known by then.

The server's answer is a pre-filter and never the verdict (design, "Failure rules are Datadog queries").
"""

from collections.abc import Collection, Iterator, Sequence
from datetime import datetime
from typing import Protocol

import msgspec

from evalforge.common.clock import timestamp
from evalforge.ingestion.failure_rules import RuleSet
from evalforge.ingestion.models import Page, TraceSource
from evalforge.ingestion.pii.checks import evaluator as is_evaluator_name
from evalforge.ingestion.run_journal import Journal
from evalforge.ingestion.search.errors import SearchInterrupted, SearchRefused
from evalforge.models import Window

QUERY_REFUSED = (400, 413, 414)
"""Bad, or too long: perhaps not so, rule by rule."""
NAMES_A_QUERY = 100
MOST_NAMES = 1000
"""Evaluators asked for in one round; an org has dozens, a hostile span has as many as it likes."""


class SearchPlan(msgspec.Struct, frozen=True, kw_only=True):
    """What to read: an absolute window, the apps (none: every app), the scope, and whether to read every span."""

    window: Window
    ml_apps: Sequence[str] = ()
    scope: str | None = None
    scan_all: bool = False
    evaluators: frozenset[str] = frozenset()

    @property
    def apps(self) -> Sequence[str | None]:
        """One search each; None is a search over every app."""
        return self.ml_apps or (None,)


class Learner(Protocol):
    """Who knows the evaluators' names seen on spans so far."""

    def learn(self, page: Page) -> None:
        """Take the names from a page that is read for nothing else."""

    def learned(self) -> frozenset[str]:
        """All names so far."""


class Searcher:
    """Makes the searches of one plan and hands each page on; what could not be read goes to the journal.

    `doubts` are the reasons why something could not be.
    """

    def __init__(
        self, source: TraceSource, rules: RuleSet, plan: SearchPlan, journal: Journal, learner: Learner
    ) -> None:
        self._source, self._rules, self._plan = source, rules, plan
        self._journal, self._learner = journal, learner
        self._searches = 0
        self._listed: frozenset[str] = frozenset()
        self.doubts: list[str] = []

    def pages(self) -> Iterator[Page]:
        """Every page of the plan, to be judged. Raises SearchInterrupted when Datadog, the budget or the deadline ends
        the run."""
        names = self.names()
        yield from self.pages_of(self._plan.window, names)
        new = self.names_since(names)
        if new:
            yield from self.pages_for_new(new)

    def names(self) -> frozenset[str]:
        """The evaluators to ask for: those of the rules and the plan, of Datadog's list and of unfiltered pages.

        Raises SearchInterrupted.
        """
        known = self._plan.evaluators | self._rules.literal_evaluators
        if not self._asks_by_name:
            return frozenset() if self._plan.scan_all else known
        known |= self._custom_evaluators()
        self._listed = known
        for app in self._plan.apps:
            self._learn(app)
        return known | self._learner.learned()

    def names_known(self) -> frozenset[str]:
        """Those to ask for once the plan was read, without asking anybody again."""
        known = self._plan.evaluators | self._rules.literal_evaluators | self._listed
        return (known | self._learner.learned()) if self._asks_by_name else self.names()

    def query_known(self, app: str | None) -> str | None:
        """What is asked of an app with the names that are known by now; None if that would be nothing."""
        names = sorted(self.names_known())[:NAMES_A_QUERY]
        return self._query(app, frozenset(names))

    def names_since(self, known: frozenset[str]) -> frozenset[str]:
        """Names that turned up only while reading: they are asked for too, so that a new evaluator's failures do not
        wait for the next run."""
        return self._learner.learned() - known if self._asks_by_name else frozenset()

    def of_each_app(self) -> "list[Searcher]":
        """The same searches, for each app apart: with its own doubts, to be read in a thread of its own."""
        plans = [msgspec.structs.replace(self._plan, ml_apps=() if app is None else (app,)) for app in self._plan.apps]
        return [Searcher(self._source, self._rules, plan, self._journal, self._learner) for plan in plans]

    def apart(self) -> "Searcher":
        """Another of the same plan, with its own doubts."""
        return Searcher(self._source, self._rules, self._plan, self._journal, self._learner)

    def in_one_search(self, evaluators: frozenset[str]) -> bool:
        """Tells, while the pages of its only window come, whether they come from one search, in the order of time."""
        return len(self._plan.apps) == 1 and len(evaluators) <= NAMES_A_QUERY and self._searches <= 1

    def pages_of(self, window: Window, evaluators: frozenset[str]) -> Iterator[Page]:
        """Every page of a window. Raises SearchInterrupted."""
        return self._round(window, evaluators)

    def pages_for_new(self, evaluators: frozenset[str]) -> Iterator[Page]:
        """Every page of the plan's window for these evaluators alone. Raises SearchInterrupted."""
        return self._round(self._plan.window, evaluators, self._rules.with_name_globs)

    @property
    def _asks_by_name(self) -> bool:
        return bool(self._rules.with_name_globs) and not self._plan.scan_all

    def _round(self, window: Window, evaluators: frozenset[str], only: Collection[str] | None = None) -> Iterator[Page]:
        """One search per app for the rules, and one more for each further hundred of evaluators."""
        names = self._asked_for(evaluators)
        for app in self._plan.apps:
            asked = False
            for start in range(0, max(1, len(names)), NAMES_A_QUERY):
                rules = only if start == 0 else self._rules.with_name_globs
                chunk = frozenset(names[start : start + NAMES_A_QUERY])
                if self._query(app, chunk, rules) is not None:
                    asked = True
                    yield from self._searched(app, chunk, rules, window)
            if not asked and only is None:
                self._doubt("the rules ask Datadog for nothing: none is the server's, or no evaluator is known")

    def _asked_for(self, evaluators: frozenset[str]) -> list[str]:
        """The names in the order in which they are asked for; what may not be shown of them is counted instead."""
        names = sorted(evaluators)
        if len(names) > MOST_NAMES:
            self._doubt(f"{len(names) - MOST_NAMES} evaluators were not asked for: over {MOST_NAMES}")
        names = names[:MOST_NAMES]
        shown = frozenset(filter(is_evaluator_name, names))
        self._journal.asked_for(shown)
        if len(shown) < len(names):
            self._journal.note(f"{len(names) - len(shown)} evaluators were asked for whose names may not be shown")
        return names

    def _searched(
        self, app: str | None, evaluators: frozenset[str], only: Collection[str] | None, window: Window
    ) -> Iterator[Page]:
        try:
            yield from self._search(app, evaluators, only, window)
        except SearchRefused as refused:
            yield from self._rule_by_rule(app, evaluators, only, refused, window)

    def _rule_by_rule(
        self,
        app: str | None,
        evaluators: frozenset[str],
        only: Collection[str] | None,
        refused: SearchRefused,
        window: Window,
    ) -> Iterator[Page]:
        if refused.status not in QUERY_REFUSED or self._plan.scan_all:
            self._doubt(f"Datadog refused {refused.reason} (HTTP {refused.status})")
            return
        self._journal.note(
            f"Datadog refused the rules as one query (HTTP {refused.status}): one query per rule was sent instead"
        )
        for rule in self._rules.rules:
            if rule.server and (only is None or rule.name in only):
                try:
                    yield from self._search(app, evaluators, {rule.name}, window)
                except SearchRefused as answer:
                    self._doubt(f"Datadog refused the rule {rule.name!r} (HTTP {answer.status})")

    def _search(
        self, app: str | None, evaluators: frozenset[str], only: Collection[str] | None, window: Window
    ) -> Iterator[Page]:
        query = self._query(app, evaluators, only)
        if query is None:
            return
        self._searches += 1
        shown = self._query(app, frozenset(filter(is_evaluator_name, evaluators)), only)
        self._journal.asked(shown or "(evaluators whose names may not be shown)")
        for page in self._source.search(query, window):
            self._journal.answered()
            if page.in_part:
                self._doubt(f"Datadog answered meta.status {page.in_part}: a page holds only a part of its spans")
            yield page

    def _doubt(self, reason: str) -> None:
        self.doubts.append(reason)
        self._journal.partial(reason)

    def _learn(self, app: str | None) -> None:
        """Names of evaluators from unfiltered pages: the first, and of a busy app a recent one too.

        The recent one begins a quarter of the window before its end: by then evaluations have arrived, and all that
        a new evaluator judged since is still within the window.
        """
        page = self._first_page(app, self._plan.window)
        if page is not None and not page.items:
            whose = "in this window" if app is None else f"from the ml_app {app!r} in this window: check the name"
            self._journal.note(f"there are no spans of any kind {whose}")
        if page is not None and page.more:
            self._first_page(app, last_quarter(self._plan.window))

    def _first_page(self, app: str | None, window: Window) -> Page | None:
        """The page, of which the names were learned; None if Datadog refused the search."""
        query = self._rules.search_query(ml_app=app, scope=self._plan.scope, evaluators=(), all_spans=True)
        if query is None:
            return None
        self._journal.asked(query)
        try:
            page = next(iter(self._source.search(query, window)), Page(items=()))
        except SearchRefused as refused:
            self._doubt(f"no evaluators' names could be learned: Datadog answered HTTP {refused.status}")
            return None
        self._journal.answered()
        self._learner.learn(page)
        return page

    def _custom_evaluators(self) -> frozenset[str]:
        try:
            return self._source.evaluator_names()
        except (SearchRefused, SearchInterrupted) as error:
            self._journal.note(f"the list of custom evaluators could not be read: {error}")
            return frozenset()

    def _query(self, app: str | None, evaluators: frozenset[str], only: Collection[str] | None = None) -> str | None:
        return self._rules.search_query(
            ml_app=app, scope=self._plan.scope, evaluators=evaluators, only=only, all_spans=self._plan.scan_all
        )


def last_quarter(window: Window) -> Window:
    """The last quarter of the window."""
    start, end = datetime.fromisoformat(window.start), datetime.fromisoformat(window.end)
    return Window(start=timestamp(end - (end - start) / 4), end=window.end)
