"""What the tests' agent answers with: Vertex AI's Gemini where Google's credentials and a project are there, else a
recorded answer in the form that Vertex AI documents for `generateContent`.

Plain HTTP with google-auth, which Firestore's client brings: a client of its own would be 30 packages for one call.
"""

import json
import os
from pathlib import Path
from typing import Any, NamedTuple

RECORDED = Path(__file__).parent / "gemini_answer.json"
MODEL, LOCATION = "gemini-2.5-flash", "us-central1"
SCOPE = "https://www.googleapis.com/auth/cloud-platform"
SECONDS = 30


class Answered(NamedTuple):
    """Text and tokens, and the model that said it."""

    text: str
    model: str
    metrics: dict[str, int]


def ask(question: str) -> Answered:
    """The model's answer."""
    project = os.environ.get("GOOGLE_CLOUD_PROJECT")
    return read(_live(project, question) if project else json.loads(RECORDED.read_text(encoding="utf-8")))


def read(document: Any) -> Answered:
    """What a `generateContent` response says."""
    parts = document["candidates"][0]["content"]["parts"]
    used = document["usageMetadata"]
    names = {"input": "promptTokenCount", "output": "candidatesTokenCount", "total": "totalTokenCount"}
    metrics = {f"{name}_tokens": int(used.get(field, 0)) for name, field in names.items()}
    return Answered("".join(part.get("text", "") for part in parts), document.get("modelVersion", MODEL), metrics)


def url(project: str, location: str, model: str) -> str:
    """Vertex AI's REST reference, `publishers.models.generateContent`."""
    host = "aiplatform.googleapis.com" if location == "global" else f"{location}-aiplatform.googleapis.com"
    return f"https://{host}/v1/projects/{project}/locations/{location}/publishers/google/models/{model}:generateContent"


def request(question: str) -> dict[str, Any]:
    """The body that asks."""
    turn = {"role": "user", "parts": [{"text": question}]}
    return {"contents": [turn], "generationConfig": {"maxOutputTokens": 200, "thinkingConfig": {"thinkingBudget": 0}}}


def _live(project: str, question: str) -> Any:
    import google.auth
    from google.auth.transport.requests import AuthorizedSession

    credentials, _ = google.auth.default(scopes=[SCOPE])
    where = url(project, os.environ.get("GOOGLE_CLOUD_LOCATION", LOCATION), MODEL)
    with AuthorizedSession(credentials) as session:
        answer = session.post(where, json=request(question), timeout=SECONDS)
    answer.raise_for_status()
    return answer.json()
