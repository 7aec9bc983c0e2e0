"""`evalforge sanitize` given anything at all: one answer for each line, in order, and never a raw word."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from helpers.commands import HASH_KEY, RULE_CACHE, Result, environment, evalforge
from helpers.exported import failed
from helpers.fake_datadog import FakeDatadog

ENV = {"PATH": os.environ["PATH"], "EVALFORGE_HASH_KEY": HASH_KEY, "PYTHONWARNINGS": "error", **RULE_CACHE}
WITHHELD = re.compile(
    r"the line is blank|too large, the limit is 8 MB|not JSON at character \d+|nested too deeply|not an object"
    r"|no attributes object|it could not be sanitised"
)
"""Every reason there is."""
MAIL = b"canary.jane@example.com"
SPAN = json.dumps(failed(1, input={"value": f"mail {MAIL.decode()} now"})).encode()
MEGABYTE = 1024 * 1024


def with_text(text: bytes) -> bytes:
    return SPAN.replace(MAIL, text + MAIL)


def sanitized(feed: bytes, *arguments: str) -> list[Any]:
    """The answers to this feed, none of which holds what was planted."""
    done = evalforge("sanitize", *arguments, env=ENV, stdin=feed)
    assert (done.code, done.err) == (0, "")
    assert "canary" not in done.out
    return done.lines


def is_sanitized(answer: Any) -> bool:
    """A span of which text was kept, without the address in it."""
    assert answer["attributes"]["span_id"]
    return "[EMAIL_" in json.dumps(answer)


def is_withheld(answer: Any) -> bool:
    return set(answer) == {"withheld"} and WITHHELD.fullmatch(answer["withheld"]) is not None


@pytest.mark.parametrize("arguments", [(), ("--explain",)], ids=["plain", "explained"])
def test_every_line_has_one_answer_in_order_whatever_it_holds(arguments: tuple[str, ...]) -> None:
    deep = b'{"a":' * 500 + b'"canary"' + b"}" * 500
    lines = {
        "a span": (SPAN, is_sanitized),
        "blank": (b"", lambda answer: answer == {"withheld": "the line is blank"}),
        "spaces": (b" \t ", lambda answer: answer == {"withheld": "the line is blank"}),
        "not UTF-8": (with_text(b"\xff\xfe\x80 "), is_sanitized),
        "raw NUL bytes": (with_text(b"\x00\x00 "), is_sanitized),
        "NUL bytes outside of it": (b"\x00" + SPAN, is_withheld),
        "a string of 2 MB": (SPAN.replace(MAIL, MAIL + b" x" * MEGABYTE), is_sanitized),
        "depth 500 outside": (b"[" * 500 + b'"canary"' + b"]" * 500, is_withheld),
        "depth 500 inside": (SPAN.replace(b'"metadata": {}', b'"metadata": {"x": ' + deep + b"}"), is_sanitized),
        "depth 100,000": (b'{"attributes":' * 100_000, is_withheld),
        "NaN": (SPAN.replace(b'"metadata": {}', b'"metadata": {"x": NaN, "y": -Infinity, "z": 1e999}'), is_sanitized),
        "a huge integer": (SPAN.replace(b'"metadata": {}', b'"metadata": {"x": ' + b"9" * 5000 + b"}"), is_sanitized),
        "lone surrogates": (with_text(rb"\ud800 \udfff "), is_sanitized),
        "a key of lone surrogates": (
            SPAN.replace(b'"metadata": {}', rb'"metadata": {"\ud800": "\udfff"}, "\udc00": "\ud800"'),
            is_sanitized,
        ),
        "10 MB": (SPAN.replace(MAIL, MAIL * (10 * MEGABYTE // len(MAIL))), is_withheld),
        "10 MB of spaces": (b" " * 10 * MEGABYTE, is_withheld),
        "a list": (b'["canary"]', is_withheld),
        "a text": (b'"canary"', is_withheld),
        "a number": (b"4111111111111111", is_withheld),
        "null": (b"null", is_withheld),
        "no attributes": (b'{"id": "canary"}', is_withheld),
        "attributes that are none": (b'{"attributes": ["canary"]}', is_withheld),
        "an empty span": (b'{"attributes": {}}', lambda answer: "attributes" in answer),
        "cut": (SPAN[:-20], is_withheld),
        "two on one line": (SPAN + SPAN, is_withheld),
        "a carriage return at its end": (SPAN + b"\r", is_sanitized),
        "UTF-16": (SPAN.decode().encode("utf-16").replace(b"\n", b""), is_withheld),
        "no newline at its end": (SPAN, is_sanitized),
    }
    answers = sanitized(b"\n".join(line for line, _ in lines.values()), *arguments)
    assert len(answers) == len(lines)
    wrong = [name for (name, (_, expected)), answer in zip(lines.items(), answers, strict=True) if not expected(answer)]
    assert wrong == []


def test_a_byte_order_mark_before_the_first_line_is_no_part_of_it() -> None:
    assert is_sanitized(sanitized(b"\xef\xbb\xbf" + SPAN)[0])


@pytest.mark.parametrize(("feed", "count"), [(b"", 0), (b"\n", 1), (b"\n\n", 2), (b"\r\n", 1), (b"x", 1), (b"x\n", 1)])
def test_a_line_ends_with_a_newline_or_with_the_input(feed: bytes, count: int) -> None:
    answers = sanitized(feed)
    assert len(answers) == count
    assert all(map(is_withheld, answers))


def test_of_a_key_that_comes_twice_the_last_value_is_read_and_the_other_is_nowhere(tmp_path: Path) -> None:
    shadowed = SPAN.replace(b'"input": {', b'"input": "canary-1", "input": {"value": "canary-2", ')
    shadowed = shadowed.replace(b'"attributes": {', b'"attributes": "canary-3", "attributes": {', 1)
    [plain], [explained] = sanitized(shadowed), sanitized(shadowed, "--explain")
    assert is_sanitized(plain)
    acts = explained.pop("explain")
    assert explained == plain == sanitized(SPAN)[0]
    assert {"path": "", "action": "dropped", "reason": "a value whose key comes again in its object"} in acts
    assert "comes again" not in str(sanitized(SPAN, "--explain"))
    with FakeDatadog(spans=[shadowed]) as server:  # bytes have no start to the fake, so that any window has them
        env = environment(tmp_path / "store.db", server.url, EVALFORGE_TEXT="redact", **RULE_CACHE)
        assert evalforge("capture", env=env).code == 0
    [stored] = evalforge("captures", "list", env=env).lines
    assert stored["trace_payload"]["spans"][0]["attributes"]["input"] == plain["attributes"]["input"]
    assert all(b"canary-" not in path.read_bytes().replace(b"canary-hash", b"") for path in tmp_path.iterdir())


def test_a_line_without_an_end_takes_no_memory(tmp_path: Path) -> None:
    def peak(size: int) -> int:
        """Kilobytes that the command took for a line so long and one more."""
        command = [sys.executable, "-m", "evalforge", "sanitize"]
        out = tmp_path / "out"
        with out.open("wb") as answers:
            process = subprocess.Popen(command, env=ENV, stdin=subprocess.PIPE, stdout=answers)
            assert process.stdin is not None
            for _ in range(size // MEGABYTE):
                process.stdin.write(b"canary! " * (MEGABYTE // 8))
            process.stdin.write(b"\n" + SPAN)
            process.stdin.close()
            _, status, used = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
        first, second = map(json.loads, out.read_bytes().splitlines())
        assert (process.returncode, is_sanitized(second)) == (0, True)
        assert first == {"withheld": "too large, the limit is 8 MB"} if size else is_withheld(first)
        return used.ru_maxrss

    assert peak(256 * MEGABYTE) - peak(0) < 64 * 1024


garbage = st.binary(max_size=60).map(lambda raw: raw.replace(b"\n", b""))
cuts = st.builds(
    lambda start, end, put: SPAN[:start] + put + SPAN[end:],
    st.integers(0, len(SPAN)),
    st.integers(0, len(SPAN)),
    garbage,
)


@settings(max_examples=4, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(garbage | cuts, min_size=100, max_size=200))
def test_any_bytes_have_an_answer_for_each_line(lines: list[bytes]) -> None:
    done = evalforge("sanitize", "--explain", env=ENV, stdin=b"".join(line + b"\n" for line in lines))
    assert (done.code, done.err, len(done.lines)) == (0, "", len(lines))
    assert all(is_withheld(answer) or "attributes" in answer for answer in done.lines)
    whole = [line for line, answer in zip(lines, done.lines, strict=True) if MAIL in line and is_withheld(answer)]
    assert MAIL.decode() not in done.out, whole


def one_line(done: Result) -> str:
    assert (done.code, done.out) == (2, ""), done.err
    [line] = done.err.splitlines()
    return line


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("missing", "No such file or directory"),
        ("", "Is a directory"),
        ("missing/\x01", "No such file or directory"),
        ("/proc/self/mem", "Input/output error"),
    ],
    ids=["missing", "a directory", "below a missing one", "a file whose reading fails"],
)
def test_a_file_that_cannot_be_read_is_named_and_why(tmp_path: Path, name: str, why: str) -> None:
    line = one_line(evalforge("sanitize", str(tmp_path / name), env=ENV))
    assert line.endswith(f"the file cannot be read: {why}")
    assert str(tmp_path / name).split("\x01")[0] in line


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads every file")
def test_a_file_that_may_not_be_read_is_named(tmp_path: Path) -> None:
    file = tmp_path / "spans"
    file.touch(mode=0o000)
    assert "Permission denied" in one_line(evalforge("sanitize", str(file), env=ENV))


def test_a_reader_that_takes_one_line_and_goes_is_no_error(tmp_path: Path) -> None:
    (tmp_path / "spans").write_bytes((SPAN + b"\n") * 2000)
    command = f"set -o pipefail; {sys.executable} -m evalforge sanitize {tmp_path / 'spans'} | head -1"
    done = subprocess.run(["bash", "-c", command], env=ENV, capture_output=True)
    assert (done.returncode, done.stderr) == (0, b"")
    assert is_sanitized(json.loads(done.stdout))


def test_a_name_that_a_later_line_tells_is_replaced_in_the_lines_of_its_trace_and_in_no_others() -> None:
    def line(trace: str, **attributes: Any) -> bytes:
        return json.dumps({"attributes": {"trace_id": trace, "span_id": "1", **attributes}}).encode()

    said = {"input": {"value": "Jane Doe waits"}}
    lines = [line("12ab", **said), line("12ab", tags=["user.name:Jane Doe"]), line("34cd", **said)]
    first, _, other = sanitized(b"\n".join(lines))
    assert re.fullmatch(r"\[PERSON_\w{6}\] \[PERSON_\w{6}\] waits", first["attributes"]["input"]["value"])
    assert other["attributes"]["input"] == said["input"]
