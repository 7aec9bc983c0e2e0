"""Settings: typed, secrets never shown, every refusal naming the setting, its value and what is accepted."""

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evalforge.common.config import Settings, keep_compiled_rules, read_settings, told, unknown_names
from evalforge.common.errors import ConfigurationError

KEY = "canary-key-0123456789abcdef0123456789abcdef"


def test_nothing_set_gives_the_documented_defaults() -> None:
    settings = read_settings({})
    assert (settings.site, settings.lookback_hours, settings.page_limit) == ("datadoghq.com", 24.0, 100)
    assert (settings.requests_per_minute, settings.max_calls, settings.deadline_seconds) == (200, 2500, 810)
    assert (settings.quality_threshold, settings.quality_evaluators) == (0.5, ("quality", "quality_score"))
    assert settings.base_url == "https://api.datadoghq.com"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("EVALFORGE_PAGE_LIMIT", "0"),
        ("EVALFORGE_PAGE_LIMIT", "5001"),
        ("EVALFORGE_PAGE_LIMIT", "many"),
        ("EVALFORGE_RETENTION_DAYS", "6"),
        ("EVALFORGE_RETENTION_DAYS", "7.5"),
        ("EVALFORGE_LOOKBACK_HOURS", "73"),
        ("EVALFORGE_LOOKBACK_HOURS", "0"),
        ("EVALFORGE_LOOKBACK_HOURS", "nan"),
        ("EVALFORGE_REQUESTS_PER_MINUTE", "-1"),
        ("EVALFORGE_REQUESTS_PER_MINUTE", "inf"),
        ("EVALFORGE_MAX_CALLS", "0"),
        ("EVALFORGE_DEADLINE_SECONDS", "soon"),
        ("EVALFORGE_LEASE_SECONDS", "0"),
        ("EVALFORGE_QUALITY_THRESHOLD", "nan"),
        ("EVALFORGE_QUALITY_THRESHOLD", "1e308"),
        ("EVALFORGE_SCAN", "some"),
        ("EVALFORGE_TEXT", "hide"),
        ("EVALFORGE_DATADOG_URL", "ftp://x"),
        ("EVALFORGE_DATADOG_URL", "localhost:80"),
        ("EVALFORGE_DATADOG_URL", "http://[broken"),
        ("DD_SITE", "https://app.datadoghq.com/"),
        ("EVALFORGE_DATADOG_URL", "http://host:99999"),
        ("EVALFORGE_DATADOG_URL", "http://host:x"),
        ("EVALFORGE_DATADOG_URL", "http://a..b"),
        ("EVALFORGE_DATADOG_URL", "http://host/?"),
        ("EVALFORGE_DATADOG_URL", "http://h\u00e9"),
        ("EVALFORGE_LEASE_SECONDS", "1e12"),
    ],
)
def test_a_value_that_cannot_be_used_is_refused_with_its_name_value_and_what_is_accepted(name: str, value: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        read_settings({name: value})
    message = str(refused.value)
    assert message.startswith(f"{name}={value}: accepted is ")
    assert len(message.splitlines()) == 1
    assert refused.value.exit_code == 2


@pytest.mark.parametrize("url", ["http://user:canary-pw@host", "https://user:canary/pw@host", "http://:canary-pw@h"])
def test_a_password_in_a_url_is_not_shown(url: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        read_settings({"EVALFORGE_DATADOG_URL": url})
    assert "canary" not in str(refused.value)
    with pytest.raises(ConfigurationError) as refused:
        _ = read_settings({"EVALFORGE_STORE": url.replace("http", "postgres")}).store_path
    assert "canary" not in str(refused.value)


def test_a_key_with_a_space_is_refused_before_anything_is_made() -> None:
    with pytest.raises(ConfigurationError, match="DD_API_KEY"):
        read_settings({"DD_API_KEY": "two words"})


@pytest.mark.parametrize("name", ["EVALFORGE_ML_APPS", "EVALFORGE_SCOPE", "EVALFORGE_EVALUATORS"])
def test_a_value_that_is_no_text_is_refused_by_name(name: str) -> None:
    with pytest.raises(ConfigurationError, match=name):
        read_settings({name: "a\udcff"})
    assert unknown_names({"EVALFORGE_\udcff": "x"}) == ["EVALFORGE_?"]


def test_a_short_hash_key_is_refused_without_being_shown() -> None:
    with pytest.raises(ConfigurationError) as refused:
        read_settings({"EVALFORGE_HASH_KEY": "canary-short"})
    assert "EVALFORGE_HASH_KEY" in str(refused.value)
    assert "canary-short" not in str(refused.value)


@given(st.text(alphabet="abcdef0123456789", min_size=32, max_size=64))
def test_no_key_is_in_the_repr_of_settings(key: str) -> None:
    settings = read_settings({"DD_API_KEY": key, "DD_APP_KEY": key, "EVALFORGE_HASH_KEY": key})
    assert key not in repr(settings)
    assert key not in str(settings)
    assert settings.api_key is not None
    assert settings.api_key.get_secret_value() == key


def test_a_required_setting_that_is_missing_is_named_with_its_file_twin() -> None:
    with pytest.raises(ConfigurationError, match=r"DD_APP_KEY is not set \(or DD_APP_KEY_FILE.*llm_observability_read"):
        read_settings({"DD_API_KEY": KEY}).required("api_key", "app_key")


def test_the_datadog_names_are_accepted_and_the_short_ones_win() -> None:
    assert read_settings({"DATADOG_SITE": "datadoghq.eu"}).site == "datadoghq.eu"
    assert read_settings({"DATADOG_SITE": "datadoghq.eu", "DD_SITE": "us5.datadoghq.com"}).site == "us5.datadoghq.com"


def test_a_secret_may_come_from_a_mounted_file(tmp_path: Path) -> None:
    (tmp_path / "key").write_text(KEY + "\n")
    settings = read_settings({"DD_API_KEY_FILE": str(tmp_path / "key")})
    assert settings.api_key is not None
    assert settings.api_key.get_secret_value() == KEY


@pytest.mark.parametrize("content", [None, b"", b"\xff\xfe"])
def test_a_secret_file_that_cannot_be_used_is_named(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "key"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ConfigurationError, match=f"DD_API_KEY_FILE={path}: the file"):
        read_settings({"DD_API_KEY_FILE": str(path)})


def test_a_name_in_secret_manager_is_a_source_and_never_the_key_itself() -> None:
    settings = read_settings({"DD_API_KEY": "projects/p/secrets/s/versions/latest"})
    source = settings.source("api_key")
    assert source is not None
    assert (settings.api_key, source.place) == (None, "projects/p/secrets/s/versions/latest")
    settings.required("api_key")
    assert told(settings) == ["DD_API_KEY (set, not shown)"]
    read = settings.with_secret(source, KEY)
    assert (read.api_key and read.api_key.get_secret_value(), read.source("api_key")) == (KEY, source)


@pytest.mark.parametrize("name", ["projects/p/secrets/s", "projects/p/secrets/s/versions/", "projects//x", "projects/"])
def test_what_begins_like_a_name_in_secret_manager_and_is_none_is_refused(name: str) -> None:
    with pytest.raises(
        ConfigurationError, match=r"DD_APP_KEY is no resource name .*projects/PROJECT/secrets"
    ) as refused:
        read_settings({"DD_APP_KEY": name})
    assert len(str(refused.value).splitlines()) == 1


def test_a_secret_that_is_none_is_refused_by_its_source_without_being_shown() -> None:
    settings = read_settings({"EVALFORGE_HASH_KEY": "projects/p/secrets/s/versions/1"})
    source = settings.source("hash_key")
    assert source is not None
    with pytest.raises(
        ConfigurationError, match=r"EVALFORGE_HASH_KEY=projects/p/secrets/s/versions/1: .*32 bytes"
    ) as no:
        settings.with_secret(source, "canary-short")
    assert "canary" not in str(no.value)


def test_lists_are_split_at_commas_and_blanks_are_no_values() -> None:
    settings = read_settings({"EVALFORGE_ML_APPS": " shop , chat,,", "EVALFORGE_SCOPE": "  "})
    assert settings.ml_apps == ("shop", "chat")
    assert settings.scope is None


@pytest.mark.parametrize("rate", ["0.5", "1e9", "3"])
def test_rates_and_budgets_take_any_positive_number(rate: str) -> None:
    names = ("EVALFORGE_REQUESTS_PER_MINUTE", "EVALFORGE_MAX_CALLS", "EVALFORGE_DEADLINE_SECONDS")
    settings = read_settings(dict.fromkeys(names, rate))
    assert settings.requests_per_minute == settings.max_calls == settings.deadline_seconds == float(rate)


def test_the_store_path_is_what_follows_the_scheme() -> None:
    assert read_settings({"EVALFORGE_STORE": "sqlite:///data/forge.db"}).store_path == Path("/data/forge.db")


@pytest.mark.parametrize(
    "store", ["sqlite://relative.db", "sqlite://", "postgres://x", "/data/forge.db", "firestore://p"]
)
def test_a_store_that_is_none_is_refused_by_value(store: str) -> None:
    with pytest.raises(ConfigurationError, match=f"EVALFORGE_STORE={store}"):
        _ = read_settings({"EVALFORGE_STORE": store}).store_path


@pytest.mark.parametrize(
    ("store", "place"),
    [
        ("firestore://my-project", ("my-project", "(default)")),
        ("firestore://my-project/", ("my-project", "(default)")),
        ("firestore://my-project/(default)", ("my-project", "(default)")),
        ("firestore://example.com:my-project/failures", ("example.com:my-project", "failures")),
    ],
)
def test_a_firestore_database_is_named_by_project_and_database(store: str, place: tuple[str, str]) -> None:
    settings = read_settings({"EVALFORGE_STORE": store, "K_SERVICE": "evalforge"})
    assert settings.firestore == place
    assert settings.store_name == f"firestore://{'/'.join(place)}"
    assert settings.collection_prefix == "evalforge_"


@pytest.mark.parametrize(
    "store", ["firestore://", "firestore://p", "firestore://My-Project", "firestore://my-project/a/b", "firestore:my-p"]
)
def test_a_firestore_database_that_cannot_be_is_refused_by_value(store: str) -> None:
    with pytest.raises(ConfigurationError, match=f"EVALFORGE_STORE={store}: accepted is .*firestore://PROJECT"):
        _ = read_settings({"EVALFORGE_STORE": store}).store_name


@pytest.mark.parametrize(
    "address", ["localhost", "http://localhost:8080", "localhost:", ":80", "a:99999", "a:0", "a:b"]
)
def test_an_emulators_address_is_a_host_and_a_port(address: str) -> None:
    with pytest.raises(ConfigurationError, match=f"FIRESTORE_EMULATOR_HOST={address}: accepted is host:port"):
        read_settings({"FIRESTORE_EMULATOR_HOST": address})
    assert read_settings({"FIRESTORE_EMULATOR_HOST": "[::1]:8080"}).firestore_emulator == "[::1]:8080"


@pytest.mark.parametrize("prefix", ["a/b", "__a", "é", "a b", "x" * 101])
def test_a_collection_prefix_is_one_that_firestore_takes(prefix: str) -> None:
    with pytest.raises(ConfigurationError, match="FIRESTORE_COLLECTION_PREFIX"):
        read_settings({"FIRESTORE_COLLECTION_PREFIX": prefix})


def test_an_sqlite_store_is_refused_on_cloud_run() -> None:
    with pytest.raises(ConfigurationError, match="K_SERVICE"):
        _ = read_settings({"K_SERVICE": "evalforge", "EVALFORGE_STORE": "sqlite:///data/forge.db"}).store_path


def test_a_misspelt_setting_is_noticed() -> None:
    environ = {"EVALFORGE_LOOKBCK_HOURS": "3", "EVALFORGE_SCAN": "all", "EVALFORGE_HASH_KEY_FILE": "x", "PATH": "x"}
    assert unknown_names(environ) == ["EVALFORGE_LOOKBCK_HOURS"]


def test_every_setting_says_what_it_accepts() -> None:
    assert all(field.description and field.alias for field in Settings.model_fields.values())


def test_compiled_rules_get_a_folder_where_kingfisher_would_find_none_and_nowhere_else(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("KF_RULE_CACHE_DIR", "XDG_CACHE_HOME", "HOME"):
        monkeypatch.delenv(name, raising=False)
    keep_compiled_rules()
    assert os.environ["KF_RULE_CACHE_DIR"].endswith("evalforge/kingfisher")
    monkeypatch.delenv("KF_RULE_CACHE_DIR")
    monkeypatch.setenv("HOME", "/home/jane")
    keep_compiled_rules()
    assert "KF_RULE_CACHE_DIR" not in os.environ


def test_a_key_that_was_put_where_its_files_path_belongs_is_not_shown() -> None:
    with pytest.raises(ConfigurationError) as refused:
        read_settings({"DD_API_KEY_FILE": "canary5f1d2c3b4a"})
    assert "canary" not in str(refused.value)
    assert str(refused.value).startswith("DD_API_KEY_FILE (value not shown, as it has no folder and may be the key")
