"""The pages and images of the playground; a page is sent in parts, each as soon as it is computed."""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Sequence
from contextlib import aclosing, asynccontextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from PIL import Image
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.types import Send

from hspcgan.evaluate.draw.pictures import captioned_grid, png
from hspcgan.evaluate.playground import view
from hspcgan.evaluate.playground.checkpoints import Checkpoints
from hspcgan.evaluate.playground.guard import Guard
from hspcgan.evaluate.playground.page_state import FRAMES, LAST_SEED, LONGEST, MOST, State, StateError, read_state
from hspcgan.evaluate.playground.queue import Queue, QueueFullError, QueuePlace
from hspcgan.evaluate.playground.studio import PART, Drawn, Picture, Studio
from hspcgan.model.common.errors import UserError
from hspcgan.model.common.printable import format_count
from hspcgan.pipeline.pages.templates import stylesheet, templates

T = TypeVar("T")
HERE = Path(__file__).parent
LIMITS = {"longest": LONGEST, "most": MOST, "last_seed": LAST_SEED}
QUEUE_FULL_MESSAGE = "Too many requests are waiting. Try again in a moment."
CLIENT_CLOSED_REQUEST = 499  # status for the log if the client disconnected


def application(checkpoints: Checkpoints, port: int, queue: Queue | None = None) -> Starlette:
    """Returns the application for a server that listens on 127.0.0.1 at `port`."""
    site = Site(checkpoints, Queue() if queue is None else queue)
    routes = [
        Route("/", site.page),
        Route("/image.png", site.image),
        Route("/grid.png", site.grid),
        Route("/strip.png", site.strip),
        Route("/style.css", site.style),
        Route("/icon.svg", site.icon),
    ]
    return Starlette(routes=routes, middleware=[Middleware(Guard, port=port)], lifespan=site.lifespan)


