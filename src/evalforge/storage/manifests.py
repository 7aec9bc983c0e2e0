"""When a stored manifest can be believed, in every store alike: it has a checksum, and without its match it is absent.

A manifest that is lost costs a reading; one that is believed and wrong would cost a failure. Its pieces may be stored
one after the other, and until the last is there they do not match either.
"""

from hashlib import blake2b

from evalforge.ports import Manifest

CHECKSUM_BYTES = 16
AFTER_EVERY_HOUR = "z"
"""To forget all manifests: it sorts after the name of any hour."""


def checksum(manifest: Manifest) -> bytes:
    """What is stored beside the manifest."""
    digest = blake2b(f"{manifest.hour}\n{manifest.salt}\n".encode(), digest_size=CHECKSUM_BYTES)
    digest.update(manifest.entries)
    return digest.digest()


def believed(hour: str, salt: object, entries: object, stored_checksum: object) -> Manifest | None:
    """The manifest as it was written; None if anything about it is not."""
    if not (type(salt) is str and type(entries) is bytes):
        return None
    found = Manifest(hour=hour, salt=salt, entries=entries)
    return found if checksum(found) == stored_checksum else None
