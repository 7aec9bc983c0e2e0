"""The only reader of the environment: typed settings, secrets masked, refusals that name setting, value and choice."""

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

from platformdirs import user_cache_path, user_data_path
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, ValidationError

from evalforge.common.errors import ConfigurationError
from evalforge.common.listening import is_loopback

SECRETS = ("DD_API_KEY", "DD_APP_KEY", "EVALFORGE_HASH_KEY")
SECRET_MANAGER_NAME = re.compile(r"projects/[^/]+/secrets/[^/]+/versions/[^/]+\Z")
OTHER_NAMES = {"DATADOG_API_KEY": "DD_API_KEY", "DATADOG_APP_KEY": "DD_APP_KEY", "DATADOG_SITE": "DD_SITE"}
"""Names of Datadog's own tools that mean the same."""
READ_AS_IT_IS = "FIRESTORE_EMULATOR_HOST"
"""Google's client reads it too, and takes a blank one for an address."""
FIRESTORE = re.compile(
    r"(?P<project>(?:[a-z0-9.-]+:)?[a-z][a-z0-9-]{4,28}[a-z0-9])"
    r"(?:/(?P<database>\(default\)|[a-z][a-z0-9-]{2,61}[a-z0-9]))?/?\Z"
)
"""Project ids: Resource Manager, "Creating and managing projects". Database ids: Firestore, "Manage databases"."""
COLLECTION_PREFIX = re.compile(r"(?!__)[A-Za-z0-9_-]{1,100}\Z")
HOST_AND_PORT = re.compile(r"(?:[A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\]):(?P<port>[0-9]{1,5})\Z")
HIGHEST_PORT = 65_535
HIGHEST_THRESHOLD = 1_000_000
"""No score beyond it is kept (`ingestion.pii.checks`)."""
LARGEST_SECRET_FILE = 65_536
LONGEST_VALUE_SHOWN = 200
HASH_KEY_BYTES = 32
BASE_URL = re.compile(
    r"https?://(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?(?:\.[A-Za-z0-9-]+)*)"
    r"(?::(?P<port>[0-9]{1,5}))?(?:/[A-Za-z0-9._~/-]*)?"
)
MAX_LOOKBACK_HOURS = 72.0
"""Further back is a backfill (design, "One run", step 2)."""


def _comma_list(value: object) -> object:
    return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value


def _long_enough(key: SecretStr) -> SecretStr:
    if len(key.get_secret_value().encode()) < HASH_KEY_BYTES:
        raise ValueError("too short")
    return key


def _site(site: str) -> str:
    if not re.fullmatch(r"[a-z0-9-]+(\.[a-z0-9-]+)+", site):
        raise ValueError("no site")
    return site


def _base_url(url: str) -> str:
    found = BASE_URL.fullmatch(url)
    if found is None or int(found["port"] or 0) > HIGHEST_PORT:
        raise ValueError("no base URL")
    return url.rstrip("/")


def _collection_prefix(prefix: str) -> str:
    if not COLLECTION_PREFIX.match(prefix):
        raise ValueError("no prefix")
    return prefix


def _host_and_port(address: str) -> str:
    found = HOST_AND_PORT.match(address)
    if found is None or not 0 < int(found["port"]) <= HIGHEST_PORT:
        raise ValueError("no host and port")
    return address


def _one_word(key: SecretStr) -> SecretStr:
    text = key.get_secret_value()
    if not text.isascii() or not text.isprintable() or " " in text:
        raise ValueError("no key")
    return key


