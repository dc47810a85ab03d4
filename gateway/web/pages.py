"""The web client's files, and the headers that every answer carries."""

from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path

from aiohttp import web

from gateway.roomname import RULE, room_name

# Said here and not left to the machine's table of types: browsers run a module only as JavaScript.
_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}

_SOUND_TYPES = {
    ".opus": "audio/ogg",
    ".ogg": "audio/ogg",
    ".flac": "audio/flac",
    ".wav": "audio/wav",
}

_HEADERS = {
    "Cache-Control": "no-cache",
    "Content-Security-Policy": (
        "default-src 'self'; connect-src 'self' ws: wss:; img-src 'self' data:;"
        " media-src 'self' blob: mediastream:; style-src 'self'; script-src 'self';"
        " base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    ),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(self), microphone=(self)",
    "Referrer-Policy": "no-referrer",
    "Server": "Trestle",
    "X-Content-Type-Options": "nosniff",
}

_NOT_FOUND = f"""\
<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>No such page · Trestle</title>
<link rel="stylesheet" href="/assets/style.css">
<main>
<h1>There is no such page</h1>
<p>A room's address is this site's name, a slash and the room's name: {RULE}.
Check the link, or <a href="/">choose a room</a>.</p>
</main>
</html>
"""


class Pages:
    """Serves the page under `/` and `/<room>`, the one under `/monitor`, their parts under
    `/assets/`, and what phones hear of the gateway under `/assets/sounds/`."""

    def __init__(self, sounds: Mapping[str, Path]) -> None:
        """`sounds`: the file of each prompt."""
        self._root = _client_folder()
        self._sounds = sounds

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/", self._index),
            web.get("/monitor", self._monitor),
            web.get("/assets/sounds/{prompt}", self._sound),
            web.get("/assets/{path:.+}", self._asset),
            web.get("/{room}", self._room),
            web.get("/{room}/", self._room),
            web.get("/{tail:.*}", self._missing),
        ]

    async def _index(self, _: web.Request) -> web.StreamResponse:
        return self._file("index.html")

    async def _monitor(self, _: web.Request) -> web.StreamResponse:
        return self._file("monitor.html")

    async def _room(self, request: web.Request) -> web.StreamResponse:
        written = request.match_info["room"]
        room = room_name(written)
        if room is None:
            return await self._missing(request)
        if request.path != f"/{room}":
            raise web.HTTPFound(f"/{room}")
        return self._file("index.html")

    async def _asset(self, request: web.Request) -> web.StreamResponse:
        return self._file(request.match_info["path"])

    async def _sound(self, request: web.Request) -> web.StreamResponse:
        path = self._sounds.get(request.match_info["prompt"])
        if path is None:
            return web.Response(status=404, text="There is no such sound.\n")
        return web.FileResponse(path, headers={"Content-Type": _SOUND_TYPES[path.suffix]})

    async def _missing(self, _: web.Request) -> web.StreamResponse:
        return web.Response(status=404, text=_NOT_FOUND, content_type="text/html")

    def _file(self, name: str) -> web.StreamResponse:
        try:
            path = (self._root / name).resolve()
            known = path.suffix in _TYPES and path.is_relative_to(self._root) and path.is_file()
        except (OSError, ValueError):  # a name too long for the file system, or with a NUL
            known = False
        if not known:
            return web.Response(status=404, text="There is no such file.\n")
        return web.FileResponse(path, headers={"Content-Type": _TYPES[path.suffix]})


async def add_headers(_: web.Request, response: web.StreamResponse) -> None:
    """For aiohttp's `on_response_prepare`."""
    response.headers.update(_HEADERS)


def _client_folder() -> Path:
    """The web client as it was installed, or beside the packages in a checkout."""
    installed = Path(str(files("gateway").joinpath("webclient")))
    folder = installed if installed.is_dir() else installed.parents[1] / "webclient"
    return folder.resolve()
