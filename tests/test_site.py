"""The site made of the committed notebooks: set right, linked right, legible on a phone.

The last tests need Debian's packages chromium and chromium-driver and Selenium
(``pip install -e '.[browser]'``); the others parse the pages.
"""

import re
import shutil
from html import unescape

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from cemp.errors import BadInputError
from cemp.paths import ROOT, Paths
from cemp.results import read_values
from cemp.site import build, links, notebooks, paper
from cemp.site.content import size_text
from cemp.site.tex import Tex, table_rows

PHONE = {"width": 375, "height": 667, "deviceScaleFactor": 1, "mobile": True}


# ---- TeX ----------------------------------------------------------------------------------------

SET = {
    r"$-2.5 \leq \feh < -1.5$": "−2.5 ≤ [Fe/H] &lt; −1.5",
    r"$0.81_{-0.04}^{+0.05}$":
        '0.81<span class="both"><sup>+0.05</sup><sub>−0.04</sub></span>',
    r"C$_2$ and $\log g$": "C<sub>2</sub> and log <i>g</i>",
    r"\textit{The Cannon}, 95\% of 8800\,\AA": "<em>The Cannon</em>, 95% of 8800&nbsp;Å",
    r"as \citet{a} say \citep[e.g.][]{a,b}":
        "as One &amp; Two (2005) say (e.g. One &amp; Two 2005; Three et al. 2010)",
    r"Table~\ref{tab:x}, Section~\ref{sec:y}":
        'Table&nbsp;<a href="t.html#x">3</a>, Section&nbsp;2',
    r"``a'' -- \texttt{b\_c}% gone": "“a” – <code>b_c</code>",
}  # fmt: skip


@pytest.mark.parametrize("text", SET)
def test_tex_is_set_as_html(text):
    tex = Tex({"feh": r"\ensuremath{\mathrm{[Fe/H]}}"},
              {"tab:x": ("3", "t.html#x"), "sec:y": ("2", "")},
              {"a": ("One & Two", "2005"), "b": ("Three et al.", "2010")})
    assert tex.html(text) == SET[text]


def test_an_unknown_command_stays_visible():
    assert Tex().html(r"an \odd one") == r"an <code>\odd</code>one"


def test_cells_that_span_columns_are_told():
    head = Tex().table(r"\colhead{} & \multicolumn{3}{c}{all} \\ \colhead{a} & b & c & d")
    assert head == [[("", 1), ("all", 3)], [("a", 1), ("b", 1), ("c", 1), ("d", 1)]]
    assert table_rows("% made\n1 & 2 \\\\\n") == [["1", "2"]]


def test_floats_are_counted_as_the_paper_counts_them(tmp_path):
    (tmp_path / "04_b.tex").write_text("% x\n1 & 2\n")
    text = (r"\begin{figure}\plotone{figures/01_a.pdf}\caption{A. \label{fig:a}}\end{figure}"
            r"\begin{deluxetable*}{l}\tablecaption{B \label{tab:b}}\tablehead{h}\startdata"
            r"\input{tables/04_b}\enddata\end{deluxetable*}"
            r"\begin{figure*}\narrowplots\plotone{figures/01_c.pdf}\caption{C}\end{figure*}")
    found = paper.read_floats(text, tmp_path)
    assert [(one.kind, one.number, one.name) for one in found] == [
        ("Figure", "1", "01_a"), ("Table", "1", "04_b"), ("Figure", "2", "01_c")]
    assert table_rows(found[1].body) == [["1", "2"]] and found[1].head == "h"


# ---- links --------------------------------------------------------------------------------------

GOOD = ('<h1 id="a">A</h1><h2>B</h2><a href="b.html#c">c</a><a href="#a">a</a>'
        '<a href="https://example.org">out</a><img src="x.png" alt="">')


def pages(folder, first, second='<h1 id="c">C</h1>'):
    (folder / "x.png").write_bytes(b"")
    (folder / "a.html").write_text(first)
    (folder / "b.html").write_text(second)
    return links.faults(folder)


def test_good_pages_have_no_fault(tmp_path):
    assert pages(tmp_path, GOOD) == []


@pytest.mark.parametrize(("page", "fault"), [
    ('<a href="gone.html">x</a>', "gone.html leads to no file"),
    ('<a href="b.html#d">x</a>', "b.html#d leads to no place"),
    ('<p id="e"></p><p id="e"></p>', "two things have the id 'e'"),
    ('<img src="x.png">', "a picture without alt"),
    ('<h1>A</h1><h3>B</h3>', "h3 follows h1"),
    ('<script src="https://cdn.example.org/m.js"></script>', "from a network"),
    ('<img src="//example.org/x.png" alt="">', "from a network"),
])  # fmt: skip
def test_a_faulty_page_is_told(tmp_path, page, fault):
    (found,) = pages(tmp_path, page)
    assert found.startswith("a.html: ") and fault in found