Key = Annotated[SecretStr, AfterValidator(_one_word)]
CommaList = Annotated[tuple[str, ...], BeforeValidator(_comma_list)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class FirestoreDatabase(NamedTuple):
    """A database in a Google Cloud project."""

    project: str
    database: str


class Settings(BaseModel):
    """What the environment says. Each field's description is what is accepted, for messages and documents alike."""

    model_config = ConfigDict(frozen=True, hide_input_in_errors=True)

    api_key: Key | None = Field(None, alias="DD_API_KEY", description="a Datadog API key")
    app_key: Key | None = Field(
        None, alias="DD_APP_KEY", description="a Datadog application key with the permission llm_observability_read"
    )
    site: Annotated[str, AfterValidator(_site)] = Field(
        "datadoghq.com", alias="DD_SITE", description="a Datadog site such as datadoghq.eu or us5.datadoghq.com"
    )
    datadog_url: Annotated[str, AfterValidator(_base_url)] | None = Field(
        None, alias="EVALFORGE_DATADOG_URL", description="an http or https URL without credentials, query or fragment"
    )
    store: str | None = Field(
        None, alias="EVALFORGE_STORE", description="sqlite:///absolute/path.db or firestore://PROJECT[/DATABASE]"
    )
    collection_prefix: Annotated[str, AfterValidator(_collection_prefix)] = Field(
        "evalforge_",
        alias="FIRESTORE_COLLECTION_PREFIX",
        description="letters, digits, _ and -, at most 100, not beginning with __",
    )
    firestore_emulator: Annotated[str, AfterValidator(_host_and_port)] | None = Field(
        None, alias="FIRESTORE_EMULATOR_HOST", description="host:port, without a scheme"
    )
    ml_apps: CommaList = Field((), alias="EVALFORGE_ML_APPS", description="names of ml_apps with commas between them")
    scope: str | None = Field(None, alias="EVALFORGE_SCOPE", description="a Datadog query such as service:support-api")
    evaluators: CommaList = Field(
        (), alias="EVALFORGE_EVALUATORS", description="names of evaluators with commas between them"
    )
    lookback_hours: float = Field(
        24.0,
        alias="EVALFORGE_LOOKBACK_HOURS",
        gt=0,
        le=MAX_LOOKBACK_HOURS,
        description="hours, above 0 and at most 72 (`evalforge backfill` reads further back)",
    )
    deep_lookback_hours: float = Field(
        72.0,
        alias="EVALFORGE_DEEP_LOOKBACK_HOURS",
        ge=0,
        le=MAX_LOOKBACK_HOURS,
        description="hours, 0 (off) to 72",
    )
    quality_threshold: float = Field(
        0.5,
        alias="EVALFORGE_QUALITY_THRESHOLD",
        ge=-HIGHEST_THRESHOLD,
        le=HIGHEST_THRESHOLD,
        allow_inf_nan=False,
        description="a number from -1000000 to 1000000",
    )
    quality_evaluators: CommaList = Field(
        ("quality", "quality_score"),
        alias="EVALFORGE_QUALITY_EVALUATORS",
        description="names of score evaluators with commas between them",
    )
    rules: Path | None = Field(None, alias="EVALFORGE_RULES", description="a path to a TOML file of failure rules")
    hash_key: Annotated[SecretStr, AfterValidator(_long_enough)] | None = Field(
        None, alias="EVALFORGE_HASH_KEY", description="at least 32 bytes, kept secret"
    )
    text: Literal["redact", "withhold"] = Field("redact", alias="EVALFORGE_TEXT", description="redact or withhold")
    ner: Literal["off", "on"] = Field("off", alias="EVALFORGE_NER", description="off or on")
    page_limit: Annotated[int, Field(ge=1, le=5000)] | Literal["auto"] = Field(
        100, alias="EVALFORGE_PAGE_LIMIT", description="a whole number from 1 to 5000, or auto"
    )
    requests_per_minute: Positive = Field(200.0, alias="EVALFORGE_REQUESTS_PER_MINUTE", description="a number above 0")
    max_calls: Positive = Field(2500.0, alias="EVALFORGE_MAX_CALLS", description="a number above 0")
    deadline_seconds: Positive = Field(
        810.0, alias="EVALFORGE_DEADLINE_SECONDS", description="a number of seconds above 0"
    )
    lease_seconds: float = Field(
        120.0,
        alias="EVALFORGE_LEASE_SECONDS",
        gt=0,
        le=86_400,
        description="a number of seconds above 0 and at most 86400",
    )
    scan: Literal["failures", "all"] = Field("failures", alias="EVALFORGE_SCAN", description="failures or all")
    auth: Literal["none", "cloud-run"] | None = Field(
        None, alias="EVALFORGE_AUTH", description="none or cloud-run (oidc comes with a later version)"
    )
    port: int = Field(
        8080, alias="PORT", ge=0, le=HIGHEST_PORT, description="a whole number from 0 to 65535; set by Cloud Run"
    )
    context: Literal["chain", "none"] = Field("chain", alias="EVALFORGE_CONTEXT", description="chain or none")
    on_cloud_run: bool = Field(default=False, alias="K_SERVICE", description="set by Cloud Run")

    @property
    def base_url(self) -> str:
        """Where Datadog's API is."""
        return self.datadog_url or f"https://api.{self.site}"

    @property
    def firestore(self) -> FirestoreDatabase | None:
        """The database, if the store is Firestore. Raises ConfigurationError where none is named as it should be."""
        scheme, separator, place = (self.store or "").partition("://")
        if scheme != "firestore" or not separator:
            return None
        found = FIRESTORE.match(place)
        if found is None:
            raise ConfigurationError(f"EVALFORGE_STORE={_masked(self.store)}: accepted is {_accepted('store')}")
        return FirestoreDatabase(found["project"], found["database"] or "(default)")

    @property
    def store_path(self) -> Path:
        """The embedded store's file. Raises ConfigurationError where the store named is none that can be used."""
        if self.on_cloud_run:
            raise ConfigurationError(
                "EVALFORGE_STORE: an sqlite store on Cloud Run (K_SERVICE is set) is lost with the instance; "
                "set EVALFORGE_STORE=firestore://PROJECT"
            )
        if self.store is None:
            return user_data_path("evalforge") / "evalforge.db"
        scheme, separator, path = self.store.partition("://")
        if scheme != "sqlite" or not separator or not Path(path).is_absolute() or "\0" in path:
            raise ConfigurationError(f"EVALFORGE_STORE={_masked(self.store)}: accepted is {_accepted('store')}")
        return Path(path)

    @property
    def store_name(self) -> str:
        """The store as messages name it."""
        return f"firestore://{'/'.join(self.firestore)}" if self.firestore else str(self.store_path)

    def may_listen(self, host: str) -> None:
        """Raises ConfigurationError where others could connect to `host` and it was not said who may call."""
        if self.auth == "cloud-run" and not self.on_cloud_run:
            raise ConfigurationError(
                "EVALFORGE_AUTH=cloud-run: Cloud Run checks callers only on Cloud Run, and K_SERVICE is not set; "
                "listen on 127.0.0.1 instead"
            )
        if self.auth is None and not is_loopback(host):
            raise ConfigurationError(
                f"--host={host} can be reached from other machines: set EVALFORGE_AUTH=cloud-run where Cloud Run "
                "checks callers, or EVALFORGE_AUTH=none if whoever can connect may read captures and start runs"
            )

    def required(self, *fields: str) -> None:
        """Raises ConfigurationError naming the first of these fields that is not set."""
        for name in fields:
            if getattr(self, name) is None:
                setting = variable(name)
                files = f" (or {setting}_FILE, the path of a file that holds it)" if setting in SECRETS else ""
                made = "; `openssl rand -hex 32` makes one" if name == "hash_key" else ""
                raise ConfigurationError(f"{setting} is not set{files}; it takes {_accepted(name)}{made}")


def read_settings(environ: Mapping[str, str] | None = None, **given: object) -> Settings:
    """The settings in `environ` (default: the process's), with `given` (by field) over them.

    Raises ConfigurationError with the setting's name, its value unless secret, and what is accepted.
    """
    values: dict[str, object] = dict(_gathered(os.environ if environ is None else environ))
    values.update({variable(name): value for name, value in given.items() if value is not None})
    try:
        return Settings.model_validate(values)
    except ValidationError as error:
        name = str(error.errors()[0]["loc"][0])
        shown = f"{name} (value not shown)" if name in SECRETS else f"{name}={_masked(values[name])}"
        raise ConfigurationError(f"{shown}: accepted is {_descriptions()[name]}") from None


def data_folder() -> Path:
    """The user's folder for EvalForge's data, made if need be. Raises ConfigurationError where it cannot be."""
    try:
        return user_data_path("evalforge", ensure_exists=True)
    except OSError as error:
        raise ConfigurationError(
            f"the data folder {user_data_path('evalforge')} cannot be made: {error.strerror}; "
            "set EVALFORGE_STORE=sqlite:///absolute/path.db, or HOME or XDG_DATA_HOME to a folder that can be written"
        ) from None


def chosen(*names: str) -> dict[str, str]:
    """Those of these variables that are set in the process's environment."""
    return {name: value for name in names if (value := os.environ.get(name))}


def silence_grpc() -> None:
    """Keep gRPC's own lines off stderr, which holds log lines and messages; what fails is told by errors anyway.

    Its core reads GRPC_VERBOSITY when it is loaded. Whoever sets it is obeyed.
    """
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")


def keep_compiled_rules() -> None:
    """Give Kingfisher a folder for its compiled rules where it would find none, as under cron: else each process that
    reads texts compiles them anew, for seconds.

    It looks for KF_RULE_CACHE_DIR, XDG_CACHE_HOME and HOME. Whoever sets one is obeyed.
    """
    if not any(map(os.environ.get, ("KF_RULE_CACHE_DIR", "XDG_CACHE_HOME", "HOME"))):
        os.environ["KF_RULE_CACHE_DIR"] = str(user_cache_path("evalforge") / "kingfisher")


def variable(field: str) -> str:
    """The environment variable of a field of Settings."""
    return str(Settings.model_fields[field].alias)


def unknown_names(environ: Mapping[str, str] | None = None) -> list[str]:
    """`EVALFORGE_` variables that mean nothing to this version: probably misspelt."""
    known = set(_descriptions()) | {f"{secret}_FILE" for secret in SECRETS}
    present = os.environ if environ is None else environ
    found = (name for name in present if name.startswith("EVALFORGE_") and name not in known)
    return sorted(name.encode(errors="replace").decode() for name in found)


def proxies_not_read(environ: Mapping[str, str] | None = None) -> list[str]:
    """Variables that name a proxy to other programs; this one goes without."""
    present = os.environ if environ is None else environ
    return [name for name in sorted(present) if name.upper() in ("HTTPS_PROXY", "ALL_PROXY") and present[name]]


def told(settings: Settings) -> list[str]:
    """`NAME=value` of each setting that is set, secrets masked, in the order of their documents."""
    fields = [field for field in Settings.model_fields if field in settings.model_fields_set]
    given = ((variable(field), getattr(settings, field)) for field in fields)
    return [f"{name} (set, not shown)" if name in SECRETS else f"{name}={_plain(value)}" for name, value in given]


def _plain(value: object) -> str:
    return _masked(",".join(value) if isinstance(value, tuple) else f"{value:g}" if isinstance(value, float) else value)


def _gathered(environ: Mapping[str, str]) -> dict[str, Any]:
    known = _descriptions()
    found: dict[str, Any] = {}
    for name, value in environ.items():
        ours = OTHER_NAMES.get(name, name)
        if name == READ_AS_IT_IS:
            found[name] = _text(name, value)
        elif ours in known and value.strip() and (ours == name or ours not in environ):
            found[ours] = _text(name, value).strip()
    for secret in SECRETS:
        path = environ.get(f"{secret}_FILE")
        if path and secret not in found:
            found[secret] = _secret_file(secret, Path(path))
        if SECRET_MANAGER_NAME.match(str(found.get(secret, ""))):
            raise ConfigurationError(
                f"{secret} names a Secret Manager secret, which this version cannot read: "
                f"mount the secret and set {secret}_FILE to its path"
            )
    if "K_SERVICE" in found:
        found["K_SERVICE"] = True
    else:
        found.pop("PORT", None)  # elsewhere it is some other program's
    return found


def _text(name: str, value: str) -> str:
    try:
        value.encode()
    except UnicodeEncodeError:
        raise ConfigurationError(f"{name}: its value is not UTF-8 text") from None
    return value


def _secret_file(secret: str, path: Path) -> str:
    try:
        if path.exists() and not path.is_file():
            raise ConfigurationError(f"{secret}_FILE={path}: it is no regular file")
        with path.open("rb") as file:
            content = file.read(LARGEST_SECRET_FILE).decode().strip()
    except (OSError, UnicodeDecodeError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise ConfigurationError(f"{secret}_FILE={path}: the file cannot be read: {why}") from None
    if not content:
        raise ConfigurationError(f"{secret}_FILE={path}: the file is empty; it must hold {_descriptions()[secret]}")
    return content


def _masked(value: object) -> str:
    return re.sub(r"//.*@", "//***@", str(value))[:LONGEST_VALUE_SHOWN]


def _descriptions() -> dict[str, str]:
    return {str(field.alias): str(field.description) for field in Settings.model_fields.values()}


def _accepted(field: str) -> str:
    return str(Settings.model_fields[field].description)
