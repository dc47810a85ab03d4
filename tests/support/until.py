"""Waiting for what a page says."""

from playwright.async_api import Page

EVERY = 50
"""Milliseconds between two looks."""


async def until(page: Page, script: str, arg: object = None, within: float = 20.0) -> None:
    """Has a page call a function until what it returns, or promises, is true.

    Raises AssertionError after `within` seconds.

    COMPAT: Playwright 1.65's `wait_for_function` takes every promise for true, also one of false.
    """
    looks = f"""async ([arg, every, within]) => {{
        const end = performance.now() + within;
        while (performance.now() < end) {{
            if (await ({script})(arg)) return true;
            await new Promise((resolve) => setTimeout(resolve, every));
        }}
        return false;
    }}"""
    if not await page.evaluate(looks, [arg, EVERY, within * 1000]):
        raise AssertionError(f"not so within {within} s, {arg=}: {script}")
