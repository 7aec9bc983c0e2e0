"""The documents are held to the code: commands, settings, exit codes, fields, caps, names of tests, links, output."""

import ast
import re
import shlex
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args
from urllib.parse import urlsplit

import msgspec
import pytest
from typer.main import get_command

from evalforge import __version__, models
from evalforge.cli import INTERRUPTED
from evalforge.cli.application import app
from evalforge.common import errors
from evalforge.common.clock import SystemClock
from evalforge.common.config import OTHER_NAMES, SECRETS, Settings
from evalforge.ingestion.custom_rules import MAX_PATTERN_CHARS, MOST_RECOGNIZERS
from evalforge.ingestion.pii.not_covered import ALWAYS, WITHOUT_NER
from evalforge.ingestion.pii.text.checks import CHECKS
from evalforge.ingestion.pii.text.recognizers import FIELDS, REQUIRED
from evalforge.sandbox.replay import expected_traffic, replay
from evalforge.sandbox.server import running
from helpers.commands import RULE_CACHE, environment, evalforge

ROOT = Path(__file__).parents[2]
SPECS = ROOT / "specs" / "001-capture-datadog-failures"
README = ROOT / "README.md"
DOCUMENTS = sorted(
    [README, ROOT / "CHANGELOG.md", *(ROOT / "docs").rglob("*.md"), *(ROOT / "specs").rglob("*.md")],
    key=lambda path: path.as_posix(),
)
DDTRACE_NAMES = {"DD_TRACE_AGENT_URL", "DD_LLMOBS_ENABLED", "DD_LLMOBS_ML_APP", "DD_LLMOBS_AGENTLESS_ENABLED"}
"""Settings of Datadog's tracer, for the sandbox."""
LIVE_NAMES = {"EVALFORGE_LIVE_STORE"}
"""What the live tests read besides."""
HOSTS = {"127.0.0.1", "api.", "docs.datadoghq.com", "keepachangelog.com", "semver.org"}
"""Hosts that documents may name in a URL."""
MACHINE_PATH = re.compile(r"(?<![\w.~$}])/(?:work|root|home|Users|tmp|mnt|private)/")
FENCE = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
CODE = re.compile(r"`([^`\n]+)`")
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
SETTING = re.compile(r"\b(?:EVALFORGE|DD|DATADOG|FIRESTORE)_[A-Z][A-Z_]*[A-Z]\b")
TEST_NAME = re.compile(r"(tests/[\w/]+\.py)(?:::(\w+))?")
COMMAND = re.compile(r"(?:^|[\s/])evalforge((?: .*)?)$")

OTHERS = {"K_SERVICE", "K_REVISION", "PORT", "GOOGLE_CLOUD_PROJECT", "SECRET_MANAGER_EMULATOR_HOST"}
"""Settings of other programs, which the table alone must have."""

every_document = pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.relative_to(ROOT).as_posix())


def text_of(document: Path) -> str:
    return document.read_text(encoding="utf-8")


def code_in(text: str) -> Iterator[str]:
    """Each line of a shell block, and each piece of code within a sentence or table."""
    for kind, block in FENCE.findall(text):
        if kind == "sh":
            yield from block.replace("\\\n", " ").splitlines()
    for piece in CODE.findall(FENCE.sub("", text)):
        yield piece.replace("\\|", "|")


def table_after(text: str, head: str) -> list[list[str]]:
    """The cells of the rows of the table whose head line begins so."""
    lines = iter(text.splitlines())
    for line in lines:
        if line.startswith(head):
            break
    else:
        raise AssertionError(f"no table begins with {head!r}")
    rows = []
    for line in lines:
        if not line.startswith("|"):
            break
        rows.append([cell.strip().replace("\\|", "|") for cell in re.split(r"(?<!\\)\|", line)[1:-1]])
    return rows[1:]


# Commands


def mentioned_commands(text: str) -> Iterator[list[str]]:
    """The words after `evalforge` of each command in the code of a document, up to a pipe, comment or redirection."""
    for code in code_in(text):
        found = COMMAND.search(code.partition(" #")[0])
        if found is None or code.startswith("src/") or "gcloud " in code:  # tests/unit/test_gcloud_commands.py
            continue
        line = re.sub(r"[\[\]]", " ", found[1])
        yield shlex.split(re.split(r"\s(?:[|<;]|&&|\d?>)", line)[0].rstrip("\"'"))


