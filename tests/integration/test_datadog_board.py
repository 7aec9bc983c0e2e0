"""The dashboard and monitors of deploy/datadog: known whole to the official models, and asking for what runs tell."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from datadog_api_client import ApiClient, Configuration
from datadog_api_client.v1.model.dashboard import Dashboard
from datadog_api_client.v1.model.monitor import Monitor

from evalforge.metrics.measures import ABOUT, PREFIX
from evalforge.models import Coverage, IngestionRun, Lateness, Tally
from evalforge.wiring.telemetry import metrics_in_force
from helpers.captures import run
from helpers.fake_datadog import FakeDatadog, reply
from helpers.official import unknown_in
from helpers.services import settings_for

FOLDER = Path(__file__).parents[2] / "deploy" / "datadog"
MONITORS = sorted((FOLDER / "monitors").glob("*.json"))
QUERY = re.compile(r"(sum|min|max):([\w.]+)\{([^}]*)\}(?: by \{([^}]*)\})?(\.as_count\(\))?\Z")
CONDITION = re.compile(r"(sum|min|max)\(last_\d+[mh]\):(.*) ([<>]) (\d+)\Z")
ENDED = {"started_at": "2026-11-23T10:00:00.000Z", "finished_at": "2026-11-23T10:01:00.000Z"}
HEALTHY = run(**ENDED, lateness=Lateness(p50_hours=0.5, p99_hours=2.0))


class Told(NamedTuple):
    metric: str
    tags: frozenset[str]
    value: float


def loaded(kind: Any, document: Any) -> Any:
    with ApiClient(Configuration()) as client:
        return client.deserialize(json.dumps(document), (kind,), check_type=True)


def queries_in(document: Any) -> Iterator[str]:
    if isinstance(document, dict):
        if document.get("data_source") == "metrics":
            yield document["query"]
        for inner in document.values():
            yield from queries_in(inner)
    elif isinstance(document, list):
        for inner in document:
            yield from queries_in(inner)


def every_query() -> list[str]:
    found = list(queries_in(json.loads((FOLDER / "dashboard.json").read_text())))
    for path in MONITORS:
        condition = CONDITION.match(json.loads(path.read_text())["query"])
        assert condition is not None, path
        found.append(condition[2])
    return found


def told_of(report: IngestionRun, tmp_path: Path) -> list[Told]:
    """What arrives at Datadog of a run, by the real client."""
    with FakeDatadog(also={"/api/v2/series": reply(202, {"errors": []})}) as server:
        settings = settings_for(tmp_path / "store.db", server.url, EVALFORGE_METRICS="datadog", DD_ENV="prod")
        metrics = metrics_in_force(settings)
        assert metrics is not None
        metrics.publish(report, 10)
        [request] = server.requests
    series = json.loads(request.body)["series"]
    return [Told(one["metric"], frozenset(one["tags"]), one["points"][0]["value"]) for one in series]


def selected(query: str, told: list[Told]) -> list[Told]:
    found = QUERY.match(query)
    assert found is not None, query
    _, metric, scope, groups, _ = found.groups()
    wanted = {"env:prod" if tag == "$env" else tag for tag in scope.split(",")}
    keys = set((groups or "").split(",")) - {""}
    return [
        one
        for one in told
        if one.metric == metric
        and wanted <= one.tags
        and (not keys or keys & {tag.partition(":")[0] for tag in one.tags})
    ]


@pytest.mark.parametrize("path", [FOLDER / "dashboard.json", *MONITORS], ids=lambda path: path.stem)
def test_the_official_models_know_every_field_and_word_of_it(path: Path) -> None:
    document = json.loads(path.read_text())
    assert unknown_in(loaded(Dashboard if path.stem == "dashboard" else Monitor, document), document) == []


@pytest.mark.parametrize(
    ("file", "word"),
    [
        ("dashboard.json", "description"),
        ("dashboard.json", "ordered"),
        ("dashboard.json", "show_legend"),
        ("dashboard.json", "aggregator"),
        ("dashboard.json", "display_type"),
        ("dashboard.json", "query_value"),
        ("monitors/no-success.json", "query alert"),
        ("monitors/no-success.json", "on_missing_data"),
        ("monitors/no-success.json", "show_and_notify_no_data"),
        ("monitors/no-success.json", "critical"),
    ],
)
def test_a_word_of_it_that_is_misspelt_anywhere_is_found(file: str, word: str) -> None:
    text = (FOLDER / file).read_text()
    assert f'"{word}"' in text
    changed = json.loads(text.replace(f'"{word}"', f'"{word}x"'))
    assert unknown_in(loaded(Dashboard if file == "dashboard.json" else Monitor, changed), changed) != []


def test_every_query_finds_something_among_what_a_run_tells(tmp_path: Path) -> None:
    told = told_of(HEALTHY, tmp_path)
    assert [query for query in every_query() if not selected(query, told)] == []


def test_every_query_reads_counts_as_counts_and_tags_that_there_are() -> None:
    for query in every_query():
        found = QUERY.match(query)
        assert found is not None, query
        about = ABOUT[found[2].removeprefix(PREFIX)]
        assert bool(found[5]) == (about.kind == "count"), query
        common = {"service", "version", "env", "outcome"}
        assert set((found[4] or "outcome").split(",")) <= common | set(about.tags), query
        for tag in found[3].split(","):
            name, _, value = tag.partition(":")
            assert tag in ("$env", "service:evalforge") or value in about.tags[name], query


def test_every_name_is_on_the_dashboard() -> None:
    shown = {found[2] for query in every_query() if (found := QUERY.match(query))}
    assert shown == {PREFIX + name for name in ABOUT}


def alerts(report: IngestionRun, tmp_path: Path) -> set[str]:
    """The monitors that alert where this run is all there was."""
    told = told_of(report, tmp_path)
    found = set()
    for path in MONITORS:
        condition = CONDITION.match(json.loads(path.read_text())["query"])
        assert condition is not None
        how, query, sign, bound = condition.groups()
        values = [one.value for one in selected(query, told)]
        value = {"sum": sum, "min": min, "max": max}[how](values)
        if value < int(bound) if sign == "<" else value > int(bound):
            found.add(path.stem)
    return found


PARTIAL = Coverage(state="partial", reasons=("the deadline of the run is reached",))
RUNS: dict[str, tuple[IngestionRun, set[str]]] = {
    "a complete run": (HEALTHY, set()),
    "a partial run": (run(outcome="partial", coverage=PARTIAL, **ENDED), {"no-success", "partial-coverage"}),
    "a failed run": (run(outcome="failed", coverage=PARTIAL, **ENDED), {"no-success", "partial-coverage"}),
    "a new dead letter": (run(tally=Tally(dead_letters=2, dead_letters_new=1), **ENDED), {"dead-letters"}),
    "a dead letter known before": (run(tally=Tally(dead_letters=2), **ENDED), set()),
    "a text that was withheld": (run(tally=Tally(texts_withheld=1), **ENDED), {"pii-policy"}),
    "a span that was not sanitised": (
        run(tally=Tally(dead_letters=1, spans_unsanitised=1), **ENDED),
        {"pii-policy"},
    ),
}


@pytest.mark.parametrize("case", RUNS)
def test_each_monitor_alerts_on_what_it_is_for_and_on_nothing_else(case: str, tmp_path: Path) -> None:
    report, expected = RUNS[case]
    assert alerts(report, tmp_path) == expected


def test_silence_is_told_where_no_run_ever_was() -> None:
    """Count queries take no data for 0 by default, which holds once the metric is known; this holds before it too."""
    options = json.loads((FOLDER / "monitors" / "no-success.json").read_text())["options"]
    assert options["on_missing_data"] == "show_and_notify_no_data"
