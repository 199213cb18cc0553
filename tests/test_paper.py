"""The paper's numbers come from the code: every macro defined, none typed, nothing dangling."""

import json
import re
from pathlib import Path

import pytest

PAPER = Path(__file__).resolve().parent.parent / "paper"
TEXT = re.sub(r"(?<!\\)%.*", "", (PAPER / "ms.tex").read_text())
BIB = (PAPER / "references.bib").read_text()

#: Numbers that are definitions, not results: thresholds, wavelengths, powers of a formula.
DEFINITIONS = {
    "0", "1", "2", "2.0", "-2.0", "-2", "0.7", "-3", "-2.5", "-1.5", "2.5", "0.25", "0.3", "50",
    "10", "15", "20", "68", "95", "100", "200", "1800", "3800", "8800", "4050", "4200", "4280",
    "4300", "4320", "4324", "4400", "4425", "4520", "4077", "4554", "4737", "5165", "5636", "5700",
    "6250",
    "30", "-1",
}  # fmt: skip


def values():
    found = {}
    for path in sorted((PAPER / "values").glob("*.json")):
        found.update(json.loads(path.read_text()))
    return found


def prose(section):
    """Text of the abstract or of one section, without commands that carry keys or files."""
    if section == "abstract":
        body = TEXT.split(r"\begin{abstract}")[1].split(r"\end{abstract}")[0]
    else:
        body = TEXT.split(rf"\section{{{section}}}")[1].split(r"\section{")[0]
    keyed = r"\\(cite[pt]?|ref|label|input|plotone|includegraphics|texttt|url|href|begin|end)"
    body = re.sub(r"\\multicolumn\{\d\}", " ", body)
    body = re.sub(keyed + r"(\[[^\]]*\])?\{[^}]*\}(\{[^}]*\})?", " ", body)
    return re.sub(r"\\[A-Za-z]+", " ", body)


def bare_numbers(body):
    """Numbers in a text, catalogue names such as DR17 and C$_2$ left out."""
    body = re.sub(r"\$[_^]\{?\d+\}?\$?", " ", body)
    body = body.replace("$", "").replace("--", " ")
    return re.findall(r"(?<![A-Za-z\d.])[-+]?\d+(?:\.\d+)?(?![A-Za-z\d])", body)


SECTIONS = ("abstract", "Results", "Candidates", "Discussion", "Conclusions")


@pytest.mark.parametrize("section", SECTIONS)
def test_no_result_is_typed_by_hand(section):
    typed = [n for n in bare_numbers(prose(section)) if n.lstrip("+") not in DEFINITIONS]
    assert typed == []


def test_the_check_finds_a_typed_number():
    assert bare_numbers("an error of 0.137 dex in DR17, C$_2$") == ["0.137"]


def test_every_value_used_is_defined_and_computed():
    defined = set(values())
    local = set(re.findall(r"\\newcommand\{\\([A-Za-z]+)\}", TEXT))
    prefixes = "Mock|Match|Prep|Train|Eval|Cand|Synth|Real|Methods|Sel|Lines|Inject|Cat"
    used = set(re.findall(rf"\\((?:{prefixes})[A-Z][A-Za-z]*)", TEXT))
    assert used - local <= defined
    assert used, "the paper uses no computed value at all"


def test_macros_of_the_values_agree_with_their_numbers():
    tex = "".join(path.read_text() for path in (PAPER / "values").glob("*.tex"))
    for name in values():
        assert f"\\newcommand{{\\{name}}}" in tex


def test_figures_and_tables_exist():
    figures = re.findall(r"\\plotone\{(figures/[^}]+)\}", TEXT)
    tables = re.findall(r"\\input\{(tables/[^}]+)\}", TEXT)
    assert figures and tables
    assert [f for f in figures if not (PAPER.parent / f).is_file()] == []
    assert [t for t in tables if not (PAPER / f"{t}.tex").is_file()] == []


def test_references_are_all_there_and_all_used():
    cited = {
        key.strip()
        for keys in re.findall(r"\\cite[a-z]*(?:\[[^\]]*\])*\{([^}]*)\}", TEXT)
        for key in keys.split(",")
    }
    entries = set(re.findall(r"@\w+\{(\w+),", BIB))
    assert cited == entries


def test_labels_referred_to_exist():
    refs = set(re.findall(r"\\ref\{([^}]+)\}", TEXT))
    assert refs <= set(re.findall(r"\\label\{([^}]+)\}", TEXT))