def wrong_in(words: list[str]) -> str | None:
    """What of the command does not exist; None if all of it does."""
    command: Any = get_command(app)
    known = global_flags = flags_of(command)
    words = list(words)
    while words:
        word = words.pop(0)
        if word.startswith("-") and word != "-":
            if word not in known:
                return f"no flag {word}"
            if known[word] is not None and (not words or re.match("-.", words.pop(0))):
                return f"{word} takes a value"
        elif getattr(command, "commands", None):
            if word not in command.commands:
                return f"no command {word}"
            command = command.commands[word]
            known = flags_of(command) | global_flags
        elif not any(parameter.param_type_name == "argument" for parameter in command.params):
            return f"an argument too many: {word}"
    return None


def flags_of(command: Any) -> dict[str, str | None]:
    """Each flag, and what it takes (None: nothing)."""
    options = [one for one in command.params if one.param_type_name == "option"]
    flags = {flag: None if one.is_flag else one.name for one in options for flag in one.opts}
    return {"--help": None, **flags}


@every_document
def test_every_command_and_flag_exists(document: Path) -> None:
    found = list(mentioned_commands(text_of(document)))
    assert {" ".join(words): wrong_in(words) for words in found if wrong_in(words)} == {}


def test_the_check_of_commands_sees_what_does_not_exist() -> None:
    text = "`evalforge upload` `evalforge capture --fast` `evalforge runs list --limit` `evalforge demo now`\n"
    text += "```sh\nA=b .venv/bin/evalforge captures drop | cat\nevalforge capture --json\n```\n"
    wrong = [wrong_in(words) for words in mentioned_commands(text)]
    assert wrong == [
        "no command drop",
        None,
        "no command upload",
        "no flag --fast",
        "--limit takes a value",
        "an argument too many: now",
    ]


def test_the_readme_names_every_command_with_every_flag() -> None:
    told: dict[str, set[str]] = {}
    for cell in (row[0] for row in table_after(text_of(README), "| Command |")):
        for words in mentioned_commands(cell):
            path = [word for word in words if word.islower() and not word.startswith("-")]
            name = " ".join(path[: 2 if path[0] in ("captures", "runs", "dead-letters", "pii") else 1])
            told.setdefault(name, set()).update(word for word in words if word.startswith("--"))
    assert told == dict(real_commands(get_command(app)))


def real_commands(command: Any, path: str = "") -> Iterator[tuple[str, set[str]]]:
    if not path or getattr(command, "commands", None):
        for name, inner in command.commands.items():
            yield from real_commands(inner, f"{path} {name}".strip())
    else:
        yield path, {flag for flag in flags_of(command) if flag.startswith("--")} - {"--help"}


def test_every_make_verb_exists() -> None:
    verbs = set(re.findall(r"^([a-z-]+):", text_of(ROOT / "Makefile"), re.MULTILINE))
    said = {
        found[1]
        for document in DOCUMENTS
        for code in code_in(text_of(document))
        if (found := re.match(r"make ([\w-]+)", code))
    }
    assert said
    assert said - verbs == set()


# Settings


def known_settings() -> set[str]:
    names = {str(field.alias) for field in Settings.model_fields.values()}
    return names | {f"{secret}_FILE" for secret in SECRETS} | set(OTHER_NAMES)


@every_document
def test_every_setting_exists(document: Path) -> None:
    assert set(SETTING.findall(text_of(document))) - known_settings() - DDTRACE_NAMES - LIVE_NAMES == set()


def test_the_readmes_table_has_every_setting_with_its_default_and_what_is_accepted() -> None:
    told = {name: (default, accepted) for name, default, accepted, _ in table_after(text_of(README), "| Setting |")}
    real = {f"`{field.alias}`": (shown(field.default), field.description) for field in Settings.model_fields.values()}
    assert told == real


def shown(default: object) -> str:
    """A default as the table has it; nothing where the setting is not set."""
    if isinstance(default, tuple):
        default = ",".join(default)
    if default in (None, "", False):
        return ""
    return f"`{default:g}`" if isinstance(default, float) else f"`{default}`"