class Site:
    """The request handlers. All computation runs in the thread of the queue."""

    def __init__(self, checkpoints: Checkpoints, queue: Queue) -> None:
        self.checkpoints, self.queue = checkpoints, queue
        self.parts: Any = templates(HERE).get_template("page.html").module  # its macros
        self.css = stylesheet(HERE / "playground.css")

    @asynccontextmanager
    async def lifespan(self, _: Starlette) -> AsyncIterator[None]:
        """At the start, opens the first checkpoint and warms it up; at the end, stops the thread of the queue."""
        warming = asyncio.ensure_future(self._warm_up())
        yield
        warming.cancel()
        self.queue.close()

    async def _warm_up(self) -> None:
        state = State(checkpoint=self.checkpoints.names()[0])
        with suppress(UserError), self.queue.join() as place:  # the page will show the error
            studio = await place.run_step(self.checkpoints.open, state.checkpoint)
            await self._draw(place, studio, view.pictures(state))

    async def page(self, request: Request) -> Response:
        """Returns the page; status 400 for an invalid request, 503 if too many requests are waiting."""
        names = self.checkpoints.names()
        try:
            state = read_state(request.query_params, names)
        except StateError as error:
            return HTMLResponse(self._head(error.state, names) + self._end(error.problems), 400)
        if self.queue.is_full:
            return HTMLResponse(self._head(state, names) + self._end([QUEUE_FULL_MESSAGE]), 503, {"Retry-After": "10"})
        return Parts(self._page(state, names))

    async def _page(self, state: State, names: Sequence[str]) -> AsyncGenerator[str, None]:
        parts, wanted = self.parts, view.pictures(state)
        yield self._head(state, names)
        try:
            with self.queue.join() as place:
                if self.checkpoints.opened(state.checkpoint) is None:
                    yield parts.status(f"Opening {state.checkpoint}; this takes a few seconds the first time.")
                async for before in place.requests_before():
                    yield parts.status(f"Waiting; requests before this one: {before}.")
                studio = await place.run_step(self.checkpoints.open, state.checkpoint)
                yield parts.status("Parsing the captions.")
                found = {side: await place.run_step(studio.read, text) for side, text in state.captions.items()}
                warnings = {side: studio.mismatch_warnings(text) for side, text in state.captions.items()}
                yield parts.captions(view.sides(state, found, warnings), studio.parser is not None)
                yield parts.status(f"Generating {format_count(len(wanted), 'image')}.")
                drawn = dict(zip(wanted, await self._draw(place, studio, wanted), strict=True))
                scorer = studio.scorer.name if studio.scorer else None
                yield parts.images(state, view.cards(state, drawn), view.mean_scores(state, drawn), scorer)
                if state.b and state.b != state.a:
                    yield parts.status(f"Generating {FRAMES} images between the captions.")
                    await self._draw(place, studio, view.frames(state))
                    yield parts.between(state, view.frame_shares(state, view.frames(state)))
        except (UserError, QueueFullError) as error:
            yield self._end([str(error) or QUEUE_FULL_MESSAGE])
        else:
            yield parts.foot(state.commands())

    async def image(self, request: Request) -> Response:
        """Returns the PNG of one frame, at the checkpoint's image size."""
        state = self._state(request)
        frame = request.query_params.get("frame", "0")
        if frame not in map(str, range(FRAMES)):
            raise HTTPException(400, f"frame is {frame[:20]!r}; give a whole number from 0 to {FRAMES - 1}.")
        (drawn,) = await self._drawn(request, state, [Picture(state.a, state.b or state.a, int(frame), state.seed)])
        return Response(drawn.png, media_type="image/png")

    async def grid(self, request: Request) -> Response:
        """Returns all images as a grid with captions, one row per seed."""
        state = self._state(request)
        drawn = await self._drawn(request, state, view.pictures(state))
        labels = [f"{text} (seed {seed})" for seed in state.seeds for text in state.captions.values()]
        return await _sheet(drawn, labels, columns=len(state.captions) if state.b else min(state.count, 4))

    async def strip(self, request: Request) -> Response:
        """Returns the interpolated images from caption A to caption B in one row."""
        state = self._state(request)
        if not state.b:
            raise HTTPException(400, "Caption B is empty; enter a second caption to interpolate to.")
        drawn = await self._drawn(request, state, view.frames(state))
        return await _sheet(drawn, [state.a, *[""] * (FRAMES - 2), state.b], columns=FRAMES)

    async def style(self, _: Request) -> Response:
        """Returns the style sheet that all pages share, followed by the rules of this page."""
        return Response(self.css, media_type="text/css")

    async def icon(self, _: Request) -> Response:
        """Returns the icon, two overlapping circles."""
        return Response((HERE / "icon.svg").read_bytes(), media_type="image/svg+xml")

    def _head(self, state: State, names: Sequence[str]) -> str:
        return self.parts.head(state, names, view.examples(state), LIMITS)

    def _end(self, problems: Sequence[str]) -> str:
        return self.parts.problems(problems) + self.parts.foot([])

    def _state(self, request: Request) -> State:
        try:
            return read_state(request.query_params, self.checkpoints.names())
        except StateError as error:
            raise HTTPException(400, str(error)) from error

    async def _drawn(self, request: Request, state: State, wanted: Sequence[Picture]) -> list[Drawn]:
        """Returns images from memory, or waits in the queue and generates them; stops if the client disconnects."""
        studio = self.checkpoints.opened(state.checkpoint)
        kept = [drawn for picture in wanted if studio and (drawn := studio.cached(picture))]
        if len(kept) == len(wanted):
            return kept

        async def work() -> list[Drawn]:
            with self.queue.join() as place:
                await place.wait_for_turn()
                return await self._draw(place, await place.run_step(self.checkpoints.open, state.checkpoint), wanted)

        try:
            return await _cancel_on_disconnect(request, work())
        except QueueFullError as error:
            raise HTTPException(503, QUEUE_FULL_MESSAGE, {"Retry-After": "10"}) from error
        except UserError as error:
            raise HTTPException(400, str(error)) from error

    async def _draw(self, place: QueuePlace, studio: Studio, wanted: Sequence[Picture]) -> list[Drawn]:
        """Generates images in groups of PART; the request can be cancelled between two groups."""
        drawn = {picture: kept for picture in wanted if (kept := studio.cached(picture))}
        missing = [picture for picture in wanted if picture not in drawn]
        for start in range(0, len(missing), PART):
            drawn.update(await place.run_step(studio.draw, missing[start : start + PART]))
        return [drawn[picture] for picture in wanted]


class Parts(StreamingResponse):
    """A page that is sent in parts; if the client disconnects, generation stops and the request leaves the queue."""

    def __init__(self, parts: AsyncGenerator[str, None]) -> None:
        super().__init__(parts, media_type="text/html")
        self._parts = parts

    async def stream_response(self, send: Send) -> None:
        async with aclosing(self._parts):
            await super().stream_response(send)


async def _cancel_on_disconnect(request: Request, work: Awaitable[T]) -> T:
    """Returns the result of `work`, which is cancelled if the client disconnects."""

    async def disconnected() -> None:
        while (await request.receive())["type"] != "http.disconnect":
            pass

    working, watching = asyncio.ensure_future(work), asyncio.ensure_future(disconnected())
    try:
        await asyncio.wait({working, watching}, return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            raise HTTPException(CLIENT_CLOSED_REQUEST)
        return working.result()
    finally:
        working.cancel()
        watching.cancel()


async def _sheet(drawn: Sequence[Drawn], labels: Sequence[str], columns: int) -> Response:
    images = np.stack([np.asarray(Image.open(io.BytesIO(one.png))) for one in drawn])
    sheet = await asyncio.to_thread(lambda: png(captioned_grid(images, labels, columns)))
    return Response(sheet, media_type="image/png")
