"""The checks of the store: what it holds, whether it can be used, its indexes, and what the last runs left."""

import os
import stat
from contextlib import closing, suppress

from evalforge import wiring
from evalforge.common.clock import Clock, timestamp
from evalforge.common.config import Settings
from evalforge.common.errors import ConfigurationError, EvalForgeError, StoreError
from evalforge.doctor.findings import Finding, Skipped, ok, problem, warning
from evalforge.ports import CaptureFilter, MissingIndex, StoreExamination

OTHERS_MAY_READ = stat.S_IRWXG | stat.S_IRWXO
ROOM_WANTED_BYTES = 50 * 1024 * 1024
NO_STORE_YET = "there is no store yet; the first run makes it"


def store(check: str, settings: Settings) -> Finding:
    """Whether the store opens, and what it holds; where there is none, whether one can be made."""
    name = settings.store_name
    if not wiring.store_exists(settings):
        _check_folder(settings)
        return ok(check, f"{name} is not there yet; the first run makes it")
    with closing(wiring.open_store(settings, wiring.REQUESTS_PATIENCE_SECONDS)) as opened:
        found = f"{name}: captures {opened.count_captures(CaptureFilter())}, runs {opened.count_runs()}"
        last = next(iter(opened.list_runs(1)), None)
    if last is not None and settings.hash_key is not None and wiring.hash_key_id(settings) != last.hash_key_id:
        advice = "set the key that the store was filled with, or the same users get other hashes from now on"
        return warning(check, f"{found}; the last run had another hash key", advice)
    if settings.firestore is None and settings.store_path.stat().st_mode & OTHERS_MAY_READ:
        return warning(check, f"{found}; other users of this machine may open it", f"chmod 600 {settings.store_path}")
    return ok(check, found)


def _check_folder(settings: Settings) -> None:
    """The user's own data folder is made by the first run; another must be there."""
    folder = settings.store_path.parent
    if settings.store is not None and not folder.is_dir():
        raise ConfigurationError(f"EVALFORGE_STORE: the folder {folder} does not exist; create it first")
    if folder.is_dir() and not os.access(folder, os.W_OK | os.X_OK):
        raise ConfigurationError(
            f"EVALFORGE_STORE: nothing can be written in the folder {folder}; name another, or give this user the right"
        )


def writing(check: str, settings: Settings, clock: Clock) -> Finding:
    """Whether a mark can be written, read and removed; and whether the disk has room."""
    if not wiring.store_exists(settings):
        return _room(check, settings) or _skip(NO_STORE_YET)
    with closing(wiring.open_examination(settings)) as opened:
        left_over = opened.read() is not None
        mark = timestamp(clock.now())
        try:
            opened.write(mark)
            if opened.read() != mark:
                raise StoreError("what was written was not there when it was read: is another doctor at work?")
        except EvalForgeError:
            _remove_after(opened)
            raise
        opened.remove()
        if opened.read() is not None:
            raise StoreError("what was removed is still there: is another doctor at work?")
    more = "; so was that of a doctor that was killed" if left_over else ""
    return _room(check, settings) or ok(check, f"a mark was written, read and removed{more}")


def _remove_after(opened: StoreExamination) -> None:
    """The error on the way is the one to tell."""
    with suppress(EvalForgeError):
        opened.remove()


def _skip(why: str) -> Finding:
    raise Skipped(why)


def _room(check: str, settings: Settings) -> Finding | None:
    """A warning where the embedded store's disk is almost full."""
    if settings.firestore is not None:
        return None
    folder = next((one for one in settings.store_path.parents if one.is_dir()), settings.store_path.parent)
    disk = os.statvfs(folder)
    free = disk.f_bavail * disk.f_frsize
    if free >= ROOM_WANTED_BYTES:
        return None
    advice = f"free some on the disk of {folder}, before a run finds it full"
    return warning(check, f"only {free // 1024 // 1024} MB are free for {settings.store_name}", advice)


def indexes(check: str, settings: Settings) -> Finding:
    """Whether each query that the store makes has its index."""
    if settings.firestore is None:
        raise Skipped("the embedded store has its own")
    with closing(wiring.open_examination(settings)) as opened:
        run, missing = opened.missing_indexes()
    if not missing:
        emulated = "; the emulator needs none, so this says nothing of a real project" * bool(
            settings.firestore_emulator
        )
        return ok(check, f"each of the {run} kinds of queries is answered{emulated}")
    distinct = list({(one.collection, one.fields): one for one in missing}.values())
    named = "; ".join(f"{one.collection} ({', '.join(one.fields)})" for one in distinct)
    if all(one.being_built for one in distinct):
        return warning(check, f"still being built: {named}", "wait some minutes, then run doctor again")
    wanting = [one for one in distinct if not one.being_built]
    project = settings.firestore.project
    every = f"all of them: cd deploy && npx firebase-tools deploy --only firestore:indexes --project {project}"
    found = f"{len(missing)} of {run} kinds of queries lack an index: {named}"
    return problem(check, found, f"{every}{_each(wanting)}")


def _each(missing: list[MissingIndex]) -> str:
    return "".join(f"\nor one by one: {one.command}{f' or {one.link}' if one.link else ''}" for one in missing)


def last_run(check: str, settings: Settings, clock: Clock) -> Finding:
    """Age, coverage and lateness of what the last runs read, as the service's health judges them."""
    if not wiring.store_exists(settings):
        raise Skipped(NO_STORE_YET)
    health = wiring.health(settings, clock)
    if health.last_run is None:
        raise Skipped("nothing ever ran on this store")
    covered = health.coverage
    read = "" if covered is None else f", {covered.state} from {covered.window.start} to {covered.window.end}"
    late = health.lateness.p99_hours
    lateness = "" if late is None else f"; of its failures 99 in 100 were seen within {late:g} h"
    found = f"{health.last_run.outcome}, begun {health.last_run.started_at}{read}{lateness}"
    if health.reasons:
        reasons = "; ".join((*(covered.reasons if covered else ()), *health.reasons))
        return warning(check, found, f"{reasons} (evalforge runs list and evalforge coverage show more)")
    return ok(check, found)