def test_the_readme_names_every_twin_and_alias() -> None:
    missing = known_settings() - set(SETTING.findall(text_of(README))) - OTHERS
    assert missing == set()


# Exit codes


def test_the_exit_codes_are_those_of_the_code() -> None:
    told = {int(code): meaning for code, meaning, _ in table_after(text_of(README), "| Exit code |")}
    known = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, Exception)]
    assert set(told) == {0, INTERRUPTED} | {kind.exit_code for kind in known}
    assert "unexpected" in told[errors.EvalForgeError.exit_code]
    assert "store" in told[errors.StoreError.exit_code]
    assert "setting" in told[errors.ConfigurationError.exit_code]
    assert "partial" in told[errors.PartialRun.exit_code]
    assert "keys" in told[errors.CredentialsRejected.exit_code]
    assert "another run" in told[errors.LeaseHeld.exit_code]


# The data model


def described_nouns() -> dict[str, list[str]]:
    """The fields of each noun in the data model, in order."""
    text = text_of(SPECS / "data-model.md")
    return {
        section.split("\n", 1)[0]: [row[0].strip("`") for row in table_after(section, "| Field |")]
        for section in re.split(r"^### ", text.split("## Laws")[0], flags=re.MULTILINE)[1:]
    }


def test_the_data_model_has_every_noun_with_every_field() -> None:
    nouns = [kind for kind in vars(models).values() if isinstance(kind, type) and issubclass(kind, msgspec.Struct)]
    real = {
        kind.__name__: list(kind.__struct_fields__) for kind in nouns if kind.__module__.startswith(models.__name__)
    }
    assert described_nouns() == real


def test_the_data_model_has_every_table_of_the_store() -> None:
    schema = "".join(text_of(path) for path in sorted((ROOT / "src/evalforge/storage").glob("schema_*.sql")))
    real = {
        name: re.findall(r"^  (\w+)", body, re.MULTILINE)
        for name, body in re.findall(r"CREATE TABLE (\w+) \((.*?)^\);", schema, re.MULTILINE | re.DOTALL)
    }
    rows = table_after(text_of(SPECS / "data-model.md"), "| Table |")
    assert {name.strip("`"): CODE.findall(columns) for name, columns in rows} == real


def test_the_caps_are_those_of_the_code() -> None:
    source = "\n".join(text_of(path) for path in sorted((ROOT / "src/evalforge/ingestion").rglob("*.py")))
    for name, value, _ in table_after(text_of(SPECS / "data-model.md"), "| Cap |"):
        real = re.findall(rf"^{name.strip('`')} = ([\d_]+)$", source, re.MULTILINE)
        assert value in {number.replace("_", "") for number in real}, name


def test_the_rules_page_has_every_type_severity_and_key() -> None:
    rows = {
        key.strip("`"): accepted for key, _, accepted in table_after(text_of(ROOT / "docs/failure-rules.md"), "| Key |")
    }
    assert tuple(CODE.findall(rows["type"])) == models.FAILURE_TYPES
    assert tuple(CODE.findall(rows["severity"])) == models.SEVERITIES
    built_in = tomllib.loads(text_of(ROOT / "src/evalforge/ingestion/failure_rules.toml"))
    assert set(rows) == {key for rule in built_in["rule"] for key in rule}


def test_the_page_of_custom_rules_has_every_field_and_check_and_the_caps() -> None:
    text = text_of(ROOT / "docs/custom-rules.md")
    rows = {field.strip("`"): needed for field, needed, _ in table_after(text, "| Field |")}
    assert set(rows) == FIELDS
    assert [field for field, needed in rows.items() if needed == "yes"] == list(REQUIRED)
    told = re.search(r"A check is one of: (.*?)\.\n", text, re.DOTALL)
    assert told is not None
    assert CODE.findall(told[1]) == sorted(CHECKS)
    assert f"at most {MAX_PATTERN_CHARS:,} characters" in text
    assert f"There may be {MOST_RECOGNIZERS}" in text


