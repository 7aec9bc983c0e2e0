"""Hold Terraform files to the published schema of the provider for Google, without the provider.

    python -m scripts.terraform_schema [FOLDER]

The schema is that of npm's `@cdktf/provider-google`, whose interfaces are made from it: each resource's arguments,
their types, which are required, and which blocks may be repeated. Terraform itself can neither `validate` nor `init`
where the provider cannot be had. Needs npm and node; what they fetch is kept in the user's cache.
"""

import hashlib
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
from platformdirs import user_cache_path

ROOT = Path(__file__).parents[1]
PINS = ROOT / "deploy" / "terraform" / "schema"
META = frozenset({"count", "depends_on", "for_each", "lifecycle", "provider"})
"""Arguments that Terraform itself gives every resource."""
READ = """
const { parse } = require("@cdktf/hcl2json"), fs = require("fs");
const read = async (path) => [path, await parse(path, fs.readFileSync(path, "utf8"))];
Promise.all(process.argv.slice(1).map(read)).then((all) => console.log(JSON.stringify(Object.fromEntries(all))))
  .catch((error) => { console.error(String(error)); process.exit(1); });
"""
REFERENCE = re.compile(r"\b(google_[a-z0-9_]+)\.([a-z][a-z0-9_]*)(?:\[[^\]]*\])?(?:\.([a-z_]+))?")


class NotInstalled(Exception):
    """What the check needs is not here; says what."""


class Property(msgspec.Struct):
    """An argument, or what a resource tells."""

    name: str
    type: Any
    optional: bool = False


class Described(msgspec.Struct):
    """An interface or class of the package."""

    properties: list[Property] = []


class Package(msgspec.Struct):
    """What of the package's description is read."""

    types: dict[str, Described]


class Kind(NamedTuple):
    """What an argument takes: `block` is the interface of its body, `many` whether there may be several of it."""

    word: str
    block: str | None = None
    many: bool = False


class Schema:
    """What each resource takes and tells."""

    def __init__(self, package: Package) -> None:
        self._types = package.types
        self._resources = {name.rpartition(".")[2]: name for name in package.types}

    def arguments(self, resource: str) -> dict[str, Property] | None:
        """By their names in Terraform; None where there is no such resource."""
        found = self._resources.get(f"{_pascal(resource)}Config")
        return None if found is None else self.of(found)

    def told(self, resource: str) -> frozenset[str]:
        """What can be asked of a resource."""
        return (
            frozenset(self.of(self._resources[_pascal(resource)]))
            if _pascal(resource) in self._resources
            else frozenset()
        )

    def of(self, name: str) -> dict[str, Property]:
        """The properties of an interface or class."""
        return {_snake(one.name): one for one in self._types[name].properties}

    def kind(self, given: Any) -> Kind:
        """Of a type as the package writes it."""
        if "union" in given:
            kinds = [self.kind(one) for one in given["union"]["types"] if "IResolvable" not in str(one.get("fqn"))]
            return kinds[0]
        if "collection" in given:
            element = self.kind(given["collection"]["elementtype"])
            if given["collection"]["kind"] == "map":
                return Kind("map")
            return Kind("block", element.block, many=True) if element.block else Kind("list")
        return Kind("block", given["fqn"]) if "fqn" in given else Kind(given["primitive"])


def schema() -> Schema:
    """The pinned package's. Raises NotInstalled."""
    described = _installed() / "node_modules" / "@cdktf" / "provider-google" / ".jsii"
    return Schema(msgspec.json.decode(described.read_bytes(), type=Package))


def parsed(folder: Path) -> dict[str, Any]:
    """Each file of the folder by its name, as JSON. Raises NotInstalled, or CalledProcessError for what is no HCL."""
    files = [str(path.resolve()) for path in sorted(folder.glob("*.tf"))]
    done = subprocess.run(["node", "-e", READ, *files], cwd=_installed(), check=True, capture_output=True, text=True)
    return {Path(path).name: content for path, content in json.loads(done.stdout).items()}


def findings(files: dict[str, Any], known: Schema) -> Iterator[str]:
    """A line for each thing that the provider would refuse, or that is named and not there."""
    declared = {
        kind: {name for content in files.values() for name in content.get("resource", {}).get(kind, {})}
        for content in files.values()
        for kind in content.get("resource", {})
    }
    for file, content in files.items():
        for kind, named in content.get("resource", {}).items():
            for name, bodies in named.items():
                where = f"{file}: {kind}.{name}"
                arguments = known.arguments(kind)
                if arguments is None:
                    yield f"{where}: there is no such resource"
                    continue
                for body in bodies:
                    own = {argument: value for argument, value in body.items() if argument not in META}
                    yield from _in_block(where, own, arguments, known)
        for kind, name, attribute in set(REFERENCE.findall(json.dumps(content))):
            if name not in declared.get(kind, set()):
                yield f"{file}: {kind}.{name} is not declared"
            elif attribute and attribute not in known.told(kind):
                yield f"{file}: {kind}.{name} tells no {attribute}"


