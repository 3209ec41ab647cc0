"""One request to a partner's own coupon system, and whatever comes of it: never an exception, always by its deadline.

The receiver may be away, slow, lying or malicious. So names are judged at each attempt (`webhook_addresses`), nothing
is followed, no proxy of the environment is used, certificates are verified, an answer is read up to a limit, its
headers too, and one deadline holds for all of it, from the look-up of the name to the last byte of the body.
"""

from __future__ import annotations

import asyncio
import errno
import ssl
import time
from dataclasses import dataclass
from typing import Final

import aiohttp
import orjson
from aiohttp import http_exceptions
from yarl import URL

from services.adapters.webhook_addresses import (
    ForbiddenAddress,
    Judge,
    Judged,
    JudgedResolver,
    LookUp,
    Names,
    Unresolved,
)
from services.domain.webhooks.answers import Answer, AttemptError
from services.domain.webhooks.rendering import Rendered
from services.runtime.settings import PREFIX, Settings, SettingsError

LONGEST_ANSWER_BYTES: Final = 64 * 1024
LONGEST_DETAIL_BYTES: Final = 1024
"""So much of an answer is kept, for people to read."""
LONGEST_HEADER_BYTES: Final = 8 * 1024
MOST_HEADERS: Final = 100
IDLE_SECONDS: Final = 4.0
"""A connection is used again within this; most servers let go of one that idles after five seconds or more."""
_IDENTITY: Final = ("", "identity")
_REFUSALS: Final = frozenset(
    {errno.ECONNREFUSED, errno.EHOSTUNREACH, errno.ENETUNREACH, errno.EADDRNOTAVAIL, errno.EACCES}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """What came of it. `detail`: the first of the answer's text, or what went wrong in words, without our secrets."""

    answer: Answer
    duration_ms: int
    detail: str | None = None
    retry_after: str | None = None


class Sender:
    """Owns the connections. `forbidden` judges addresses, unless the settings allow any; `look_up` finds them (the
    machine's resolver by default). Raises SettingsError.
    """

    def __init__(
        self, settings: Settings, forbidden: Judge, *, look_up: LookUp | None = None
    ) -> None:
        self._names = Names()
        look_up = look_up or self._names.look_up
        self._proxy = settings.webhook_proxy
        self._judged = Judged(_nowhere if settings.webhook_allow_private else forbidden, look_up)
        self._resolver = JudgedResolver(look_up)
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                limit=0,  # whoever sends counts what is under way
                resolver=self._resolver,
                use_dns_cache=False,
                ssl=_trust(settings),
                keepalive_timeout=IDLE_SECONDS,
            ),
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(),
            auto_decompress=False,
            max_line_size=LONGEST_HEADER_BYTES,
            max_field_size=LONGEST_HEADER_BYTES,
            max_headers=MOST_HEADERS,
            skip_auto_headers=("Accept",),
        )

    async def send(self, request: Rendered, timeout_seconds: float) -> Received:
        """Within so many seconds."""
        began_at = time.perf_counter()
        detail, retry_after = None, None
        try:
            async with asyncio.timeout(timeout_seconds):
                answer, body, retry_after = await self._sent(request)
            detail = body.decode(errors="replace") or None
        except Exception as error:
            known = _error_of(error)
            if known is None:
                raise
            answer, detail = Answer(error=known), f"{type(error).__name__}: {error}"
        return Received(
            answer=answer,
            duration_ms=round((time.perf_counter() - began_at) * 1000),
            detail=None if detail is None else _shown(request.without_secrets(detail)),
            retry_after=retry_after,
        )

    async def close(self) -> None:
        """Let go of every connection."""
        await self._session.close()
        self._names.close()

    async def _sent(self, request: Rendered) -> tuple[Answer, bytes, str | None]:
        url = _url(request.url)
        if self._proxy is None:
            self._resolver.judged.set(await self._judged.addresses(_host(url)))
        elif _is_address(url):
            await self._judged.addresses(_host(url))
        async with self._session.request(
            request.method,
            url,
            data=request.body,
            headers=[("Accept-Encoding", "identity"), *request.headers],
            proxy=self._proxy,
            allow_redirects=False,
        ) as response:
            body, is_whole = await _body(response)
            if not is_whole:
                response.close()
            is_plain = response.headers.get("Content-Encoding", "").lower() in _IDENTITY
            return (
                _answer(response.status, body, is_whole, is_plain),
                body,
                response.headers.get("Retry-After"),
            )


