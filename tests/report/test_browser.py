"""The page in headless Chromium: silent, accessible, usable by keyboard and without JavaScript."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bench.registry import discover

webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is not installed")
CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(not (CHROMIUM and DRIVER), reason="no chromium or chromedriver on the path"),
]

PATIENCE = 900  #: seconds for axe on a busy machine: time decides no test
# unstick and unclip everything first: what is scrolled out of sight, axe only calls "incomplete"
EXPAND = """
const s = new CSSStyleSheet();
s.replaceSync('.scroll{overflow:visible!important}.bar,th{position:static!important}' +
  '.set{content-visibility:visible!important}.skip{position:static!important}' +
  'body{width:max-content;min-width:100%}');
document.adoptedStyleSheets = [s];
"""
UNROLL = """
const s = new CSSStyleSheet();
s.replaceSync('.set{content-visibility:visible!important}');
document.adoptedStyleSheets = [s];
"""
AXE = """
const done = arguments[arguments.length - 1];
axe.run(document, {resultTypes: ['violations']}).then(r => done({
  bad: r.violations.filter(v => ['serious', 'critical'].includes(v.impact))
    .map(v => v.id + ': ' + v.nodes.slice(0, 3).map(n => n.html.slice(0, 160)).join(' | ')),
  passed: r.passes.filter(p => p.id === 'color-contrast').length}));
"""


def axe_source() -> str:
    """axe-core from the file AXE_JS, or from the package axe-selenium-python; else skip."""
    file = os.environ.get("AXE_JS")
    if not file:
        spec = importlib.util.find_spec("axe_selenium_python")
        if spec is None or spec.origin is None:
            pytest.skip("no axe-core: set AXE_JS, or pip install axe-selenium-python")
        file = str(Path(spec.origin).parent / "node_modules" / "axe-core" / "axe.min.js")
    return Path(file).read_text(encoding="utf-8")


def start(profile: Path, javascript: bool = True) -> Any:
    """A fresh browser that resolves no host."""
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for flag in ("--headless", "--no-sandbox", "--disable-gpu", "--window-size=1280,900"):
        options.add_argument(flag)
    options.add_argument("--host-resolver-rules=MAP * ~NOTFOUND")
    options.add_argument(f"--user-data-dir={profile}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    downloads = {"download.default_directory": str(profile / "downloads")}
    off = {} if javascript else {"profile.managed_default_content_settings.javascript": 2}
    options.add_experimental_option("prefs", downloads | off)
    service = webdriver.chrome.service.Service(DRIVER)
    driver = webdriver.Chrome(options=options, service=service)
    driver.command_executor.client_config.timeout = PATIENCE
    driver.set_script_timeout(PATIENCE)
    return driver


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    driver = start(tmp_path_factory.mktemp("profile"))
    yield driver
    driver.quit()


@pytest.fixture
def opened(browser: Any, built: Path) -> Any:
    """The page, freshly loaded at 1280 px in the light theme."""
    shape(browser, 1280, "light")
    browser.get("about:blank")
    browser.get_log("browser"), browser.get_log("performance")
    browser.get((built / "leaderboard.html").as_uri())
    return browser


def shape(browser: Any, width: int, theme: str) -> None:
    """Set the viewport's width and the system's theme."""
    size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 700}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    feature = {"name": "prefers-color-scheme", "value": theme}
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [feature]})


def find(browser: Any, selector: str) -> Any:
    """The first element of a CSS selector."""
    return browser.find_element("css selector", selector)


def column(browser: Any, data_set: str, index: int) -> list[str]:
    """Texts of a column, in the order shown."""
    script = (
        "return [...document.querySelector(`table.lb[data-s='${arguments[0]}']`).tBodies[0].rows]"
        ".map(r => r.cells[arguments[1]].textContent)"
    )
    return browser.execute_script(script, data_set, index)


def press(browser: Any, data_set: str, index: int) -> None:
    """Press a column's heading."""
    browser.execute_script(
        "document.querySelector(`table.lb[data-s='${arguments[0]}']`)"
        ".tHead.rows[0].cells[arguments[1]].firstElementChild.click()",
        data_set,
        index,
    )


def test_no_request_and_an_empty_console(opened: Any) -> None:
    press(opened, "claw", 5)
    find(opened, "tr[data-r='0'] th button").click()
    opened.implicitly_wait(5)
    find(opened, "dialog[open] table")
    opened.implicitly_wait(0)
    assert opened.get_log("browser") == []
    events = [json.loads(e["message"])["message"] for e in opened.get_log("performance")]
    urls = [
        e["params"]["request"]["url"] for e in events if e["method"] == "Network.requestWillBeSent"
    ]
    assert [u for u in urls if not u.startswith(("file:", "data:", "blob:", "about:"))] == []


@pytest.mark.parametrize(("width", "theme"), [(1280, "light"), (1280, "dark"), (375, "light")])
def test_no_serious_accessibility_violation(opened: Any, width: int, theme: str) -> None:
    source = axe_source()
    shape(opened, width, theme)
    opened.execute_script(EXPAND)
    opened.execute_script(source)
    result = opened.execute_async_script(AXE)
    assert result["bad"] == []
    assert result["passed"] == 1


