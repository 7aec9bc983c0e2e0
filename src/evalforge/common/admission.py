"""Where the service may listen, given who checks its callers."""

from evalforge.common.config import Settings, accepted, variable
from evalforge.common.errors import ConfigurationError
from evalforge.common.listening import is_loopback


def check_callers_are_told(settings: Settings) -> None:
    """Raises ConfigurationError where EVALFORGE_AUTH lacks what it needs, or cannot hold here."""
    if settings.auth == "cloud-run" and not settings.on_cloud_run:
        raise ConfigurationError(
            "EVALFORGE_AUTH=cloud-run: Cloud Run checks callers only on Cloud Run, and K_SERVICE is not set; "
            "set EVALFORGE_AUTH=oidc, or listen on 127.0.0.1 with EVALFORGE_AUTH=none"
        )
    if settings.auth == "oidc":
        for field in ("oidc_audience", "oidc_emails"):
            if not getattr(settings, field):
                raise ConfigurationError(
                    f"EVALFORGE_AUTH=oidc needs {variable(field)}, which is not set; it takes {accepted(field)}"
                )


def check_may_listen(settings: Settings, host: str) -> None:
    """Raises ConfigurationError where others could connect to `host` and it was not said who may call."""
    check_callers_are_told(settings)
    if settings.auth == "none" and not is_loopback(host):
        raise ConfigurationError(
            f"--host={host} can be reached from other machines, and with EVALFORGE_AUTH=none anybody may read "
            "captures and start runs: set EVALFORGE_AUTH=cloud-run where Cloud Run checks callers, or "
            "EVALFORGE_AUTH=oidc, or listen on 127.0.0.1"
        )
