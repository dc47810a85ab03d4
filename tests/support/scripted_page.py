"""People at the page, in a conference whose trees the test chooses."""

import json

from playwright.async_api import Page, expect

from support.browser import Browser, Listener
from support.firefox import Firefox
from support.scripted_signalling import ScriptedServer

NAMES = ("Ana Lopes", "Ben", "Chloé", "Dmitri")
HZ = (401, 491, 593, 709)
COLOURS = ("lightsalmon", "mediumseagreen", "cornflowerblue", "khaki")


async def join(
    browser: Browser, server: ScriptedServer, person: int = 0, script: str = ""
) -> Listener:
    """Somebody joins by a page in which `script` ran before the page's own ones."""
    page = await browser.page(HZ[person], COLOURS[person])
    await page.add_init_script(script)
    listener = Listener(page)
    await page.goto(f"{server.url}/demo")
    await page.get_by_label("Your name").fill(NAMES[person])
    await page.locator("#preview").wait_for()
    await page.click("#join-button")
    await state_is(page, "joined")
    listener.own = str(await page.get_attribute(".tile.you", "data-participant"))
    return listener


async def firefox_joins(
    firefox: Firefox, server: ScriptedServer, person: int, *scripts: str
) -> None:
    """The same in Firefox, which has no devices but what `scripts` give it."""
    for script in scripts:
        await firefox.command(
            "script.addPreloadScript", functionDeclaration=f"() => {{{script}\n}}"
        )
    await firefox.show(f"{server.url}/demo")
    await firefox.evaluate(f"""(async () => {{
        document.querySelector("#name").value = {json.dumps(NAMES[person])};
        while (document.documentElement.dataset.state !== "joined") {{
            document.querySelector("#join-button").click();
            await new Promise((resolve) => setTimeout(resolve, 100));
        }}
    }})()""")


async def state_is(page: Page, state: str) -> None:
    await expect(page.locator(f"html[data-state={state}]")).to_have_count(1, timeout=10_000)


async def pictures(page: Page, count: int) -> None:
    await expect(page.locator(".tile.has-picture")).to_have_count(count, timeout=10_000)
