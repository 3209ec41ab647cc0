"""`couponry token`: a signed token for development."""

from __future__ import annotations

import click

from services.api.partners.scopes import SCOPES
from services.local.state import SECRET_FILE
from services.runtime.settings import Settings, read_settings
from services.terminal.arguments import IDENTIFIER
from services.terminal.output import CommandError, json_option, print_json

HOUR_SECONDS = 3600


@click.command()
@click.option("--partner-id", type=IDENTIFIER, required=True, help="Whom the token is for.")
@click.option(
    "--scope",
    "scopes",
    type=click.Choice(SCOPES),
    multiple=True,
    help="What it may do; repeatable. Default: everything.",
)
@click.option(
    "--ttl",
    type=int,
    default=HOUR_SECONDS,
    show_default=True,
    metavar="SECONDS",
    help="How long it is valid; negative: it has expired already.",
)
@json_option
def token(partner_id: int, scopes: tuple[str, ...], ttl: int, as_json: bool) -> None:
    """Print a signed development token for the partner API.

    Signed with COUPONRY_JWT_SECRET, or with the secret that `couponry up` made in its state directory.
    """
    from services.api.partners.access import development_token

    settings = with_local_secret(read_settings())
    if not settings.jwt_secret:
        raise CommandError(
            "COUPONRY_JWT_SECRET is not set: give the API's secret, or start `couponry up`, which makes one"
        )
    text = development_token(settings.jwt_secret, partner_id, list(scopes or SCOPES), ttl, settings)
    if as_json:
        print_json({"token": text, "partner_id": partner_id, "scopes": scopes or SCOPES})
    else:
        print(text)


def with_local_secret(settings: Settings) -> Settings:
    """The settings, with the secret of the state directory where none is given."""
    if settings.jwt_secret or settings.jwt_jwks_url:
        return settings
    try:
        secret = (settings.state_dir / SECRET_FILE).read_text(encoding="utf-8").strip()
    except OSError:
        return settings
    return settings.model_copy(update={"jwt_secret": secret})


def with_named_secret(settings: Settings) -> Settings:
    """The same for a process: only from a state directory that was named, see `process_settings`."""
    return with_local_secret(settings) if "state_dir" in settings.model_fields_set else settings
