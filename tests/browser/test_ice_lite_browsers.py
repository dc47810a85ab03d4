"""The ICE-lite endpoint against real browsers: they hear their own tone come back."""

from collections.abc import AsyncIterator

import numpy as np
import pytest
from playwright.async_api import Page, async_playwright

from support.browser import ARGUMENTS
from support.echo_gateway import EchoGateway
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
const take = (sdp) => pc.setRemoteDescription({ type: "answer", sdp });
function sound() {
  const samples = new Float32Array(16384);
  analyser.getFloatTimeDomainData(samples);
  return [context.sampleRate, Array.from(samples)];
}
async function end() { pc.close(); }
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
    async with EchoGateway() as gateway:
        answer = await gateway.answer(await chromium.evaluate("(hz) => offer(hz)", HZ))
        await chromium.evaluate("(sdp) => take(sdp)", answer)
        await gateway.connected()
        heard = -120.0
        for _ in range(40):
            rate, samples = await chromium.evaluate("sound()")
            heard = level(np.array(samples), int(rate), HZ)
            if heard > -30:
                break
        assert heard > -30
        (port,) = gateway.ports
        assert port.batch.forged == port.batch.replayed == 0
        await chromium.evaluate("end()")
        await port.failed.wait()
        assert port.failure == "the peer closed the connection"
