"""What can be the id of a stored document, in every store alike."""

import re

_ID = re.compile(r"(?!__)[A-Za-z0-9_.-]{1,200}(?<!\.)\Z")


def can_be_an_id(text: str) -> bool:
    """Whether anything could be stored under this id: trace ids and keyed hashes can, a path with a slash cannot.

    Stricter than Firestore (Quotas and limits: no slash, not `.` or `..`, not `__*__`, at most 1,500 bytes).
    """
    return _ID.match(text) is not None
