"""What a run says that it cost, in the report, on a terminal and in the store; and what ends one that is too dear."""

from pathlib import Path

import msgspec
import pytest

from evalforge.models import IngestionRun
from evalforge.models.costs import cost_of
from helpers.commands import environment, evalforge, on_a_terminal
from helpers.exported import failed
from helpers.fake_datadog import FakeDatadog
from helpers.firestore_emulator import new_project

SPANS = [failed(number) for number in range(1, 301)]


def on_firestore(url: str, emulator: str, **more: str) -> dict[str, str]:
    return environment(Path("/unused"), url, **more) | {
        "EVALFORGE_STORE": f"firestore://{new_project()}",
        "FIRESTORE_EMULATOR_HOST": emulator,
    }


def test_a_run_into_firestore_tells_calls_bytes_operations_and_dollars_wherever_it_is_shown(
    firestore_emulator: str,
) -> None:
    with FakeDatadog(spans=SPANS) as server:
        env = on_firestore(server.url, firestore_emulator)
        done = evalforge("capture", env=env)
    run = msgspec.convert(done.report, IngestionRun)
    assert run.outcome == "complete"
    assert run.usage.bytes_received > 100 * len(SPANS)
    store = run.usage.store
    assert (store.kind, run.usage.instance_seconds) == ("firestore", 0)
    assert len(SPANS) < store.writes < 3 * len(SPANS)
    assert len(SPANS) < store.reads < 5 * len(SPANS)
    assert run.estimated_cost_usd == cost_of(run.usage, run.calls) > 0.0003
    assert evalforge("runs", "show", run.run_id, env=env).report == done.report
    assert next(line for line in done.log if line["message"] == "report")["report"] == done.report
    code, shown = on_a_terminal("runs", "show", run.run_id, env=env)
    assert code == 0
    assert f"{store.reads:,} reads, {store.writes:,} writes" in shown
    assert f"{run.estimated_cost_usd:.6f} USD" in shown


def test_an_embedded_store_counts_rows_and_costs_nothing(tmp_path: Path) -> None:
    with FakeDatadog(spans=SPANS[:3]) as server:
        env = environment(tmp_path / "store.db", server.url)
        report = evalforge("capture", env=env).report
        _, shown = on_a_terminal("capture", env=env)
    assert report["usage"]["store"]["kind"] == "sqlite"
    assert report["usage"]["store"]["writes"] >= 3
    assert report["estimated_cost_usd"] == 0
    assert "0 USD" in shown


def test_a_run_that_costs_more_than_it_may_stops_partial_says_what_to_change_and_the_next_goes_on(
    firestore_emulator: str,
) -> None:
    spans = [failed(number) for number in range(1, 901)]
    with FakeDatadog(spans=spans) as server:
        slowly = {
            "EVALFORGE_PAGE_LIMIT": "5",
            "EVALFORGE_REQUESTS_PER_MINUTE": "3000",
        }  # the bound comes before the end
        env = on_firestore(server.url, firestore_emulator, EVALFORGE_MAX_RUN_COST_USD="0.0005", **slowly)
        done = evalforge("capture", env=env)
        assert done.code == 3
        assert done.report["outcome"] == done.report["coverage"]["state"] == "partial"
        [reason] = done.report["coverage"]["reasons"]
        assert "over EVALFORGE_MAX_RUN_COST_USD=0.0005: raise it, or read less in a run" in reason
        assert 0.0005 < done.report["estimated_cost_usd"] < 0.0015
        assert 0 < done.report["tally"]["captures_created"] < len(spans)
        rest = evalforge("capture", env=env | {"EVALFORGE_MAX_RUN_COST_USD": "0.1"})
    assert rest.report["outcome"] == "complete"
    assert rest.report["tally"]["captures_created"] + done.report["tally"]["captures_created"] == len(spans)


def test_the_time_of_an_instance_of_cloud_run_is_counted_and_priced(firestore_emulator: str) -> None:
    with FakeDatadog(spans=SPANS[:3]) as server:
        env = on_firestore(server.url, firestore_emulator, K_SERVICE="evalforge", EVALFORGE_REQUESTS_PER_MINUTE="600")
        report = evalforge("capture", env=env).report
    assert report["usage"]["instance_seconds"] > 0
    without = report["usage"] | {"instance_seconds": 0.0}
    assert report["estimated_cost_usd"] > cost_of(msgspec.convert(without, IngestionRun.__annotations__["usage"]), 0)


@pytest.mark.parametrize("value", ["0", "-1", "nan", "ten"])
def test_a_bound_that_is_no_sum_of_money_is_refused(value: str, tmp_path: Path) -> None:
    done = evalforge("capture", env=environment(tmp_path / "s.db", EVALFORGE_MAX_RUN_COST_USD=value))
    assert done.code == 2
    assert f"EVALFORGE_MAX_RUN_COST_USD={value}: accepted is a number of US dollars above 0" in done.err
