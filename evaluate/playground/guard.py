"""Request filter: accepts only requests from the playground's own page, and adds security headers."""

from __future__ import annotations

from asyncio import CancelledError
from contextlib import suppress

from h11 import LocalProtocolError
from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-store",
}


class Guard:
    """Rejects requests to other hosts (DNS rebinding) and from other origins or frames; adds security headers."""

    def __init__(self, app: ASGIApp, port: int) -> None:
        self.app = app
        names = ("127.0.0.1", "localhost")
        self.hosts = {f"{name}:{port}" for name in names}
        if port == 80:  # browsers omit the default port
            self.hosts.update(names)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self.app(scope, receive, send)

        async def send_safely(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        problem = self._problem(Headers(scope=scope))
        app = PlainTextResponse(problem, status_code=403) if problem else self.app
        # uvicorn itself responds to a malformed body; it cancels requests that are still running at shutdown.
        with suppress(LocalProtocolError, CancelledError):
            await app(scope, receive, send_safely)

    def _problem(self, headers: Headers) -> str:
        allowed = " or ".join(f"http://{host}" for host in sorted(self.hosts))
        if headers.get("host", "").lower() not in self.hosts:
            return f"The playground is available only at {allowed}."
        origin = headers.get("origin")
        if origin is not None and origin.lower() not in {f"http://{host}" for host in self.hosts}:
            return f"The playground accepts requests only from its own page, not from {origin[:100]}."
        is_link = headers.get("sec-fetch-mode") == "navigate" and headers.get("sec-fetch-dest") == "document"
        if headers.get("sec-fetch-site") in ("cross-site", "same-site") and not is_link:
            return "The playground cannot be embedded in other pages."
        return ""
