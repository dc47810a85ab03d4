"""The ICE-lite endpoint against real browsers: they hear their own tone come back."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
import pytest
from playwright.async_api import Page, async_playwright

from support.browser import ARGUMENTS
from support.echo_gateway import EchoGateway
from support.firefox import Firefox
from support.processes import find_program
from support.tones import level

HZ = 593
PAGE = """<!doctype html><script>
const pc = new RTCPeerConnection();
const context = new AudioContext();
const analyser = new AnalyserNode(context, { fftSize: 16384 });

function speak(hz) {
  const oscillator = new OscillatorNode(context, { frequency: hz });
  const out = new MediaStreamAudioDestinationNode(context);
  oscillator.connect(new GainNode(context, { gain: 0.25 })).connect(out);
  oscillator.start();
  pc.ontrack = ({ track }) => {
    const stream = new MediaStream([track]);
    const player = new Audio();
    player.muted = true;
    player.srcObject = stream;            // Chromium decodes only what an element plays
    player.play();
    new MediaStreamAudioSourceNode(context, { mediaStream: stream }).connect(analyser);
  };
  pc.addTrack(out.stream.getAudioTracks()[0], out.stream);
}
async function offer(hz) {
  await context.resume();
  speak(hz);
  await pc.setLocalDescription();
  return pc.localDescription.sdp;
}
async function take(sdp) {
  await pc.setRemoteDescription({ type: "answer", sdp });
  return null;
}
function sound() {
  const samples = new Float32Array(16384);
  analyser.getFloatTimeDomainData(samples);
  return [context.sampleRate, Array.from(samples)];
}
async function end() { pc.close(); return null; }
</script>"""


@pytest.fixture
async def chromium() -> AsyncIterator[Page]:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=find_program("chromium"), args=ARGUMENTS
        )
        page = await browser.new_page()
        await page.set_content(PAGE)
        yield page
        await browser.close()


@pytest.mark.timeout(60)
async def test_chromium_hears_its_echo_and_says_goodbye(chromium: Page) -> None:
    await _hears_its_echo(chromium.evaluate)


@pytest.mark.timeout(120)
async def test_firefox_hears_its_echo_and_says_goodbye(tmp_path: Path) -> None:
    async with Firefox(tmp_path) as firefox:
        await firefox.show("data:text/html," + quote(PAGE))
        await _hears_its_echo(firefox.evaluate)


async def _hears_its_echo(evaluate: Callable[[str], Awaitable[Any]]) -> None:
    async with EchoGateway() as gateway:
        answer = await gateway.answer(await evaluate(f"offer({HZ})"))
        await evaluate(f"take({json.dumps(answer)})")
        await gateway.connected()
        (port,) = gateway.ports
        async with asyncio.timeout(10):
            await port.echoing.wait()
            while True:
                rate, samples = await evaluate("sound()")
                if level(np.array(samples), int(rate), HZ) > -30:
                    break
        assert port.batch.forged == port.batch.replayed == 0
        await evaluate("end()")
        async with asyncio.timeout(10):
            await port.failed.wait()
        assert port.failure == "the peer closed the connection"
