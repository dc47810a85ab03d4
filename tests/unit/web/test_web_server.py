import asyncio
import logging
import socket
import ssl
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from aiohttp import ClientSession, TCPConnector, WSServerHandshakeError
from cryptography import x509
from web_site import Site, running_site

from gateway.allowance import Allowance
from gateway.errors import TrestleError
from gateway.web import server as server_module
from gateway.web.listener import listening_socket
from gateway.web.server import WebServer
from gateway.web.tls import own_certificate, server_context

NOW = datetime(2026, 11, 20, tzinfo=UTC)


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    async with running_site(tmp_path) as running:
        yield running


async def raw(site: Site, request: str) -> str:
    """What the server answers to these very bytes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", site.server.port)
    writer.write(request.encode())
    async with asyncio.timeout(5):
        answer = await reader.readuntil(b"\r\n\r\n")
    writer.close()
    await writer.wait_closed()
    return answer.decode()


class TestPages:
    @pytest.mark.parametrize("path", ["/", "/demo", "/team.1_x-y"])
    async def test_the_page_is_served_for_every_room(self, site: Site, path: str) -> None:
        async with site.http.get(site.url + path) as answer:
            assert answer.status == 200
            assert answer.content_type == "text/html"
            assert '<script type="module" src="/assets/main.js">' in await answer.text()

    async def test_every_answer_carries_the_security_headers(self, site: Site) -> None:
        for path in ("/", "/assets/main.js", "/health", "/a/b", "/ws"):
            async with site.http.get(site.url + path) as answer:
                policy = answer.headers["Content-Security-Policy"]
                assert "default-src 'self'" in policy
                assert "frame-ancestors 'none'" in policy
                assert answer.headers["Permissions-Policy"] == "camera=(self), microphone=(self)"
                assert answer.headers["X-Content-Type-Options"] == "nosniff"
                assert answer.headers["Cache-Control"] == "no-cache"
                assert answer.headers["Server"] == "Trestle"

    async def test_modules_are_javascript_and_are_checked_each_time(self, site: Site) -> None:
        async with site.http.get(f"{site.url}/assets/main.js") as answer:
            assert answer.status == 200
            assert answer.content_type == "text/javascript"
            tag = answer.headers["ETag"]
        again = {"If-None-Match": tag}
        async with site.http.get(f"{site.url}/assets/main.js", headers=again) as answer:
            assert answer.status == 304

    async def test_a_room_has_one_address(self, site: Site) -> None:
        for path in ("/Demo", "/demo/", "/Demo/"):
            async with site.http.get(site.url + path, allow_redirects=False) as answer:
                assert (answer.status, answer.headers["Location"]) == (302, "/demo")

    @pytest.mark.parametrize(
        "path",
        [
            "/robots.txt",
            "/assets",
            "/api/",
            "/a%20b",
            "/.git",
            "/a/b",
            "/favicon.ico",
            "/" + "a" * 65,
        ],
    )
    async def test_what_is_no_room_says_what_to_do(self, site: Site, path: str) -> None:
        async with site.http.get(site.url + path) as answer:
            assert answer.status == 404
            assert "choose a room" in await answer.text()

    @pytest.mark.parametrize(
        "path",
        [
            "../pyproject.toml",
            "..%2fpyproject.toml",
            "%2e%2e/gateway/app.py",
            "%2e%2e%2fwebclient%2f..%2fconfig%2fgateway.yaml",
            "/etc/passwd",
            "%00.js",
            "views",
            "none.js",
            "a" * 5000 + ".js",
        ],
    )
    async def test_nothing_but_the_web_client_is_served(self, site: Site, path: str) -> None:
        answer = await raw(site, f"GET /assets/{path} HTTP/1.1\r\nHost: x\r\n\r\n")
        assert answer.split()[1] == "404"


class TestBadHttp:
    @pytest.mark.parametrize(
        "request_text",
        [
            "GET /demo%0d%0aX: y HTTP/1.1\r\nHost: x\r\n\r\n",
            "GET /" + "a" * 9000 + " HTTP/1.1\r\nHost: x\r\n\r\n",
            "GET /demo HTTP/1.1\r\n\r\n",
            "GET http://[::bad/ HTTP/1.1\r\nHost: x\r\n\r\n",
            "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: x\r\n\r\n",
            "\x16\x03\x01 hello\r\n\r\n",
        ],
    )
    async def test_is_answered_with_400_and_not_worth_a_traceback(
        self, site: Site, caplog: pytest.LogCaptureFixture, request_text: str
    ) -> None:
        caplog.set_level(logging.DEBUG)
        assert (await raw(site, request_text)).split()[1] == "400"
        assert not [line for line in caplog.records if line.levelno >= logging.INFO]

    async def test_a_fault_of_ours_keeps_its_traceback(
        self, site: Site, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(site.server, "_status", lambda: 1 / 0)
        async with site.http.get(f"{site.url}/api/status") as answer:
            assert answer.status == 500
        assert "ZeroDivisionError" in caplog.text


class TestStatus:
    async def test_health_is_for_everyone(self, site: Site) -> None:
        async with site.http.get(f"{site.url}/health") as answer:
            assert await answer.json() == {"status": "ok"}

    async def test_status_is_told_on_the_machine(self, site: Site) -> None:
        ana = await site.joined("Ana")
        async with site.http.get(f"{site.url}/api/status") as answer:
            assert await answer.json() == {"open": {"web_sockets": 1, "monitor_feeds": 0}}
        await ana.socket.close()

    async def test_metrics_are_told_on_the_machine(self, site: Site) -> None:
        ana = await site.joined("Ana")
        async with site.http.get(f"{site.url}/metrics") as answer:
            assert answer.content_type == "text/plain"
            assert "trestle_web_sockets 1.0\n" in await answer.text()
        await ana.socket.close()

    @pytest.mark.parametrize("path", ["/api/status", "/metrics"])
    @pytest.mark.parametrize(
        "headers",
        [
            {"Host": "rebound.example"},
            {"Host": "[::bad"},
            {"X-Forwarded-For": "127.0.0.1"},
            {"Forwarded": "for=127.0.0.1"},
        ],
    )
    async def test_status_is_not_told_through_others(
        self, site: Site, path: str, headers: dict[str, str]
    ) -> None:
        async with site.http.get(site.url + path, headers=headers) as answer:
            assert answer.status == 403


class TestTheSocket:
    async def test_opens_for_its_own_page_and_for_programs(self, site: Site) -> None:
        for headers in ({}, {"Origin": site.url}):
            browser = await site.browser(**headers)
            await browser.join()
            await browser.socket.close()

    @pytest.mark.parametrize("origin", ["https://evil.example", "null", "", "http://[", "http://"])
    async def test_is_closed_to_other_sites(self, site: Site, origin: str) -> None:
        with pytest.raises(WSServerHandshakeError) as caught:
            await site.browser(Origin=origin)
        assert caught.value.status == 403

    async def test_is_no_page(self, site: Site) -> None:
        async with site.http.get(f"{site.url}/ws") as answer:
            assert answer.status == 400
        assert site.server.inventory()["web_sockets"] == 0

    async def test_opens_only_so_often(self, site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(server_module, "MAX_SOCKETS", 1)
        first = await site.browser()
        with pytest.raises(WSServerHandshakeError) as caught:
            await site.browser()
        assert caught.value.status == 503
        await first.join()


class TestListening:
    async def test_a_taken_port_names_port_and_key(self, site: Site, tmp_path: Path) -> None:
        with pytest.raises(
            TrestleError, match=rf"port {site.server.port}/tcp is taken \(web\.port"
        ):
            await a_server(tmp_path, port=site.server.port, tls_port=None).start(site.rooms)

    async def test_a_taken_tls_port_closes_the_other_one_again(
        self, site: Site, tmp_path: Path
    ) -> None:
        server = a_server(tmp_path, port=0, tls_port=site.server.port)
        with pytest.raises(TrestleError, match=r"is taken \(web\.tls_port"):
            await server.start(site.rooms)
        listening_socket("127.0.0.1", server.port, ("", "")).close()

    def test_a_foreign_address_names_the_key(self) -> None:
        with pytest.raises(TrestleError, match=r"no address of this machine \(web\.listen"):
            listening_socket("198.51.100.1", 0, ("web.listen", "web.port"))

    def test_two_colons_take_ipv4_too(self) -> None:
        with listening_socket("::", 0, ("", "")) as listener:
            port = listener.getsockname()[1]
            socket.create_connection(("127.0.0.1", port), timeout=1).close()


class TestTheCertificate:
    async def test_serves_the_page_and_the_socket(self, site: Site, tmp_path: Path) -> None:
        server = a_server(tmp_path, port=0, tls_port=0)
        await server.start(site.rooms)
        try:
            trust = ssl.create_default_context(cafile=str(tmp_path / "web-tls.pem"))
            async with ClientSession(connector=TCPConnector(ssl=trust)) as http:
                url = f"https://localhost:{server.tls_port}"
                async with http.get(f"{url}/health") as answer:
                    assert answer.status == 200
                ws = await http.ws_connect(f"{url}/ws", headers={"Origin": url})
                await ws.send_str('{"type": "ping"}')
                assert await ws.receive_json(timeout=5) == {"type": "pong"}
                await ws.close()
        finally:
            await server.stop()

    def test_is_made_once_and_nobody_else_can_read_it(self, tmp_path: Path) -> None:
        state = tmp_path / "new" / "state"
        path = own_certificate(state, NOW)
        first = path.read_bytes()
        assert own_certificate(state, NOW + timedelta(days=300)).read_bytes() == first
        assert path.stat().st_mode & 0o777 == 0o600
        assert [entry.name for entry in state.iterdir()] == [path.name]

    @pytest.mark.parametrize(
        "later", [timedelta(days=360), timedelta(days=4000), -timedelta(days=2)]
    )
    def test_is_renewed_before_it_expires(self, tmp_path: Path, later: timedelta) -> None:
        first = own_certificate(tmp_path, NOW).read_bytes()
        second = own_certificate(tmp_path, NOW + later).read_bytes()
        assert second != first
        assert x509.load_pem_x509_certificate(second).not_valid_after_utc > NOW + later

    def test_is_made_anew_if_it_is_damaged(self, tmp_path: Path) -> None:
        (tmp_path / "web-tls.pem").write_text("-----BEGIN NONSENSE-----")
        server_context(own_certificate(tmp_path, NOW))

    def test_of_the_admin_that_is_none_names_the_keys(self, tmp_path: Path) -> None:
        bad = tmp_path / "bad.pem"
        bad.write_text("nonsense")
        with pytest.raises(TrestleError, match=r"bad\.pem .*web\.certificate, web\.key"):
            server_context(bad, bad)

    def test_that_cannot_be_kept_names_the_folder(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("")
        with pytest.raises(TrestleError, match=r"cannot be kept in .*/file \(state_dir\)"):
            own_certificate(tmp_path / "file", NOW)


def test_an_allowance_fills_with_time_up_to_its_burst() -> None:
    allowance = Allowance(rate=2, burst=3, now=100)
    assert [allowance.take(1, 100) for _ in range(4)] == [True, True, True, False]
    assert allowance.take(1, 100.5)
    assert not allowance.take(1, 100.5)
    assert [allowance.take(3, 1000), allowance.take(1, 1000)] == [True, False]


def a_server(state_dir: Path, *, port: int, tls_port: int | None) -> WebServer:
    return WebServer(
        listen="127.0.0.1",
        port=port,
        tls_port=tls_port,
        state_dir=state_dir,
        status=dict,
        metrics=bytes,
    )


async def test_prompts_are_served_as_sound(tmp_path: Path) -> None:
    sound = tmp_path / "x.opus"
    sound.write_bytes(b"OggS")
    async with running_site(tmp_path, sounds={"join": sound}) as site:
        async with site.http.get(f"{site.url}/assets/sounds/join") as answer:
            assert answer.status == 200
            assert answer.headers["Content-Type"] == "audio/ogg"
            assert await answer.read() == b"OggS"
        for path in ("leave", "..%2f..%2fx.opus", "join/"):
            async with site.http.get(f"{site.url}/assets/sounds/{path}") as answer:
                assert answer.status == 404
