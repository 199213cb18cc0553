"""The inspection in a real browser: keys pressed in JupyterLab end in the file of decisions.

Needs Debian's packages chromium and chromium-driver and Selenium (``pip install -e '.[browser]'``).
"""

import json
import os
import secrets
import shutil
import subprocess
import sys
import time

import nbformat
import pytest
from made_candidates import OBSIDS, make_survey
from nbformat.v4 import new_code_cell

from cemp.inspect.decisions import decisions_path, read_decisions
from cemp.paths import ROOT

webdriver = pytest.importorskip(
    "selenium.webdriver", reason="no Selenium: pip install -e '.[browser]'")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
DRIVER = shutil.which("chromedriver")
if not (CHROMIUM and DRIVER):
    pytest.skip("no chromium with its driver: apt-get install chromium chromium-driver",
                allow_module_level=True)

PATIENCE = 120  # seconds: a busy machine starts a server and a kernel slowly
TOY = """
import functools, pathlib, sys
sys.path.insert(0, {tests!r})
from made_candidates import ToyLibrary
import cemp.inspect.pages
cemp.inspect.pages.load_emulator = lambda *_, **__: ToyLibrary()
cemp.inspect.widget.DPI = 60  # drawn in a third of the time
paths = Paths("toy", pathlib.Path({root!r}))
"""


def until(condition, what):
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        found = condition()
        if found:
            return found
        time.sleep(0.2)
    raise AssertionError(f"waited {PATIENCE} s for {what}")


@pytest.fixture(scope="module")
def survey(tmp_path_factory):
    """The tiny survey, and a copy of the notebook that reads it."""
    paths = make_survey(tmp_path_factory.mktemp("survey"))
    notebook = nbformat.read(ROOT / "notebooks" / "inspection.ipynb", as_version=4)
    place = {cell.id: i for i, cell in enumerate(notebook.cells)}
    parameters = notebook.cells[place["parameters"]]
    parameters.source = parameters.source.replace('inspector = ""', 'inspector = "A. Tester"')
    toy = TOY.format(tests=str(ROOT / "tests"), root=str(paths.root))
    notebook.cells.insert(place["imports"] + 1, new_code_cell(toy, id="toy"))
    nbformat.write(notebook, paths.root / "inspection.ipynb")
    return paths


@pytest.fixture(scope="module")
def lab(survey):
    """A JupyterLab server; its address."""
    token, folder = secrets.token_hex(8), survey.root / "jupyter"
    own = {f"JUPYTER{name}_DIR": str(folder / name.lower()) for name in
           ("_CONFIG", "_DATA", "_RUNTIME", "LAB_SETTINGS", "LAB_WORKSPACES")}
    settings = folder / "lab_settings" / "@jupyterlab" / "apputils-extension"
    settings.mkdir(parents=True)
    (settings / "notification.jupyterlab-settings").write_text('{"fetchNews": "false"}')
    log = open(survey.root / "lab.log", "w")
    server = subprocess.Popen(
        [sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", "--port=0",
         f"--ServerApp.root_dir={survey.root}", f"--IdentityProvider.token={token}",
         "--LabApp.expose_app_in_browser=True"],
        env={**os.environ, **own, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        stdout=log, stderr=subprocess.STDOUT)
    runtime = folder / "_runtime"
    try:
        until(lambda: [*runtime.glob("jpserver-*.json")] or server.poll() is not None, "the server")
        url = json.loads(next(runtime.glob("jpserver-*.json")).read_text())["url"]
        yield f"{url}lab/tree/inspection.ipynb?token={token}&reset"
    finally:
        server.terminate()
        server.wait(30)
        log.close()


@pytest.fixture(scope="module")
def browser(lab):
    """Chromium with the notebook run and its widget on screen."""
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for word in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage",
                 "--window-size=1400,1500"):
        options.add_argument(word)
    driver = webdriver.Chrome(options, webdriver.ChromeService(DRIVER))
    try:
        driver.get(lab)
        until(lambda: driver.execute_script(READY), "the kernel")
        driver.execute_script("window.jupyterapp.commands.execute('notebook:run-all-cells')")
        until(lambda: find(driver, ".cemp-inspect img"), "the widget")
        yield driver
    finally:
        driver.quit()


READY = """
const panel = window.jupyterapp?.shell.currentWidget;
return Boolean(panel?.sessionContext?.session?.kernel?.status === 'idle');
"""


def find(driver, selector):
    found = driver.find_elements("css selector", selector)
    return found[0] if found else None


def shown(driver):
    """The obsid on screen; None while a widget is being replaced."""
    return driver.execute_script(
        "return Number(document.querySelector('.cemp-inspect')?.dataset.obsid) || null")


def message(driver):
    return driver.execute_script(
        "return document.querySelector('.cemp-message')?.textContent || ''")


