"""The one tree of errors. Each says what is wrong, with which value, and what to do; the class gives the exit code.

    EvalForgeError                1  anything unexpected
    +- ConfigurationError         2  a setting, flag or file that cannot be used
    |  +- RulesError              2  a rules file, with file, line and reason
    |  +- StoreNewerThanCode      2  a store written by a later version
    +- PartialRun                 3  work that ended early; what was read is kept
    +- CredentialsRejected        4  Datadog refused the keys
    +- LeaseHeld                  5  another run is at work
    +- MetricsNotSent             1  told in the log and nowhere else
    +- SecretsUnreachable         1  Secret Manager did not answer
    +- StoreError                 1  the store could not be read or written
       +- DocumentUnreadable      1  one document of the store, which EvalForge did not write so

Messages hold settings, ids and counts. They never hold a key or text that a customer wrote.
"""


class EvalForgeError(Exception):
    """Something unexpected happened."""

    exit_code = 1


class ConfigurationError(EvalForgeError):
    """A setting, flag or file cannot be used."""

    exit_code = 2


class RulesError(ConfigurationError):
    """A rules file cannot be used."""

    def __init__(self, file: str, line: int | None, reason: str) -> None:
        where = file if line is None else f"{file}:{line}"
        super().__init__(f"{where}: {reason}")
        self.file, self.line, self.reason = file, line, reason


class StoreNewerThanCode(ConfigurationError):
    """The store was written by a later version of EvalForge."""


class PartialRun(EvalForgeError):
    """The work ended before everything was read; what was read is kept."""

    exit_code = 3


class CredentialsRejected(EvalForgeError):
    """Datadog refused the keys."""

    exit_code = 4


class LeaseHeld(EvalForgeError):
    """Another run holds the lease; `until` is its end as far as is known, RFC 3339, `holder` who has it."""

    exit_code = 5
    until: str | None = None
    holder: str | None = None

    @classmethod
    def by(cls, holder: str, until: str) -> "LeaseHeld":
        """The lease of a run at work, which renews it until it is over."""
        error = cls(f"the run {holder} is at work: try again when it is over (if it was killed: after {until})")
        error.until, error.holder = until, holder
        return error


class MetricsNotSent(EvalForgeError):
    """The metrics of a run did not arrive; the message is the reason alone."""


class SecretsUnreachable(EvalForgeError):
    """Secret Manager did not answer in time."""


class StoreError(EvalForgeError):
    """The store could not be read or written."""


class DocumentUnreadable(StoreError):
    """One document of the store is not what EvalForge wrote; the others may well be."""
