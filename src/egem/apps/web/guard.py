"""Access control in front of the application: origin, token, rate and size of requests.

* The Host header must name this machine; otherwise a foreign page could point its own name here and
  read the answers (DNS rebinding).
* Requests from other pages are refused, WebSockets included; no answer allows other origins.
* If other machines can connect, every request must carry the token.
* The bytes of a body are counted as they arrive.
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

from egem.apps.web.errors import ApiError

TOKEN_COOKIE = "egem-token"
MAX_FORM = 20 * 2**20  # bytes of a form, which holds a file
MAX_JSON = 4 * 2**20
MAX_IN_FLIGHT = 80 * 2**20  # bytes of all bodies that are being received or processed
SMALL = 2**18  # bytes of a body that is accepted whatever others send
MAX_CLIENTS = 1000  # whose rate is limited
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
    """Limits on requests.

    Attributes
    ----------
    rate : float
        Sustained requests per second from one address.
    burst : int
        Requests at once from one address.
    form : int
        Bytes of a form.
    json : int
        Bytes of anything else.
    """

    rate: float = 200.0
    burst: int = 600
    form: int = MAX_FORM
    json: int = MAX_JSON


@dataclass
class Bucket:
    """Token bucket of one address."""

    left: float
    at: float = field(default_factory=time.monotonic)


class Guard:
    """ASGI middleware that refuses improper requests.

    Parameters
    ----------
    app : ASGIApp
        The application.
    token : str or None
        Token that every request must carry; None accepts requests to the names of this machine
        only.
    limits : Limits
        Limits on requests.
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
            refused = self._check(scope)
        except ApiError as error:
            refused = _response(error)
        if refused is None:
            return await self._counted(scope, receive, send)
        if scope["type"] == "http":
            return await refused(scope, receive, send)
        # Refused before it is accepted, a WebSocket is answered with 403.
        await receive()
        await send({"type": "websocket.close", "code": 1008})
        return None

    def _check(self, scope: Scope) -> Response | None:
        """Accept a request, answer it, or raise an error."""
        headers = Headers(scope=scope)
        host = headers.get("host", "")
        self._check_rate(scope)
        if self.token is None and not is_local(host):
            raise ApiError(
                403,
                f"{host[:100]!r} is not a name of this server.",
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
        if len(self._buckets) > MAX_CLIENTS:
            self._buckets.popitem(last=False)
        gained = (now - bucket.at) * self.limits.rate
        bucket.left, bucket.at = min(bucket.left + gained, self.limits.burst), now
        if bucket.left < 1.0:
            raise ApiError(
                429,
                f"More than {self.limits.rate:g} requests per second come from your address.",
                "Wait a second, then send requests less often.",
            )
        bucket.left -= 1.0

    def _check_token(self, scope: Scope, headers: Headers) -> Response | None:
        """Accept the token from the URL of the page, from a cookie or from a header."""
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
            return None  # the page itself is public, and asks for the token
        raise ApiError(
            401,
            "This server requires a token.",
            "Open the address that egem serve printed, which contains it.",
        )

    async def _counted(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Count the bytes of a body as they arrive."""
        if scope["type"] != "http" or scope["method"] in SAFE:
            return await self.app(scope, receive, send)
        headers = Headers(scope=scope)
        form = headers.get("content-type", "").startswith("multipart/form-data")
        limit = self.limits.form if form else self.limits.json
        announced = headers.get("content-length", "0")
        if not announced.isdigit() or int(announced) > limit:
            return await _response(_too_large(limit))(scope, receive, send)
        if int(announced) > SMALL and self._in_flight + int(announced) > MAX_IN_FLIGHT:
            await _discard(receive, limit)
            return await _response(_busy())(scope, receive, send)
        counted = 0

        async def counting() -> Message:
            nonlocal counted
            message = await receive()
            n = len(message.get("body", b""))
            counted += n
            self._in_flight += n
            if counted > limit:
                raise _too_large(limit)
            if counted > SMALL and self._in_flight > MAX_IN_FLIGHT:
                if message.get("more_body"):
                    await _discard(receive, limit)
                raise _busy()
            return message

        try:
            await self.app(scope, counting, send)
        finally:
            self._in_flight -= counted
        return None


async def _discard(receive: Receive, limit: int) -> None:
    """Read and discard a body: a client that is still sending would not see the answer."""
    n, more = 0, True
    while more and n <= limit:
        message = await receive()
        n += len(message.get("body", b""))
        more = message.get("more_body", False)


def _response(error: ApiError) -> Response:
    return JSONResponse(error.as_json(), error.status_code, error.headers)


def _busy() -> ApiError:
    return ApiError(503, "The server is receiving too much data.", "Try again soon.")


def _too_large(limit: int) -> ApiError:
    error = ApiError(413, f"That is more than {limit / 2**20:g} MB.", "Send less at a time.")
    error.headers = {"Connection": "close"}  # the rest of the body is not read
    return error


def is_local(host: str) -> bool:
    """Return whether a Host header names this machine.

    >>> [is_local(h) for h in ("localhost:8765", "127.0.0.1", "[::1]:80", "127.0.0.1.nip.io")]
    [True, True, True, False]
    """
    try:
        name = urlsplit(f"//{host}").hostname or ""
        return name == "localhost" or ip_address(name).is_loopback
    except ValueError:
        return False


def _check_origin(scope: Scope, headers: Headers, host: str) -> None:
    """Refuse requests from the scripts of other pages."""
    if scope["type"] == "http" and scope["method"] in SAFE:
        return
    origin = headers.get("origin")
    foreign = headers.get("sec-fetch-site") in ("cross-site", "same-site")
    if foreign or (origin is not None and urlsplit(origin).netloc != host):
        raise ApiError(403, "The request comes from another page.", "Use the page of this server.")


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