def press(driver, *keys):
    webdriver.ActionChains(driver).send_keys(*keys).perform()


def cells(driver):
    return driver.execute_script(
        "return window.jupyterapp.shell.currentWidget.content.widgets.length")


def test_a_key_press_ends_in_the_file(browser, survey):
    file, before = decisions_path(survey), cells(browser)
    image = find(browser, ".cemp-inspect img")
    browser.execute_script("arguments[0].scrollIntoView({block: 'center'})", image)
    until(lambda: image.get_property("naturalWidth") > 600, "the picture")
    assert shown(browser) == OBSIDS[2]
    image.click()
    press(browser, "a")
    until(lambda: shown(browser) == OBSIDS[1], "the next page")
    row = read_decisions(file).iloc[0]
    assert (row["obsid"], row["decision"], row["inspector"]) == (OBSIDS[2], "accept", "A. Tester")
    assert cells(browser) == before, "JupyterLab took the key and inserted a cell"


def test_a_note_keeps_its_letters_and_goes_with_the_decision(browser, survey):
    keys = webdriver.Keys
    press(browser, "n")
    press(browser, "arz blend")  # letters here, commands elsewhere
    press(browser, keys.ENTER)
    until(lambda: "goes with" in message(browser), "the kernel's answer")
    assert len(read_decisions(decisions_path(survey))) == 1
    press(browser, "r")
    until(lambda: shown(browser) == OBSIDS[0], "the next page")
    rows = read_decisions(decisions_path(survey)).set_index("obsid")
    assert rows.loc[OBSIDS[1], ["decision", "note"]].tolist() == ["reject", "arz blend"]


def test_arrows_turn_pages_and_z_takes_back(browser, survey):
    keys = webdriver.Keys
    press(browser, keys.ARROW_LEFT)
    until(lambda: shown(browser) == OBSIDS[1], "the page before")
    assert find(browser, ".cemp-note").get_property("value") == "arz blend"
    assert find(browser, ".cemp-reject").get_attribute("aria-pressed") == "true"
    press(browser, keys.ARROW_RIGHT)
    until(lambda: shown(browser) == OBSIDS[0], "the page behind")
    press(browser, "z")
    until(lambda: shown(browser) == OBSIDS[1], "the page whose decision was taken back")
    assert read_decisions(decisions_path(survey))["obsid"].tolist() == [OBSIDS[2]]


def test_buttons_decide_too_and_keys_work_after_a_click(browser, survey):
    find(browser, ".cemp-unsure").click()
    until(lambda: shown(browser) == OBSIDS[0], "the next page")
    press(browser, "u")
    until(lambda: shown(browser) == OBSIDS[3], "the next page")
    rows = read_decisions(decisions_path(survey)).set_index("obsid")["decision"]
    assert rows.to_dict() == {OBSIDS[0]: "unsure", OBSIDS[1]: "unsure", OBSIDS[2]: "accept"}
    assert "3 of 4 decided: 1 accepted, 0 rejected, 2 unsure" in find(browser, ".cemp-count").text


def test_a_new_widget_resumes_where_the_last_one_stopped(browser, survey):
    browser.execute_script("""
const panel = window.jupyterapp.shell.currentWidget, notebook = panel.content;
notebook.activeCellIndex = notebook.widgets.findIndex(cell => cell.model.id === 'decide');
window.jupyterapp.commands.execute('notebook:run-cell');""")
    until(lambda: shown(browser) == OBSIDS[3] and "go to" in message(browser), "the new widget")
    find(browser, ".cemp-inspect img").click()
    press(browser, "a", "a", "a")  # the last page: no key decides about another star
    until(lambda: "4 of 4 decided" in find(browser, ".cemp-count").text, "the last decision")
    rows = read_decisions(decisions_path(survey)).set_index("obsid")["decision"]
    assert rows[OBSIDS[3]] == "accept" and len(rows) == 4


def test_without_its_mark_jupyterlab_would_take_the_keys(browser):
    """The control of the first test: b, no key of ours, is JupyterLab's for a new cell."""
    widget, before = find(browser, ".cemp-inspect"), cells(browser)
    find(browser, ".cemp-inspect img").click()
    press(browser, "b")
    browser.execute_script("arguments[0].removeAttribute('data-lm-suppress-shortcuts')", widget)
    press(browser, "b")
    until(lambda: cells(browser) > before, "a new cell")
    assert cells(browser) == before + 1, "the first b, with the mark, made one too"


def test_the_browser_logged_no_error_of_ours(browser):
    log = browser.get_log("browser")
    errors = [entry["message"] for entry in log if entry["level"] == "SEVERE"]
    assert not [text for text in errors if "anywidget" in text or "cemp" in text]