# ---- notebooks ----------------------------------------------------------------------------------

PIXEL = ("iVBORw0KGgoAAAANSUhEUgAAAAIAAAADCAIAAAA2iEnWAAAAEElEQVR4nGP4z8AARAwQCgAf7gP9i18U1AAAAABJ"
         "RU5ErkJggg==")


def test_a_notebook_becomes_a_page_that_needs_nothing_else(tmp_path):
    cells = [
        new_markdown_cell("# 01 One\n\nWhy `x`? Because $T_\\mathrm{eff}$ is *low* here, as the "
                          "next notebook shows, at some length. More.", id="title"),
        new_markdown_cell("## Part\n\n[on](02_two.ipynb#part)\n\n## Part", id="part"),
        new_code_cell("draw()", id="draw", outputs=[
            new_output("stream", name="stdout", text="a\n"),
            new_output("stream", name="stdout", text="b <c>\n"),
            new_output("display_data", data={"image/png": PIXEL, "text/plain": "<Figure>"})])]
    nbformat.write(new_notebook(cells=cells), tmp_path / "01_one.ipynb")
    page = notebooks.render(tmp_path / "01_one.ipynb", notebooks.Exporter(Tex()), {"draw": "A <b>"})
    assert page.title == "01 One"
    assert page.line.startswith("Why x? Because <i>T</i><sub>eff</sub> is low")
    assert page.line.endswith("length.")
    assert page.headings == [("part", "Part"), ("part-2", "Part")]
    assert 'href="02_two.html#part"' in page.body and 'id="cell-draw"' in page.body
    assert page.body.count('class="printed"') == 1 and "b &lt;c&gt;" in page.body
    assert 'alt="A &lt;b&gt;"' in page.body and re.search(r'width="2"\s+height="3"', page.body)
    ((name, picture),) = page.pictures.items()
    assert f'src="{name}"' in page.body and picture[:4] == b"\x89PNG"
    assert "http" not in page.body and "<script" not in page.body


# ---- the site of what is committed --------------------------------------------------------------

@pytest.fixture(scope="module")
def site(tmp_path_factory):
    folder = tmp_path_factory.mktemp("built") / "site"
    build.build(Paths("demo"), folder)  # raises if a link leads nowhere
    return folder


def words(page):
    return unescape(re.sub(r"<[^>]+>", "", page.read_text())).replace("\xa0", " ")


def test_the_first_page_tells_a_mock_and_has_the_runs_numbers(site):
    text, values = words(site / "index.html"), read_values(Paths("demo"))
    assert "no number here is a survey result" in text
    for name in ("EvalFeHRmse", "EvalCHRmse", "CandCompleteness", "SelPurity"):
        assert format(values[name].value, values[name].fmt) in text


def test_every_figure_table_number_and_notebook_is_there(site):
    shown = (site / "figures.html").read_text()
    for png in (ROOT / "figures").glob("*.png"):
        assert f'<figure id="{png.stem}">' in shown
        for file in (png.name, f"{png.stem}.pdf", f"data/{png.stem}.npz"):
            assert f'href="figures/{file}"' in shown and (site / "figures" / file).is_file()
    ids = set(links.read_page(site / "tables.html").ids)
    used = re.findall(r"\\input\{tables/([^}]+)\}", (ROOT / "paper" / "ms.tex").read_text())
    assert used and set(used) <= ids
    assert set(read_values(Paths("demo"))) <= set(links.read_page(site / "numbers.html").ids)
    stems = sorted(path.stem for path in (ROOT / "notebooks").glob("*.ipynb"))
    for one, other in zip(stems, stems[1:], strict=False):
        assert f'rel="next" href="{other}.html"' in (site / f"notebooks/{one}.html").read_text()
        assert f'rel="prev" href="{one}.html"' in (site / f"notebooks/{other}.html").read_text()


def test_no_tex_is_left_over(site):
    for name in ("index.html", "figures.html", "tables.html"):
        text = words(site / name)
        assert not re.findall(r"\\[A-Za-z]+|\$", text), f"set these in cemp/site/tex.py: {name}"


def test_each_page_is_described_and_has_one_title(site):
    for path in site.rglob("*.html"):
        text = path.read_text()
        assert '<html lang="en">' in text and 'name="viewport"' in text
        assert len(re.findall(r"<h1\b", text)) == 1, path.name


def colours():
    """Colours of the style sheet by name, by day and by night."""
    css = (ROOT / "cemp" / "site" / "style.css").read_text()
    return [dict(re.findall(r"--(\w+): (#\w+)", block))
            for block in re.findall(r":root \{([^}]*)\}", css)]