def test_the_report_page_has_every_field_of_a_run() -> None:
    rows = table_after(text_of(ROOT / "docs/report.md"), "| Field |")
    told = {name.removeprefix("tally.") for field, _ in rows for name in CODE.findall(field)}
    assert told == set(models.IngestionRun.__struct_fields__) - {"tally"} | set(models.Tally.__struct_fields__)
    outcomes = next(what for field, what in rows if field == "`outcome`")
    assert tuple(CODE.findall(outcomes)) == get_args(models.Outcome)


# Names, links, places


@every_document
def test_every_test_that_is_named_exists(document: Path) -> None:
    missing = [
        f"{file}::{name}"
        for file, name in TEST_NAME.findall(text_of(document))
        if not (ROOT / file).is_file() or (name and name not in names_in(ROOT / file))
    ]
    assert missing == []


def names_in(file: Path) -> set[str]:
    return {node.name for node in ast.parse(text_of(file)).body if isinstance(node, ast.FunctionDef)}


def test_each_principle_and_requirement_names_a_test_that_holds_it() -> None:
    principles = table_after(text_of(SPECS / "plan.md"), "| Principle |")
    requirements = table_after(text_of(SPECS / "spec.md"), "| Id |")
    assert len(principles) == 7
    assert [row[0] for row in requirements] == [f"FR-{number:03}" for number in range(1, len(requirements) + 1)]
    for row in principles + requirements:
        assert any(name for _, name in TEST_NAME.findall(row[2])), row[0]


@every_document
def test_every_relative_link_resolves(document: Path) -> None:
    broken = []
    for link in LINK.findall(FENCE.sub("", text_of(document))):
        if urlsplit(link).scheme:
            continue
        path, _, anchor = link.partition("#")
        target = (document.parent / path).resolve() if path else document
        if not target.exists() or (anchor and anchor not in anchors_of(target)):
            broken.append(link)
    assert broken == []


def anchors_of(document: Path) -> set[str]:
    """The anchors of a document's headings, as code hosts make them."""
    headings = re.findall(r"^#+ (.+)$", FENCE.sub("", text_of(document)), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@every_document
def test_no_document_names_this_machine_or_a_host_that_is_not_meant_to_be_there(document: Path) -> None:
    text = text_of(document)
    assert MACHINE_PATH.findall(text) == []
    assert {urlsplit(url).hostname or "" for url in re.findall(r"https?://[\w.\-:]+", text)} <= HOSTS


def test_the_changelogs_newest_version_is_the_codes() -> None:
    versions = re.findall(r"^## \[(\d+\.\d+\.\d+)\] - \d{4}-\d\d-\d\d$", text_of(ROOT / "CHANGELOG.md"), re.MULTILINE)
    assert versions[0] == __version__


# Output


def test_the_demos_output_in_the_readme_is_what_the_demo_prints(tmp_path: Path) -> None:
    """Every line of the block but those with `…`, which differ on each machine; spaces do not count."""
    block = re.search(r"<!-- demo -->\n```text\n(.*?)^```", text_of(README), re.MULTILINE | re.DOTALL)
    assert block is not None
    env = environment(tmp_path / "unused.db", HOME=str(tmp_path), XDG_DATA_HOME=str(tmp_path), **RULE_CACHE)
    done = evalforge("demo", env=env)
    assert done.code == 0, done.err
    printed = {" ".join(line.split()) for line in done.out.splitlines()}
    told = [" ".join(line.split()) for line in block[1].splitlines() if "…" not in line]
    assert [line for line in told if line not in printed] == []


def test_what_the_readme_says_of_a_default_run_over_the_demos_traffic_is_so(tmp_path: Path) -> None:
    with running() as sandbox:
        replay(sandbox.url, SystemClock().now())
        tally = evalforge("capture", env=environment(tmp_path / "store.db", sandbox.url)).report["tally"]
    said = f"{tally['spans_seen']} spans instead of 2,012 here, and {tally['captures_created']} of the "
    assert said + f"{len(expected_traffic().failing)} traces" in " ".join(text_of(README).split())


# What is not covered


def test_the_readme_says_what_is_not_covered_in_the_words_of_doctor() -> None:
    text = " ".join(text_of(README).partition("**What is not covered.**")[2].split())
    assert [line for line in (*WITHOUT_NER, *ALWAYS) if line not in text] == []
