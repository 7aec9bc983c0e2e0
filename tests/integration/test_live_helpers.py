"""What the live tests use beside the acceptance: emptying a store's own collections, and the agent's model."""

import json
from contextlib import closing

import pytest

from helpers.agents import gemini
from helpers.firestore_emulator import new_project
from helpers.live_agent import failing_traces_of
from helpers.live_store import emptied


def test_only_the_collections_of_the_prefix_are_emptied_before_and_after(firestore_emulator: str) -> None:
    from google.cloud.firestore import Client

    project = new_project()
    with closing(Client(project=project)) as client:
        for name in ("evalforge_live_runs", "evalforge_runs"):
            client.collection(name).document("a").set({"x": 1}, timeout=30)
        with emptied(f"firestore://{project}", "evalforge_live_"):
            assert [one.id for one in client.collections()] == ["evalforge_runs"]
            client.collection("evalforge_live_state").document("b").set({"x": 1}, timeout=30)
        assert [one.id for one in client.collections()] == ["evalforge_runs"]


@pytest.mark.parametrize("prefix", ["evalforge_", ""])
def test_a_prefix_that_may_be_somebodys_is_refused(prefix: str) -> None:
    with pytest.raises(AssertionError, match="may be emptied"), emptied("firestore://some-project", prefix):
        pass


def test_the_agent_answers_with_what_was_recorded_where_there_is_no_project(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GOOGLE_CLOUD_PROJECT", raising=False)
    said = gemini.ask("Where is my order?")
    assert said == gemini.read(json.loads(gemini.RECORDED.read_text()))
    assert said.metrics == {"input_tokens": 20, "output_tokens": 6, "total_tokens": 26}


def test_the_model_is_asked_where_it_is() -> None:
    asked = gemini.url("some-project", "europe-west1", "gemini-2.5-flash")
    assert asked.startswith(
        "https://europe-west1-aiplatform.googleapis.com/v1/projects/some-project/locations/europe-west1/"
    )
    assert asked.endswith("/publishers/google/models/gemini-2.5-flash:generateContent")
    assert gemini.url("some-project", "global", "m").startswith("https://aiplatform.googleapis.com/v1/projects/")
    assert gemini.request("Where?")["contents"] == [{"role": "user", "parts": [{"text": "Where?"}]}]


def test_traces_that_go_well_are_not_waited_for() -> None:
    told = {"fine": {"trace_id": "a"}, "caught": {"trace_id": "b"}, "thumbs down": {"trace_id": "c"}}
    assert failing_traces_of(told) == {"b"}
