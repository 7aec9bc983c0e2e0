"""The only reader of the environment: typed settings, secrets masked, refusals that name setting, value and choice."""

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from platformdirs import user_cache_path, user_data_path
from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, ValidationError

from evalforge.common.errors import ConfigurationError
from evalforge.common.secret_sources import (
    SECRETS,
    HashKey,
    Key,
    SecretSource,
    in_secret_manager,
    read_secret_file,
)
from evalforge.common.value_forms import (
    FIRESTORE,
    HIGHEST_PORT,
    BaseUrl,
    CollectionPrefix,
    CommaList,
    FirestoreDatabase,
    HostAndPort,
    Positive,
    RetentionDays,
    Site,
    TagValue,
)

OTHER_NAMES = {"DATADOG_API_KEY": "DD_API_KEY", "DATADOG_APP_KEY": "DD_APP_KEY", "DATADOG_SITE": "DD_SITE"}
"""Names of Datadog's own tools that mean the same."""
READ_AS_IT_IS = "FIRESTORE_EMULATOR_HOST"
"""Google's client reads it too, and takes a blank one for an address."""
LogLevel = Literal["debug", "info", "warning", "error"]
HIGHEST_THRESHOLD = 1_000_000
"""No score beyond it is kept (`ingestion.pii.checks`)."""
LONGEST_VALUE_SHOWN = 200
MAX_LOOKBACK_HOURS = 72.0
"""Further back is a backfill (design, "One run", step 2)."""


