"""Headless Firefox by WebDriver BiDi, without a driver program.

It gets a sound server of its own with a null sink: without a sound device Firefox leaves every
AudioContext suspended for ever.
"""

import itertools
import json
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import aiohttp

from support.processes import Process, find_program

_PREFERENCES: dict[str, bool | int] = {
    "app.update.enabled": False,
    "datareporting.policy.dataSubmissionEnabled": False,
    "media.autoplay.block-webaudio": False,
    "media.autoplay.blocking_policy": 0,
    "media.autoplay.default": 0,
    "media.gmp-manager.updateEnabled": False,
    "media.peerconnection.ice.obfuscate_host_addresses": False,
    "network.captive-portal-service.enabled": False,
    "network.connectivity-service.enabled": False,
}


class Firefox:
    """One page."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._numbers = itertools.count(1)

    async def __aenter__(self) -> Self:
        profile = self._folder / "profile"
        profile.mkdir(parents=True)
        lines = (f'user_pref("{k}", {json.dumps(v)});\n' for k, v in _PREFERENCES.items())
        (profile / "user.js").write_text("".join(lines))
        sound = self._folder / "sound"
        environ = {"HOME": str(self._folder), "XDG_RUNTIME_DIR": str(self._folder)}
        self._sound = Process(
            *(find_program("pulseaudio"), "-n", "--daemonize=no", "--exit-idle-time=-1"),
            *("--log-level=info", "-L", "module-null-sink sink_name=nowhere"),
            *("-L", f"module-native-protocol-unix auth-anonymous=1 socket={sound}"),
            environ=environ,
        )
        self._firefox = Process(
            *(find_program("firefox-esr"), "--headless", "--no-remote"),
            *("--profile", str(profile), "--remote-debugging-port", "0", "about:blank"),
            environ={**environ, "PULSE_SERVER": f"unix:{sound}"},
        )
        await self._sound.__aenter__()
        try:
            await self._sound.line("Daemon startup complete")
            await self._firefox.__aenter__()
        except BaseException:
            await self._sound.end()
            raise
        try:
            await self._connect()
        except BaseException:
            await self._end()
            raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._socket.close()
        await self._http.close()
        await self._end()

    async def _end(self) -> None:
        await self._firefox.end()
        await self._sound.end()

    async def _connect(self) -> None:
        line = await self._firefox.line("WebDriver BiDi listening on ws://", within=60)
        address = line.split()[-1]
        self._http = aiohttp.ClientSession()
        self._socket = await self._http.ws_connect(f"{address}/session", max_msg_size=0)
        await self.command("session.new", capabilities={})
        tree = await self.command("browsingContext.getTree")
        self._context = tree["contexts"][0]["context"]

    async def command(self, method: str, **params: Any) -> Any:
        number = next(self._numbers)
        await self._socket.send_json({"id": number, "method": method, "params": params})
        while True:
            message = await self._socket.receive_json()
            if message.get("id") == number:
                assert message["type"] == "success", message
                return message["result"]

    async def show(self, url: str) -> None:
        await self.command(
            "browsingContext.navigate", context=self._context, url=url, wait="complete"
        )

    async def evaluate(self, expression: str) -> Any:
        """The value of an expression, through JSON."""
        result = await self.command(
            "script.evaluate",
            expression=f"(async () => JSON.stringify(await ({expression})))()",
            target={"context": self._context},
            awaitPromise=True,
        )
        assert result["type"] == "success", result
        return json.loads(result["result"].get("value") or "null")