def _in_block(where: str, body: dict[str, Any], arguments: dict[str, Property], known: Schema) -> Iterator[str]:
    dynamic = body.get("dynamic", {})
    present = {name: value for name, value in body.items() if name != "dynamic"}
    for name in sorted({argument for argument, one in arguments.items() if not one.optional}):
        if name not in present and name not in dynamic:
            yield f"{where}: the required argument {name} is missing"
    for name, value in present.items():
        if name not in arguments:
            yield f"{where}: unknown argument {name}"
        else:
            yield from _in_argument(f"{where}.{name}", value, known.kind(arguments[name].type), known)
    for name, blocks in dynamic.items():
        if name not in arguments or known.kind(arguments[name].type).block is None:
            yield f"{where}: unknown block {name}"
            continue
        contents = [content for block in blocks for content in block["content"]]
        yield from _in_blocks(f"{where}.{name}", contents, known.kind(arguments[name].type), known)


def _in_argument(where: str, value: Any, kind: Kind, known: Schema) -> Iterator[str]:
    is_block = isinstance(value, list) and all(isinstance(one, dict) for one in value) and value
    if kind.block is not None:
        if not is_block:
            yield f"{where}: a block, not a value"
            return
        if len(value) > 1 and not kind.many:
            yield f"{where}: {len(value)} blocks, and there may be one"
        yield from _in_blocks(where, value, kind, known)
    elif not _fits(value, kind.word):
        yield f"{where}: {json.dumps(value)[:60]} is no {kind.word}"


def _in_blocks(where: str, blocks: list[dict[str, Any]], kind: Kind, known: Schema) -> Iterator[str]:
    assert kind.block is not None
    for block in blocks:
        yield from _in_block(where, block, known.of(kind.block), known)


def _fits(value: Any, word: str) -> bool:
    """Whether Terraform could take the literal for it; what an expression gives is not known here."""
    if isinstance(value, str) and "${" in value:
        return True
    match word:
        case "string":
            return isinstance(value, str | int | float)
        case "number":
            return (isinstance(value, int | float) and not isinstance(value, bool)) or str(value).isdecimal()
        case "boolean":
            return value in (True, False, "true", "false")
        case "map":
            return isinstance(value, dict)
        case _:
            return isinstance(value, list)


def _installed() -> Path:
    """Where the pinned packages are, fetched if need be."""
    if not (shutil.which("npm") and shutil.which("node")):
        raise NotInstalled("npm and node are not installed")
    pins = {path.name: path.read_bytes() for path in sorted(PINS.glob("*.json"))} | {
        ".npmrc": (PINS / ".npmrc").read_bytes()
    }
    digest = hashlib.sha256(b"\0".join(pins.values())).hexdigest()[:16]
    folder = user_cache_path("evalforge") / "terraform-schema" / digest
    if not (folder / "complete").exists():
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in pins.items():
            (folder / name).write_bytes(content)
        done = subprocess.run(["npm", "ci"], cwd=folder, check=False, capture_output=True, text=True)
        if done.returncode:
            raise NotInstalled(f"npm could not install the schema: {done.stderr.strip().splitlines()[-1:]}")
        (folder / "complete").touch()
    return folder


def _pascal(name: str) -> str:
    return "".join(part.capitalize() for part in name.removeprefix("google_").split("_"))


def _snake(name: str) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()


def main() -> None:
    """Exit code 1 with the findings; 0 with a loud line where the check cannot be made."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else PINS.parent
    try:
        files = parsed(folder)
        found = list(findings(files, schema()))
    except NotInstalled as error:
        print(f"NOT CHECKED: {folder} was not held to the provider's schema: {error}", file=sys.stderr)
        return
    except subprocess.CalledProcessError as error:
        sys.exit(error.stderr.strip())
    resources = sum(len(named) for content in files.values() for named in content.get("resource", {}).values())
    print(*found, f"{resources} resources held to the provider's schema, {len(found)} findings", sep="\n")
    sys.exit(1 if found else 0)


if __name__ == "__main__":
    main()