class Settings(BaseModel):
    """What the environment says. Each field's description is what is accepted, for messages and documents alike."""

    model_config = ConfigDict(frozen=True, hide_input_in_errors=True)

    api_key: Key | None = Field(None, alias="DD_API_KEY", description="a Datadog API key")
    app_key: Key | None = Field(
        None, alias="DD_APP_KEY", description="a Datadog application key with the permission llm_observability_read"
    )
    site: Site = Field(
        "datadoghq.com",
        alias="DD_SITE",
        description="a Datadog site such as datadoghq.eu or us5.datadoghq.com, without https://, app. or api.",
    )
    datadog_url: BaseUrl | None = Field(
        None, alias="EVALFORGE_DATADOG_URL", description="an http or https URL without credentials, query or fragment"
    )
    store: str | None = Field(
        None, alias="EVALFORGE_STORE", description="sqlite:///absolute/path.db or firestore://PROJECT[/DATABASE]"
    )
    collection_prefix: CollectionPrefix = Field(
        "evalforge_",
        alias="FIRESTORE_COLLECTION_PREFIX",
        description="letters, digits, _ and -, at most 100, not beginning with __",
    )
    firestore_emulator: HostAndPort | None = Field(
        None, alias="FIRESTORE_EMULATOR_HOST", description="host:port, without a scheme"
    )
    retention_days: RetentionDays = Field(
        0, alias="EVALFORGE_RETENTION_DAYS", description="0 (for ever), or a whole number of days from 7 to 3650"
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
    hash_key: HashKey | None = Field(None, alias="EVALFORGE_HASH_KEY", description="at least 32 bytes, kept secret")
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
    max_run_cost_usd: Positive = Field(
        0.1, alias="EVALFORGE_MAX_RUN_COST_USD", description="a number of US dollars above 0"
    )
    metrics: Literal["none", "datadog", "otlp"] = Field(
        "none", alias="EVALFORGE_METRICS", description="none, datadog or otlp"
    )
    env: TagValue | None = Field(None, alias="DD_ENV", description="a name such as prod")
    scan: Literal["failures", "all"] = Field("failures", alias="EVALFORGE_SCAN", description="failures or all")
    auth: Literal["none", "cloud-run", "oidc"] = Field(
        "none", alias="EVALFORGE_AUTH", description="none, cloud-run or oidc"
    )
    oidc_audience: CommaList = Field(
        (), alias="EVALFORGE_OIDC_AUDIENCE", description="audiences with commas between them, such as the service's URL"
    )
    oidc_emails: CommaList = Field(
        (), alias="EVALFORGE_OIDC_EMAILS", description="e-mail addresses with commas between them"
    )
    log_level: LogLevel = Field("info", alias="EVALFORGE_LOG_LEVEL", description="debug, info, warning or error")
    port: int = Field(
        8080, alias="PORT", ge=0, le=HIGHEST_PORT, description="a whole number from 0 to 65535; set by Cloud Run"
    )
    context: Literal["chain", "none"] = Field("chain", alias="EVALFORGE_CONTEXT", description="chain or none")
    secret_manager_emulator: HostAndPort | None = Field(
        None, alias="SECRET_MANAGER_EMULATOR_HOST", description="host:port, without a scheme"
    )
    google_project: str | None = Field(
        None, alias="GOOGLE_CLOUD_PROJECT", description="the id of a Google Cloud project"
    )
    service: str | None = Field(None, alias="K_SERVICE", description="set by Cloud Run")
    revision: str | None = Field(None, alias="K_REVISION", description="set by Cloud Run")
    _sources: dict[str, SecretSource] = PrivateAttr(default_factory=dict)

    @property
    def on_cloud_run(self) -> bool:
        """Whether this is a service or, by its own variables, a job of Cloud Run."""
        return self.service is not None

    @property
    def trace_project(self) -> str | None:
        """The project of Google Cloud whose traces log lines refer to: the one that is set, else Firestore's."""
        return self.google_project or (self.firestore.project if self.firestore else None)

    def source(self, field: str) -> SecretSource | None:
        """The file or the secret of Secret Manager that a secret comes from; None for the environment, or if not set.

        What a file holds was read with the settings; what Secret Manager holds is not in them (`with_secret`).
        """
        return self._sources.get(variable(field))

    def with_secret(self, source: SecretSource, value: str) -> "Settings":
        """These settings, with the value that was read there. Raises ConfigurationError, without it, if it is none."""
        try:
            read = Settings.model_validate({source.setting: value})
        except ValidationError:
            raise ConfigurationError(
                f"{source.shown}: what is read there (not shown) is not accepted; it must hold "
                f"{_descriptions()[source.setting]}"
            ) from None
        field = next(iter(read.model_fields_set))
        return self.model_copy(update={field: getattr(read, field)})

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
            raise ConfigurationError(f"EVALFORGE_STORE={_masked(self.store)}: accepted is {accepted('store')}")
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
            raise ConfigurationError(f"EVALFORGE_STORE={_masked(self.store)}: accepted is {accepted('store')}")
        return Path(path)

    @property
    def store_name(self) -> str:
        """The store as messages name it."""
        return f"firestore://{'/'.join(self.firestore)}" if self.firestore else str(self.store_path)

    def required(self, *fields: str) -> None:
        """Raises ConfigurationError naming the first of these fields that is not set."""
        for name in fields:
            if getattr(self, name) is None and self.source(name) is None:
                setting = variable(name)
                files = f" (or {setting}_FILE, the path of a file that holds it)" if setting in SECRETS else ""
                made = "; `openssl rand -hex 32` makes one" if name == "hash_key" else ""
                raise ConfigurationError(f"{setting} is not set{files}; it takes {accepted(name)}{made}")


def read_settings(environ: Mapping[str, str] | None = None, **given: object) -> Settings:
    """The settings in `environ` (default: the process's), with `given` (by field) over them.

    Raises ConfigurationError with the setting's name, its value unless secret, and what is accepted.
    """
    values: dict[str, object] = dict(_gathered(os.environ if environ is None else environ))
    values.update({variable(name): value for name, value in given.items() if value is not None})
    sources = _sources(values, os.environ if environ is None else environ)
    try:
        settings = Settings.model_validate(values)
    except ValidationError as error:
        name = str(error.errors()[0]["loc"][0])
        shown = f"{name} (value not shown)" if name in SECRETS else f"{name}={_masked(values[name])}"
        raise ConfigurationError(f"{shown}: accepted is {_descriptions()[name]}") from None
    settings._sources.update(sources)  # noqa: SLF001 - its own kind: pydantic offers no other way to set it
    return settings


def _sources(values: dict[str, object], environ: Mapping[str, str]) -> dict[str, SecretSource]:
    """Where each secret that is not in the environment comes from; what is in a file is put into `values`."""
    found: dict[str, SecretSource] = {}
    for secret in SECRETS:
        path = environ.get(f"{secret}_FILE")
        if path and secret not in values:
            found[secret] = SecretSource(secret, "file", path)
            values[secret] = read_secret_file(found[secret], _descriptions()[secret])
        if named := in_secret_manager(secret, str(values.get(secret, ""))):
            found[secret] = named
            del values[secret]
    return found


def usable_settings(environ: Mapping[str, str] | None = None) -> tuple[Settings, dict[str, str]]:
    """The settings that can be used; and by name, for each that cannot and was left out, what is wrong with it."""
    left = dict(os.environ if environ is None else environ)
    wrong: dict[str, str] = {}
    while True:
        try:
            return read_settings(left), wrong
        except ConfigurationError as error:
            found = re.match("[A-Z_]+", str(error))
            name = found[0].removesuffix("_FILE") if found else ""
            twins = {name, f"{name}_FILE", *(theirs for theirs, ours in OTHER_NAMES.items() if ours == name)}
            if name in wrong or not twins & left.keys():
                raise
            wrong[name] = str(error)
            left = {key: value for key, value in left.items() if key not in twins}


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
    return [
        f"{name} (set, not shown)" if name in SECRETS else f"{name}={_plain(getattr(settings, field))}"
        for field, name in ((field, variable(field)) for field in Settings.model_fields)
        if field in settings.model_fields_set or settings.source(field)
    ]


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
    if "K_SERVICE" not in found:
        found.pop("PORT", None)  # elsewhere it is some other program's
    return found


def _text(name: str, value: str) -> str:
    try:
        value.encode()
    except UnicodeEncodeError:
        raise ConfigurationError(f"{name}: its value is not UTF-8 text") from None
    return value


def _masked(value: object) -> str:
    return re.sub(r"//.*@", "//***@", str(value))[:LONGEST_VALUE_SHOWN]


def _descriptions() -> dict[str, str]:
    return {str(field.alias): str(field.description) for field in Settings.model_fields.values()}


def accepted(field: str) -> str:
    """What a field of Settings takes, for messages."""
    return str(Settings.model_fields[field].description)
