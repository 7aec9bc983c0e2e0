"""The contracts over HTTP: the documents kept are the code's, and the service does what its OpenAPI document says."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema_rs
import msgspec
import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis import GenerationMode
from schemathesis.specs.openapi.checks import positive_data_acceptance

from evalforge.ports import Batch
from helpers.captures import dead_letter
from helpers.exported import failed, judged
from helpers.fake_datadog import FakeDatadog
from helpers.services import app_over, captures_of, fill, settings_for

ROOT = Path(__file__).parents[2]
CONTRACTS = ROOT / "specs" / "001-capture-datadog-failures" / "contracts"


def test_the_contracts_kept_are_what_the_code_says() -> None:
    done = subprocess.run([sys.executable, "-m", "scripts.contracts", "--check"], cwd=ROOT, capture_output=True)
    assert done.returncode == 0, done.stderr.decode()


def test_a_capture_as_it_is_written_fits_its_schema_and_one_that_lacks_a_field_does_not() -> None:
    fits = jsonschema_rs.validator_for(json.loads((CONTRACTS / "failure-capture.schema.json").read_text()))
    written = json.loads(msgspec.json.encode(captures_of(1)[0]))
    fits.validate(written)
    assert not any(fits.is_valid({k: v for k, v in written.items() if k != name}) for name in written)


OPERATIONS = [
    ("/ingestion/run-once", "POST"),
    ("/health", "GET"),
    ("/captures", "GET"),
    ("/captures/{trace_id}", "GET"),
]
OPAQUE = [positive_data_acceptance]
"""A schema cannot say which texts are a cursor, or a time of this calendar."""


@pytest.fixture(scope="module")
def documented(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    store = tmp_path_factory.mktemp("openapi") / "store.db"
    fill(store, Batch(captures=captures_of(60), dead_letters=[dead_letter()]))
    with FakeDatadog(spans=[failed(1), judged("tone", 2)]) as datadog:
        app = app_over(settings_for(store, datadog.url))
        yield schemathesis.openapi.from_asgi("/openapi.json", app)


@pytest.mark.parametrize("mode", GenerationMode)
@pytest.mark.parametrize(("path", "method"), OPERATIONS)
def test_the_service_answers_as_its_document_says(documented: Any, path: str, method: str, mode: Any) -> None:
    if mode is GenerationMode.NEGATIVE and path == "/health":
        return  # it takes nothing that could be wrong

    @settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck))
    @given(case=documented[path][method].as_strategy(generation_mode=mode))
    def holds(case: Any) -> None:
        case.call_and_validate(excluded_checks=OPAQUE)

    holds()


def test_the_document_names_every_operation_that_is_tested_here(documented: Any) -> None:
    raw = documented.raw_schema["paths"]
    assert {(path, method.upper()) for path in raw for method in raw[path]} == set(OPERATIONS)