def contrast(one, other):
    """Contrast ratio of WCAG 2.2, from relative luminances."""
    def luminance(colour):
        digits = colour[1:] if len(colour) == 7 else "".join(2 * c for c in colour[1:])
        parts = [int(digits[i : i + 2], 16) / 255 for i in (0, 2, 4)]
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def test_text_stands_out_by_day_and_by_night():
    assert contrast("#000", "#ffffff") == pytest.approx(21)
    for theme in colours():
        for text in ("text", "soft", "link"):
            assert min(contrast(theme[text], theme[back]) for back in ("back", "box")) >= 4.5
        assert contrast(theme["text"], theme["warn"]) >= 4.5


def test_a_site_with_a_fault_does_not_replace_the_old_one(tmp_path, monkeypatch):
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "old.html").write_text("old")
    monkeypatch.setattr(build, "_fill", lambda _, folder: (folder / "new.html").write_text(
        '<a href="gone.html">x</a>'))
    with pytest.raises(BadInputError, match=r"new\.html: gone\.html leads to no file"):
        build.build(Paths("demo"), tmp_path / "site")
    assert (tmp_path / "site" / "old.html").read_text() == "old"


def test_only_the_committed_profile_has_a_site(capsys):
    assert build.main(["--profile", "smoke"]) == 1
    assert "PROFILE=demo" in capsys.readouterr().err
    assert size_text(1_230_000) == "1.2 MB"


# ---- in a browser -------------------------------------------------------------------------------

@pytest.fixture(scope="module")
def browser():
    webdriver = pytest.importorskip(
        "selenium.webdriver", reason="no Selenium: pip install -e '.[browser]'")
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    driver = shutil.which("chromedriver")
    if not (chromium and driver):
        pytest.skip("no chromium with its driver: apt-get install chromium chromium-driver")
    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    for word in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu"):
        options.add_argument(word)
    driver = webdriver.Chrome(options, webdriver.ChromeService(driver))
    driver.set_script_timeout(60)
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", PHONE)
    yield driver
    driver.quit()


#: Loads every picture, those below too, and tells what a phone would show of the page.
LOOK = """
const done = arguments[0], pictures = [...document.images];
pictures.forEach(one => one.loading = 'eager');
Promise.allSettled(pictures.map(one => one.decode())).then(() => done({
  wide: document.documentElement.scrollWidth,
  broken: pictures.filter(one => !one.naturalWidth).map(one => one.src),
  over: [...document.querySelectorAll('main > *, .cell, figure, section > *')]
    .filter(one => one.getBoundingClientRect().right > document.documentElement.clientWidth + 1)
    .map(one => one.outerHTML.slice(0, 80)),
  taps: [...document.querySelectorAll('header a')].map(one => one.getBoundingClientRect().height),
}));"""


def test_every_page_loads_and_fits_a_phone(site, browser):
    for path in sorted(site.rglob("*.html")):
        browser.get(path.as_uri())
        seen = browser.execute_async_script(LOOK)
        assert seen["wide"] <= PHONE["width"], f"{path.name} is {seen['wide']} pixels wide"
        assert seen["over"] == [] and seen["broken"] == [], path.name
        assert min(seen["taps"]) >= 24, f"{path.name}: links too small to tap"
        assert browser.get_log("browser") == [], path.name


def test_a_page_that_is_too_wide_would_be_seen(tmp_path, browser):
    (tmp_path / "wide.html").write_text(
        '<meta name="viewport" content="width=device-width"><main><p style="width: 900px">a</p>'
        '<img src="gone.png"></main><header><a>x</a></header>')
    browser.get((tmp_path / "wide.html").as_uri())
    seen = browser.execute_async_script(LOOK)
    assert seen["wide"] >= 900 and len(seen["over"]) == 1 and len(seen["broken"]) == 1
    assert "ERR_FILE_NOT_FOUND" in browser.get_log("browser")[0]["message"]


def test_a_reader_turns_pages_and_hides_the_code(site, browser):
    browser.get((site / "notebooks" / "04_evaluation.html").as_uri())
    code = browser.find_element("css selector", ".input")
    assert code.is_displayed()
    browser.find_element("id", "show-code").click()
    assert not code.is_displayed()
    browser.find_element("css selector", "a[rel=next]").click()
    assert browser.current_url.endswith("05_candidates.html")
    browser.find_element("link text", "Figures").click()
    link = browser.find_element("css selector", "figure[id='05_plane'] .links a")
    browser.get(link.get_attribute("href"))
    assert browser.execute_script("return Boolean(document.querySelector(':target img'))")