def test_axe_sees_a_sabotaged_page(opened: Any) -> None:
    source = axe_source()
    opened.execute_script(
        "document.documentElement.removeAttribute('lang');"
        "document.querySelector('img').removeAttribute('alt');"
        "document.querySelector('.take').style.color = '#ccc';"
        "document.querySelector('svg[role]').removeAttribute('aria-label');"
    )
    opened.execute_script(EXPAND)
    opened.execute_script(source)
    found = {line.split(":")[0] for line in opened.execute_async_script(AXE)["bad"]}
    wanted = {"html-has-lang", "image-alt", "color-contrast"}
    if not opened.execute_script("return axe.version").startswith("3."):
        wanted.add("svg-img-alt")
    assert wanted <= found


@pytest.mark.parametrize("width", [375, 1280])
def test_no_sideways_scroll(opened: Any, width: int) -> None:
    shape(opened, width, "light")
    opened.execute_script(UNROLL)
    assert opened.execute_script("return document.documentElement.scrollWidth") <= width


def test_sorting_up_down_and_back(opened: Any) -> None:
    original = column(opened, "checkerboard", 1)
    press(opened, "checkerboard", 10)
    times = [float(t.replace(",", "")) for t in column(opened, "checkerboard", 10)]
    assert times == sorted(times)
    press(opened, "checkerboard", 10)
    times = [float(t.replace(",", "")) for t in column(opened, "checkerboard", 10)]
    assert times == sorted(times, reverse=True)
    press(opened, "checkerboard", 10)
    assert column(opened, "checkerboard", 1) == original


def test_unranked_rows_stay_below_when_sorted(opened: Any) -> None:
    press(opened, "odd", 10)
    assert set(column(opened, "odd", 1)[:2]) == {"best", "bounded"}


def test_state_lives_in_the_address(opened: Any, browser: Any) -> None:
    press(opened, "claw", 10)
    find(opened, "#q").send_keys("nflows")
    find(opened, "#ranked").click()
    shown = find(opened, "#shown").text
    assert "of 41 rows" in shown
    order, address = column(opened, "claw", 1), opened.current_url
    browser.get("about:blank")
    browser.get(address)
    assert find(browser, "#shown").text == shown
    assert find(browser, "#q").get_attribute("value") == "nflows"
    assert column(browser, "claw", 1) == order
    sorted_by = find(browser, "table.lb[data-s='claw'] [aria-sort]")
    assert sorted_by.get_attribute("aria-sort") == "ascending"


def test_columns_can_be_shown(opened: Any) -> None:
    cell = find(opened, "table.lb tbody tr td:nth-child(14)")
    assert not cell.is_displayed()
    find(opened, ".menu summary").click()
    find(opened, "[data-c='14']").click()
    assert cell.is_displayed()


def test_theme_can_be_chosen(opened: Any) -> None:
    ground = "return getComputedStyle(document.body).backgroundColor"
    light = opened.execute_script(ground)
    find(opened, "#theme option[value=dark]").click()
    assert opened.execute_script(ground) != light


def test_details_by_keyboard(opened: Any) -> None:
    button = find(opened, "tr[data-r='0'] th button")
    opened.execute_script("arguments[0].focus()", button)
    button.send_keys("\ue007")
    opened.implicitly_wait(5)
    text = find(opened, "dialog[open] #more-body").text
    opened.implicitly_wait(0)
    assert find(opened, "#more-title").text.endswith("on claw")
    for part in ("invariance", "dddddddddddddddd", "Example 9000", "quadrature"):
        assert part in text
    find(opened, "dialog").send_keys("\ue00c")
    assert not find(opened, "dialog").is_displayed()


def test_an_audit_cell_opens_its_checks(opened: Any) -> None:
    find(opened, "#audit .failed:nth-child(2) button").send_keys("\ue007")
    opened.implicitly_wait(5)
    text = find(opened, "dialog[open] #more-body").text
    opened.implicitly_wait(0)
    assert find(opened, "#more-title").text == "sly on audit-2"
    assert "Audit of sly: failed: balance, truth" in text
    balance = discover().checks["balance"]
    assert balance.question in text
    assert "✗ fail" in text
    assert f"Look at: {balance.remedy}" in text
    assert discover().checks["log-det"].remedy not in text


def test_the_dialog_is_accessible_and_breaks_no_word(opened: Any) -> None:
    source = axe_source()
    find(opened, "#audit .failed button").click()
    opened.implicitly_wait(5)
    find(opened, "dialog[open] table")
    opened.implicitly_wait(0)
    headings = opened.find_elements("css selector", "dialog thead th")
    assert len({h.size["height"] for h in headings if h.text}) == 1
    opened.execute_script(source)
    assert opened.execute_async_script(AXE.replace("document, {", "'dialog', {"))["bad"] == []


def test_every_row_is_there_without_javascript(built: Path, tmp_path: Path) -> None:
    driver = start(tmp_path, javascript=False)
    try:
        driver.get((built / "leaderboard.html").as_uri())
        assert len(driver.find_elements("css selector", "tr[data-r]")) == 41
        assert find(driver, "noscript p").is_displayed()
        assert find(driver, "tr[data-r='0']").is_displayed()
    finally:
        driver.quit()
