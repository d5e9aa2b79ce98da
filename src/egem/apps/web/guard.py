"""What stands before the application: who may ask, how much and how often.

* The host a browser believes to talk to must be this one, or a page elsewhere could have its name
  point here and read what it likes (DNS rebinding).
* Requests that come from other pages are refused, WebSockets too; no answer allows other origins.
* Where the server can be reached from other machines, everybody must know its token.
* Bodies are counted as they arrive.
"""

import hmac
import time
from collections import OrderedDict
from dataclasses import dataclass, field
from http.cookies import CookieError, SimpleCookie
from ipaddress import ip_address
from urllib.parse import parse_qs, urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from egem.apps.web.trouble import Trouble

TOKEN_COOKIE = "egem-token"
MOST_BODY = 20 * 2**20  # of a form, which holds a file
MOST_JSON = 4 * 2**20
MOST_IN_FLIGHT = 80 * 2**20  # bytes of all bodies that are being received or worked on
SMALL = 2**18  # bytes of a body that is let in whatever others send
MOST_CLIENTS = 1000  # whose rate is remembered
HEADERS = {
    "Content-Security-Policy": "default-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'self'; frame-ancestors 'none'; object-src 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}
SAFE = ("GET", "HEAD", "OPTIONS")


@dataclass
class Limits:
    """How much is let through.

    Attributes
    ----------
    rate : float
        Requests of an address a second, in the long run.
    burst : int
        Requests of an address at once.
    body : int
        Bytes of a form.
    json : int
        Bytes of anything else.
    """

    rate: float = 200.0
    burst: int = 600
    body: int = MOST_BODY
    json: int = MOST_JSON


@dataclass
class Bucket:
    """Requests an address may still make."""

    left: float
    at: float = field(default_factory=time.monotonic)


class Guard:
    """ASGI middleware that lets through what is proper.

    Parameters
    ----------
    app : ASGIApp
        What it guards.
    token : str or None
        What everybody must know; None lets in whoever reaches the server, which then answers to
        the names of this machine alone.
    limits : Limits
        How much is let through.
    """

    def __init__(self, app: ASGIApp, token: str | None, limits: Limits):
        self.app = app
        self.token = token
        self.limits = limits
        self._buckets: OrderedDict[str, Bucket] = OrderedDict()
        self._in_flight = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request, or refuse it."""
        if scope["type"] not in ("http", "websocket"):
            return await self.app(scope, receive, send)
        if scope["type"] == "http":
            send = _with_headers(send, scope["path"])
        try:
            refused = self._welcome(scope)
        except Trouble as trouble:
            refused = _refusal(trouble)
        if refused is None:
            return await self._counted(scope, receive, send)
        if scope["type"] == "http":
            return await refused(scope, receive, send)
        # Refused before it is accepted, a WebSocket is answered with 403.
        await receive()
        await send({"type": "websocket.close", "code": 1008})
        return None

    def _welcome(self, scope: Scope) -> Response | None:
        """Let a request pass, answer it, or raise what is wrong with it."""
        headers = Headers(scope=scope)
        host = headers.get("host", "")
        self._check_rate(scope)
        if self.token is None and not is_local(host):
            raise Trouble(
                403,
                f"This server does not go by the name of {host[:100]!r}.",
                "Open it as 127.0.0.1 or localhost.",
            )
        _check_origin(scope, headers, host)
        if self.token is None:
            return None
        return self._check_token(scope, headers)

    def _check_rate(self, scope: Scope) -> None:
        name = (scope.get("client") or ("",))[0]
        now = time.monotonic()
        bucket = self._buckets.setdefault(name, Bucket(self.limits.burst))
        self._buckets.move_to_end(name)
        if len(self._buckets) > MOST_CLIENTS:
            self._buckets.popitem(last=False)
        gained = (now - bucket.at) * self.limits.rate
        bucket.left, bucket.at = min(bucket.left + gained, self.limits.burst), now
        if bucket.left < 1.0:
            raise Trouble(
                429,
                f"More than {self.limits.rate:g} requests a second come from your address.",
                "Wait a second, then ask less often.",
            )
        bucket.left -= 1.0

    def _check_token(self, scope: Scope, headers: Headers) -> Response | None:
        """Let in whoever brings the token: in the address of the page once, then in a cookie."""
        assert self.token is not None
        given = parse_qs(scope["query_string"].decode("latin-1")).get("token")
        if scope["path"] == "/" and given:
            answer = RedirectResponse("/", 303)
            if _same(given[0], self.token):
                answer.set_cookie(TOKEN_COOKIE, self.token, httponly=True, samesite="strict")
            return answer
        bearer = headers.get("authorization", "").removeprefix("Bearer ")
        if _same(bearer, self.token) or _same(_cookie(headers, TOKEN_COOKIE), self.token):
            return None
        if not scope["path"].startswith(("/api", "/openapi.json")):
            return None  # the page itself is no secret, and asks for the token
        raise Trouble(
            401,
            "This server asks for a token.",
            "Open the address that egem serve printed, which holds it.",
        )

    async def _counted(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Count the bytes of a body as they come."""
        if scope["type"] != "http" or scope["method"] in SAFE:
            return await self.app(scope, receive, send)
        headers = Headers(scope=scope)
        form = headers.get("content-type", "").startswith("multipart/form-data")
        most = self.limits.body if form else self.limits.json
        announced = headers.get("content-length", "0")
        if not announced.isdigit() or int(announced) > most:
            return await _refusal(_too_much(most))(scope, receive, send)
        if int(announced) > SMALL and self._in_flight + int(announced) > MOST_IN_FLIGHT:
            await _drop(receive, most)
            return await _refusal(_busy())(scope, receive, send)
        counted = 0

        async def counting() -> Message:
            nonlocal counted
            message = await receive()
            n = len(message.get("body", b""))
            counted += n
            self._in_flight += n
            if counted > most:
                raise _too_much(most)
            if counted > SMALL and self._in_flight > MOST_IN_FLIGHT:
                if message.get("more_body"):
                    await _drop(receive, most)
                raise _busy()
            return message

        try:
            await self.app(scope, counting, send)
        finally:
            self._in_flight -= counted
        return None


async def _drop(receive: Receive, most: int) -> None:
    """Read a body and forget it: who is still sending when the line closes sees no answer."""
    n, more = 0, True
    while more and n <= most:
        message = await receive()
        n += len(message.get("body", b""))
        more = message.get("more_body", False)


def _refusal(trouble: Trouble) -> Response:
    return JSONResponse(trouble.as_json(), trouble.status_code, trouble.headers)


def _busy() -> Trouble:
    return Trouble(503, "Others are sending much data just now.", "Try again soon.")


def _too_much(most: int) -> Trouble:
    trouble = Trouble(413, f"That is more than {most / 2**20:g} MB.", "Send less at a time.")
    trouble.headers = {"Connection": "close"}  # what is still to come is not read
    return trouble


def is_local(host: str) -> bool:
    """Tell whether a Host header names this machine to itself.

    >>> [is_local(h) for h in ("localhost:8765", "127.0.0.1", "[::1]:80", "127.0.0.1.nip.io")]
    [True, True, True, False]
    """
    try:
        name = urlsplit(f"//{host}").hostname or ""
        return name == "localhost" or ip_address(name).is_loopback
    except ValueError:
        return False


def _check_origin(scope: Scope, headers: Headers, host: str) -> None:
    """Refuse what another page's script sends."""
    if scope["type"] == "http" and scope["method"] in SAFE:
        return
    origin = headers.get("origin")
    foreign = headers.get("sec-fetch-site") in ("cross-site", "same-site")
    if foreign or (origin is not None and urlsplit(origin).netloc != host):
        raise Trouble(403, "Another page sent this.", "Use the page that this server shows.")


def _cookie(headers: Headers, name: str) -> str:
    try:
        found = SimpleCookie(headers.get("cookie", "")).get(name)
    except CookieError:
        return ""
    return found.value if found else ""


def _same(given: str, token: str) -> bool:
    return hmac.compare_digest(given.encode(), token.encode())


def _with_headers(send: Send, path: str) -> Send:
    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in HEADERS.items():
                headers[name] = value
            headers.setdefault(
                "Cache-Control", "no-store" if path.startswith("/api") else "no-cache"
            )
        await send(message)

    return sending
