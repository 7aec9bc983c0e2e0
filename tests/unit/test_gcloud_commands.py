"""Every gcloud command in the documents and scripts is one that gcloud knows, with flags and choices that it takes.

gcloud ships a table of all of them, for completion on the command line.
"""

import ast
import re
import shlex
import shutil
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
QUICKSTART = ROOT / "deploy" / "quickstart.sh"
PLACES = [QUICKSTART, ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
TABLE = "data/cli/gcloud_completions.py"
COMMAND = re.compile(r"(?:^|[\s(`;|])gcloud ([a-z][^`\n]*)")
CODE = re.compile(r"^```sh\n(.*?)^```|`([^`\n]+)`", re.MULTILINE | re.DOTALL)
APPENDED = re.compile(r"(\w+)\+=\((.*?)\)")
ENDS = {"|", "||", "&&", ";", ";;", ">", "<", ">>", "&", ")"}


@cache
def tree() -> dict[str, Any]:
    """The commands of the installed gcloud, each with its flags and what they take."""
    found = shutil.which("gcloud")
    table = Path(found).resolve().parents[1] / TABLE if found else None
    if table is None or not table.is_file():
        pytest.skip("gcloud is not installed, or without its table of commands")
    return ast.literal_eval(table.read_text(encoding="utf-8").partition("STATIC_COMPLETION_CLI_TREE = ")[2])


def code_of(place: Path) -> str:
    """A script without its comments, or the code of a document."""
    text = place.read_text(encoding="utf-8")
    if place.suffix == ".sh":
        return re.sub(r"^\s*#.*$", "", text, flags=re.MULTILINE)
    return "\n".join(block or piece for block, piece in CODE.findall(text))


def commands_in(text: str) -> Iterator[list[str]]:
    """The words after `gcloud` of each command, up to where the shell ends it."""
    text = text.replace("\\\n", " ")
    lists = dict(APPENDED.findall(text))
    text = re.sub(r'"\$\{(\w+)\[@\]\}"', lambda found: lists.get(found[1], ""), text)
    for command in COMMAND.findall(text):
        lexer = shlex.shlex(command.replace('\\"', "'"), posix=True, punctuation_chars=True)
        lexer.whitespace_split, lexer.commenters = True, "#"
        words: list[str] = []
        while (word := next_word(lexer)) is not None and word not in ENDS:
            words.append(word)
        yield words


def next_word(lexer: shlex.shlex) -> str | None:
    try:
        return lexer.get_token()
    except ValueError:  # a quote that ends outside, as in "$(gcloud auth print-identity-token)"
        return None


def wrong_in(words: list[str]) -> str | None:
    """What of the command gcloud would not take; None if it takes all of it."""
    command, path = tree(), ["gcloud"]
    words = list(words)
    while words and words[0] in command["commands"]:
        path.append(words.pop(0))
        command = command["commands"][path[-1]]
    if command["commands"]:
        return f"{' '.join(path)}: no command {' '.join(words[:1])}"
    flags = tree()["flags"] | command["flags"]
    while words:
        word = words.pop(0)
        if not word.startswith("--"):
            continue
        name, given, value = word.partition("=")
        takes = flags.get(name, "bool" if flags.get(name.replace("--no-", "--", 1)) == "bool" else None)
        if takes is None:
            return f"{' '.join(path)}: no flag {name}"
        if (takes == "bool") and given:
            return f"{' '.join(path)}: {name} takes no value"
        if takes != "bool" and not given and (not words or words.pop(0).startswith("--")):
            return f"{' '.join(path)}: {name} takes a value"
        if isinstance(takes, list) and "$" not in value and value not in takes:
            return f"{' '.join(path)}: {name} takes one of {takes}, not {value}"
    return None


@pytest.mark.parametrize("place", PLACES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_gcloud_knows_every_command_with_its_flags(place: Path) -> None:
    found = list(commands_in(code_of(place)))
    assert {" ".join(words): wrong for words in found if (wrong := wrong_in(words))} == {}


def test_every_command_is_looked_at() -> None:
    assert len(list(commands_in(code_of(QUICKSTART)))) == len(re.findall(r"\bgcloud [a-z]", code_of(QUICKSTART))) > 20
    document = code_of(ROOT / "docs" / "deploy.md")
    assert len(list(commands_in(document))) == len(re.findall(r"\bgcloud [a-z]", document)) > 9


def test_what_gcloud_does_not_take_is_seen() -> None:
    text = "gcloud run deploi x\nquietly gcloud run deploy x --regin=y ||\n  gcloud run deploy x --cpu-boost=1 | cat\n"
    text += 'gcloud run deploy x --image --region=y\na+=(--fild=1)\nB=$(gcloud run deploy x "${a[@]}")\n'
    text += "gcloud firestore databases create --type=native --location=x\ngcloud run deploy x --no-cpu-boost --cpu 1\n"
    assert [wrong_in(words) for words in commands_in(text)] == [
        "gcloud run: no command deploi",
        "gcloud run deploy: no flag --regin",
        "gcloud run deploy: --cpu-boost takes no value",
        "gcloud run deploy: --image takes a value",
        "gcloud run deploy: no flag --fild",
        "gcloud firestore databases create: --type takes one of ['datastore-mode', 'firestore-native'], not native",
        None,
    ]
