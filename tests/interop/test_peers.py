"""The test peers against each other: a test that fails elsewhere is not the peers' fault."""

from collections.abc import AsyncIterator
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest

from support.baresip import Phone
from support.browser import Browser, Listener
from support.tones import AUDIBLE_DB, TONES, Expected, level, levels, longest_gap

RATE = 48_000


def hum(*tones: int, seconds: float = 0.7, amplitude: float = 0.1) -> np.ndarray:
    time = np.arange(int(seconds * RATE)) / RATE
    return sum((amplitude * np.sin(2 * np.pi * hz * time) for hz in tones), np.zeros(len(time)))


class TestTones:
    def test_a_pure_tone_has_the_level_of_its_amplitude(self) -> None:
        assert level(hum(401, amplitude=0.1), RATE, 401) == pytest.approx(-20, abs=0.1)

    def test_a_tone_does_not_leak_into_another(self) -> None:
        assert level(hum(401), RATE, 491) < -100

    def test_a_clipped_mix_of_three_does_not_look_like_a_fourth(self) -> None:
        for three in combinations(TONES, 3):
            heard = levels(np.clip(hum(*three, amplitude=0.4), -0.8, 0.8), RATE)
            strangers = [hz for hz in TONES if hz not in three and heard[hz] > AUDIBLE_DB]
            assert not strangers, (three, heard)

    def test_a_gap_is_found_and_measured(self) -> None:
        sound = hum(401, seconds=2)
        sound[RATE : RATE + RATE // 2] = 0
        assert longest_gap(sound, RATE, 401) == pytest.approx(0.5, abs=0.1)
        assert longest_gap(hum(401, seconds=2), RATE, 401) == 0

    def test_silence_is_not_taken_for_hearing_the_others(self) -> None:
        assert "not heard" in Expected(401, (491,)).missing(levels(hum(), RATE))

    def test_own_echo_is_noticed(self) -> None:
        assert "not heard" in Expected(401, (491,)).missing(levels(hum(401, 491), RATE))

    def test_somebody_who_is_gone_is_noticed(self) -> None:
        assert "gone" in Expected(401, (491,)).missing(levels(hum(491, 593), RATE))


@pytest.fixture
async def phones(tmp_path: Path) -> AsyncIterator[tuple[Phone, Phone]]:
    async with (
        Phone(tmp_path / "caller", TONES[0]) as caller,
        Phone(tmp_path / "callee", TONES[1], answers=True) as callee,
    ):
        yield caller, callee


async def test_two_phones_hear_each_other_and_not_themselves(phones: tuple[Phone, Phone]) -> None:
    caller, callee = phones
    await caller.dial(callee.uri)
    await callee.event("CALL_RTPESTAB")
    await caller.event("CALL_RTPESTAB")
    assert not Expected(TONES[0], (TONES[1],)).missing(await caller.hears())
    assert not Expected(TONES[1], (TONES[0],)).missing(await callee.hears())
    await caller.hang_up()
    await callee.event("CALL_CLOSED")


LOOP = """async () => {
  const media = await navigator.mediaDevices.getUserMedia({ audio: true, video: true });
  const [near, far] = [new RTCPeerConnection(), new RTCPeerConnection()];
  near.onicecandidate = ({ candidate }) => far.addIceCandidate(candidate);
  far.onicecandidate = ({ candidate }) => near.addIceCandidate(candidate);
  const element = document.createElement("video");
  element.dataset.participant = "far";
  element.autoplay = true;
  element.srcObject = new MediaStream();
  document.body.append(element);
  far.ontrack = ({ track }) => element.srcObject.addTrack(track);
  for (const track of media.getTracks()) near.addTrack(track, media);
  await near.setLocalDescription();
  await far.setRemoteDescription(near.localDescription);
  await far.setLocalDescription();
  await near.setRemoteDescription(far.localDescription);
  await new Promise((resolve) => element.addEventListener("playing", resolve));
}"""


async def test_a_browser_hears_and_sees_another_microphone_and_camera() -> None:
    async with Browser() as browser:
        page = await browser.page(TONES[2], "orchid")
        await page.route("http://localhost/", lambda route: route.fulfill(body="<!doctype html>"))
        await page.goto("http://localhost/")
        await page.evaluate(LOOP)
        listener = Listener(page)
        await listener.sounds()
        assert not Expected(TONES[3], (TONES[2],)).missing(await listener.hears())
        assert list(await listener.hears_each()) == ["far"]
        picture = (await listener.sees())["far"]
        assert (picture.colour, picture.moves) == ("orchid", True)
        assert picture.frames > 3
        assert await page.evaluate("connections.open()") == 2
        assert await page.evaluate("connections.relayed()") == {"audio": 0, "video": 0}
