"""Tokens for SASL OAUTHBEARER: from a token endpoint by client credentials, or signed for Amazon MSK by its IAM.

One token serves every client of this process until most of its life is over; then the next who connects renews it.
"""

from __future__ import annotations

import asyncio
import base64
import json
import threading
import time
import urllib.error
from collections.abc import Callable
from functools import cache
from urllib.parse import quote, urlencode

from aiokafka.abc import AbstractTokenProvider
from aiokafka.errors import KafkaConnectionError

from services.runtime.settings import Settings, SettingsError
from services.runtime.web import open_url

FETCH_SECONDS = 10.0
LARGEST_ANSWER_BYTES = 1024 * 1024
USUAL_LIFE_SECONDS = 300.0
"""Of a token whose endpoint does not say."""
RENEW_AFTER = 0.8
"""Of its life."""

Token = tuple[str, float]
"""And for how many seconds it is good."""


class TokenProvider(AbstractTokenProvider):  # type: ignore[misc] # aiokafka ships no types
    """Owns one token. Raises KafkaConnectionError when there is none to be had: an outage, like any of Kafka."""

    def __init__(self, fetch: Callable[[], Token]) -> None:
        self._fetch = fetch
        self._renewing = threading.Lock()  # clients may live in loops of their own
        self._token = ""
        self._renew_at = self._ends_at = float("-inf")

    async def token(self) -> str:
        if time.monotonic() >= self._renew_at:
            await asyncio.to_thread(self._renew)
        return self._token

    def _renew(self) -> None:
        with self._renewing:
            now = time.monotonic()
            if now < self._renew_at:
                return
            try:
                self._token, life_seconds = self._fetch()
            except (OSError, ValueError, KeyError, TypeError) as error:
                if now < self._ends_at:
                    return  # good for a while; the next who connects tries again
                raise KafkaConnectionError(
                    f"COUPONRY_KAFKA_SASL_OAUTH_*: no token: {_reason(error)}"
                ) from None
            self._renew_at, self._ends_at = now + RENEW_AFTER * life_seconds, now + life_seconds


def token_provider(settings: Settings) -> TokenProvider:
    """The one for these settings, shared. Raises SettingsError where the extra `aws` is needed and missing."""
    return _provider(
        settings.kafka_sasl_oauth_aws_region,
        settings.kafka_sasl_oauth_token_url,
        settings.kafka_sasl_oauth_client_id,
        settings.kafka_sasl_oauth_client_secret,
        settings.kafka_sasl_oauth_scope,
    )


@cache
def _provider(
    region: str | None,
    url: str | None,
    client_id: str | None,
    secret: str | None,
    scope: str | None,
) -> TokenProvider:
    if region:
        return TokenProvider(_signer(region))
    assert url is not None
    assert client_id is not None
    assert secret is not None
    return TokenProvider(lambda: _ask(url, client_id, secret, scope))


def _ask(url: str, client_id: str, secret: str, scope: str | None) -> Token:
    """Client credentials (RFC 6749, 4.4): in the header, as servers must take them, or in the body."""
    form = {"grant_type": "client_credentials"} | ({"scope": scope} if scope else {})
    pair = f"{quote(client_id, safe='')}:{quote(secret, safe='')}"
    basic = "Basic " + base64.b64encode(pair.encode()).decode()
    try:
        return _post(url, form, {"Authorization": basic})
    except urllib.error.HTTPError as error:
        if error.code not in (400, 401):
            raise
        error.close()
    return _post(url, form | {"client_id": client_id, "client_secret": secret}, {})


def _post(url: str, form: dict[str, str], headers: dict[str, str]) -> Token:
    sent = headers | {
        "Content-Type": "application/x-www-form-urlencoded",
        "Accept": "application/json",
    }
    with open_url(
        url, timeout_seconds=FETCH_SECONDS, data=urlencode(form).encode(), headers=sent
    ) as answer:
        document = json.loads(answer.read(LARGEST_ANSWER_BYTES))
    token = document["access_token"]
    if not isinstance(token, str):
        raise TypeError("access_token is no text")
    return token, float(document.get("expires_in") or USUAL_LIFE_SECONDS)


def _signer(region: str) -> Callable[[], Token]:
    try:
        from aws_msk_iam_sasl_signer import MSKAuthTokenProvider
    except ImportError:
        raise SettingsError(
            "COUPONRY_KAFKA_SASL_OAUTH_AWS_REGION needs the extra `aws`: pip install 'couponry[aws]'"
        ) from None

    def sign() -> Token:
        try:
            token, expires_ms = MSKAuthTokenProvider.generate_auth_token(region)
        except (
            Exception
        ) as error:  # whatever its own library says of credentials that it does not find
            raise ValueError(f"{type(error).__name__}: {error}") from None
        return token, expires_ms / 1000 - time.time()  # noqa: TID251 - of a token, not of a coupon

    return sign


def _reason(error: Exception) -> str:
    if isinstance(error, urllib.error.HTTPError):
        error.close()
        return f"{error.url} answers {error.code}"
    return str(error) or type(error).__name__
