"""Settings -> the rules in force, and what they ask of Datadog."""

from collections.abc import Iterable
from pathlib import Path

from evalforge.common.config import Settings
from evalforge.common.errors import ConfigurationError
from evalforge.ingestion.custom_rules import read_custom_rules
from evalforge.ingestion.failure_rules import RuleSet, load_rules
from evalforge.ingestion.pii.custom import CustomRules
from evalforge.ingestion.query.compiler import compile_query
from evalforge.ingestion.query.errors import QueryError
from evalforge.ingestion.query.syntax import parse


def rules_in_force(settings: Settings, file: Path | None = None) -> RuleSet:
    """The rules of `file`, else of EVALFORGE_RULES, else the built-in ones."""
    return load_rules(
        file or settings.rules,
        quality_threshold=settings.quality_threshold,
        quality_evaluators=settings.quality_evaluators,
    )


def custom_rules_in_force(settings: Settings, file: Path | None = None) -> CustomRules:
    """What `file`, else EVALFORGE_RULES, adds to the policy for personal data."""
    return read_custom_rules(file or settings.rules)


def search_queries(settings: Settings, rules: RuleSet, learned: Iterable[str] = ()) -> list[str]:
    """What a run would send as `filter.query`, one for each app, as far as evaluator names are known now."""
    evaluators = rules.literal_evaluators | set(settings.evaluators) | set(learned)
    queries = (
        rules.search_query(ml_app=app, scope=scope_in_force(settings), evaluators=evaluators)
        for app in settings.ml_apps or (None,)
    )
    return [query for query in queries if query is not None]


def scope_in_force(settings: Settings) -> str | None:
    """EVALFORGE_SCOPE, checked. Raises ConfigurationError."""
    if settings.scope is not None:
        try:
            asks_for_something = compile_query(parse(settings.scope)) is not None
        except QueryError as error:
            raise ConfigurationError(f"EVALFORGE_SCOPE={settings.scope}: {error}") from None
        if not asks_for_something:
            raise ConfigurationError(
                f"EVALFORGE_SCOPE={settings.scope}: it matches nothing (* in an evaluator's name works in rules only)"
            )
    return settings.scope
