"""The page without Jekyll, as a browser has it: accessible, whole without a network, and fit for screens and paper."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from ops.docs.forms import html
from ops.docs.model import environments
from tests.infra.stackfiles import project

axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe is not installed: make venv")
playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed: make venv")

Browser: TypeAlias = Any
"""Playwright's, which isn't installed everywhere."""

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
VIEWS: dict[str, dict[str, Any]] = {
    "light": {"viewport": {"width": 1280, "height": 900}, "color_scheme": "light"},
    "dark": {"viewport": {"width": 1280, "height": 900}, "color_scheme": "dark"},
    "phone": {"viewport": {"width": 360, "height": 740}, "color_scheme": "light", "is_mobile": True},
}


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    program = next(filter(None, map(shutil.which, BROWSERS)), None)
    if program is None:
        pytest.skip(f"no browser on PATH: one of {', '.join(BROWSERS)}; on Debian: apt-get install chromium")
    with playwright.sync_playwright() as started:
        running = started.chromium.launch(executable_path=program)
        yield running
        running.close()


@pytest.fixture(scope="module")
def page_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of a project that has addresses, attached and reserved ones, and environments without any."""
    zones = ("eu-west-2a", "eu-west-2b", "eu-west-2c")
    published = {
        network: {zone: f"{network}.{number}" for number, zone in enumerate(zones, 1)}
        for network in ("192.0.2", "198.51.100")
    }
    folder = project(
        tmp_path_factory.mktemp("project"),
        live={"virtualIps": published["192.0.2"]},
        int={"zones": [*zones[:2]], "reservedZones": [zones[2]], "virtualIps": published["198.51.100"]},
    )
    file = folder / "index.html"
    file.write_text(html(environments(folder)), encoding="utf-8")
    return file


@pytest.mark.parametrize("view", VIEWS)
def test_it_is_accessible_and_needs_no_network(view: str, browser: Browser, page_file: Path) -> None:
    with browser.new_context(offline=True, **VIEWS[view]) as context:
        page = context.new_page()
        requested: list[str] = []
        said: list[str] = []
        page.on("request", lambda request: requested.append(request.url))
        page.on("console", lambda message: said.append(message.text))
        page.goto(page_file.as_uri())
        results = axe.Axe().run(page)
        assert results.violations_count == 0, results.generate_report()
        assert (requested, said) == ([page_file.as_uri()], [])
        width = VIEWS[view]["viewport"]["width"]
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        # Each environment has its picture, and a reader of the screen hears what it says.
        pictures = page.get_by_role("img")
        assert pictures.count() == 4
        named = page.get_by_role("img", name="dos.eps.digital.nhs.uk leads to a virtual IP in each of eu-west-2a")
        assert "192.0.2.2" in named.text_content()


def test_on_paper_there_is_nothing_to_press(browser: Browser, page_file: Path) -> None:
    with browser.new_context(offline=True) as context:
        page = context.new_page()
        page.goto(page_file.as_uri())
        assert page.get_by_role("navigation").is_visible()
        page.emulate_media(media="print")
        assert not page.get_by_role("navigation").is_visible()
        assert page.get_by_role("img").first.is_visible()