def _answer(status: int, body: bytes, is_whole: bool, is_plain: bool) -> Answer:
    if not is_whole:
        return Answer(status=status, error=AttemptError.TOO_LARGE)
    try:
        if not is_plain:
            raise ValueError("encoded")
        return Answer(status=status, document=orjson.loads(body))
    except ValueError:
        return Answer(status=status, error=AttemptError.NOT_JSON)


def _nowhere(_: object) -> bool:
    """Nothing is forbidden."""
    return False


async def _body(response: aiohttp.ClientResponse) -> tuple[bytes, bool]:
    """Up to the limit, and whether that was all."""
    parts, size = [], 0
    async for part in response.content.iter_any():
        parts.append(part)
        size += len(part)
        if size > LONGEST_ANSWER_BYTES:
            return b"".join(parts), False
    return b"".join(parts), True


def _shown(text: str) -> str:
    """What a column can hold of it, up to the limit."""
    text = text.replace("\0", "\N{REPLACEMENT CHARACTER}")
    return text.encode(errors="replace")[:LONGEST_DETAIL_BYTES].decode(errors="ignore")


def _url(text: str) -> URL:
    """As it is written; what is not ASCII has to be put into other words. Raises Unresolved: nobody is called so."""
    try:
        url = URL(text, encoded=text.isascii())
        (url.raw_host or "").encode("idna")  # as TLS does, which must not be the first to find out
    except ValueError as error:
        raise Unresolved(str(error)) from None
    return url


def _host(url: URL) -> str:
    """Without the dot that may end a name, which is the same one."""
    return (url.raw_host or "").removesuffix(".")


def _is_address(url: URL) -> bool:
    host = _host(url)
    return ":" in host or host.replace(".", "").isdigit()


def _trust(settings: Settings) -> ssl.SSLContext:
    """The system's store, or that of `SSL_CERT_FILE`, and what we were given besides. Raises SettingsError."""
    context = ssl.create_default_context()
    if settings.webhook_ca_file is not None:
        try:
            context.load_verify_locations(settings.webhook_ca_file)
        except (OSError, ValueError) as error:
            raise SettingsError(
                f"{PREFIX}WEBHOOK_CA_FILE: cannot use {settings.webhook_ca_file}: {error}"
            ) from None
    return context


_ERRORS: Final[
    tuple[tuple[type[BaseException] | tuple[type[BaseException], ...], AttemptError], ...]
] = (
    ((ForbiddenAddress, aiohttp.InvalidURL), AttemptError.FORBIDDEN_ADDRESS),
    (Unresolved, AttemptError.UNRESOLVED),
    (TimeoutError, AttemptError.TIMEOUT),
    (
        (
            aiohttp.ClientConnectorCertificateError,
            aiohttp.ClientSSLError,
            aiohttp.ServerFingerprintMismatch,
            ssl.SSLError,
        ),
        AttemptError.TLS,
    ),
    (aiohttp.ClientProxyConnectionError, AttemptError.REFUSED),
    ((aiohttp.ClientResponseError, http_exceptions.HttpProcessingError), AttemptError.NOT_HTTP),
)
"""The first that fits."""


def _error_of(error: Exception) -> AttemptError | None:
    """The word for it; None: it is a bug of ours."""
    if isinstance(error, aiohttp.ClientPayloadError):
        # What breaks in the middle of a body: the line, or what it is written in.
        is_line = isinstance(error.__cause__, aiohttp.ClientConnectionError | OSError | None)
        return AttemptError.RESET if is_line else AttemptError.NOT_HTTP
    for types, word in _ERRORS:
        if isinstance(error, types):
            return word
    if isinstance(error, aiohttp.ClientConnectorError | OSError):
        number = error.errno or 0
        if number == errno.ETIMEDOUT:
            return AttemptError.TIMEOUT
        if isinstance(error, aiohttp.ClientConnectorError) or number in _REFUSALS:
            return AttemptError.REFUSED
        return AttemptError.RESET
    return AttemptError.RESET if isinstance(error, aiohttp.ClientError) else None
