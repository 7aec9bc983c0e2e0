"""A real Firestore whose collections of one prefix, which must be the live tests' own, are emptied before and after."""

from collections.abc import Iterator
from contextlib import closing, contextmanager


@contextmanager
def emptied(store: str, prefix: str) -> Iterator[None]:
    """Without documents under the prefix at the beginning and at the end, whatever happens between."""
    from google.cloud.firestore import Client

    assert "live" in prefix or "test" in prefix, f"{prefix}: not a prefix whose collections may be emptied"
    project, _, database = store.removeprefix("firestore://").partition("/")
    with closing(Client(project=project, database=database or "(default)")) as client:
        empty(client, prefix)
        try:
            yield
        finally:
            empty(client, prefix)


def empty(client: object, prefix: str) -> None:
    """Remove every document of every collection whose name begins so."""
    for collection in client.collections():  # type: ignore[attr-defined]
        if collection.id.startswith(prefix):
            client.recursive_delete(collection)  # type: ignore[attr-defined]
