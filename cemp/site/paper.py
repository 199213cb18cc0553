r"""What the pages take from ``paper/ms.tex``: title, abstract, captions, tables."""

import re
from dataclasses import dataclass, field

from cemp.errors import BadInputError
from cemp.results import read_values
from cemp.site.tex import Tex
from cemp.workflow.submission import COMMENT

ENVIRONMENT = re.compile(r"\\begin\{(figure|deluxetable)(\*?)\}(.*?)\\end\{\1\2\}", re.DOTALL)
MACRO = re.compile(r"\\newcommand\{\\([A-Za-z]+)\}\{")


@dataclass(frozen=True)
class Float:
    """A figure or a table of the paper.

    Parameters
    ----------
    kind : str
        ``"Figure"`` or ``"Table"``.
    number : str
        As the paper counts it, appendices included.
    name : str
        Stem of its file; of a table typed in the text, its label.
    label : str
        What the text refers to it by.
    caption, head, body, comments : str
        TeX; the last three of tables only.
    """

    kind: str
    number: str
    name: str
    label: str
    caption: str
    head: str = ""
    body: str = ""
    comments: str = ""


@dataclass
class Paper:
    """The manuscript, taken apart.

    Parameters
    ----------
    text : str
        TeX without comments.
    floats : list of Float
        In their order.
    tex : cemp.site.tex.Tex
        Sets any piece of it.
    """

    text: str
    floats: list
    tex: Tex
    by_name: dict = field(default_factory=dict)

    def __post_init__(self):
        self.by_name = {(one.kind, one.name): one for one in self.floats}

    def group(self, command):
        r"""Argument of a command that occurs once, such as ``\title``, as HTML."""
        return self.tex.html(argument(self.text, command))

    def abstract(self):
        """Set the abstract as HTML."""
        found = re.search(r"\\begin\{abstract\}(.*?)(\\ifchinese.*)?\\end\{abstract\}", self.text,
                          re.DOTALL)
        return self.tex.html(found[1]).strip() if found else ""


#: A note to a mark in a table.
NOTE = re.compile(r"\\tablenotetext\{(\w)\}\{([^{}]*)\}")


def argument(text, command):
    r"""Find the argument of a command.

    Parameters
    ----------
    text : str
        TeX.
    command : str
        With its backslash.

    Returns
    -------
    str
        Empty if the command does not occur.

    Examples
    --------
    >>> argument(r"\caption{Errors of \feh{} \label{fig:a}}", r"\caption")
    'Errors of \\feh{} \\label{fig:a}'
    """
    start = text.find(command + "{")
    if start < 0:
        return ""
    start += len(command) + 1
    depth = 1
    for at in range(start, len(text)):
        depth += (text[at] == "{") - (text[at] == "}") if text[at - 1] != "\\" else 0
        if depth == 0:
            return text[start:at]
    return text[start:]


def plain_text(path):
    """Read a TeX file without its comments.

    Parameters
    ----------
    path : pathlib.Path

    Returns
    -------
    str
    """
    if not path.is_file():
        raise BadInputError(f"{path} is not there: restore it from git")
    lines = path.read_text(encoding="utf-8").split("\n")
    return "\n".join(line[: mark.start()] if (mark := COMMENT.search(line)) else line
                     for line in lines)


def read_floats(text, tables):
    """Read figures and tables in the order of the paper, and number them as it does.

    Parameters
    ----------
    text : str
        TeX without comments.
    tables : pathlib.Path
        Folder of the tables that the run has written.

    Returns
    -------
    list of Float
    """
    counts, found = {"Figure": 0, "Table": 0}, []
    for match in ENVIRONMENT.finditer(text):
        kind = "Figure" if match[1] == "figure" else "Table"
        counts[kind] += 1
        found.append(_float(kind, str(counts[kind]), match[3], tables))
    return found


def _float(kind, number, inner, tables):
    """Read one environment."""
    caption = argument(inner, r"\caption" if kind == "Figure" else r"\tablecaption")
    label = argument(inner, r"\label")
    if kind == "Figure":
        file = argument(inner, r"\plotone") or argument(inner, r"\includegraphics")
        return Float(kind, number, file.rpartition("/")[2].removesuffix(".pdf"), label, caption)
    body = inner.partition(r"\startdata")[2].partition(r"\enddata")[0]
    name = argument(body, r"\input").rpartition("/")[2] or label.partition(":")[2]
    file = tables / f"{name}.tex"
    if r"\input{" in body:
        body = file.read_text(encoding="utf-8") if file.is_file() else ""
    notes = [rf"\tablenotemark{{{mark}}} {text} " for mark, text in NOTE.findall(inner)]
    return Float(kind, number, name, label, caption, argument(inner, r"\tablehead"), body,
                 "".join(notes) + argument(inner, r"\tablecomments"))


def section_numbers(text):
    r"""Count the labelled sections; those of the appendix by letters.

    Parameters
    ----------
    text : str
        TeX without comments.

    Returns
    -------
    dict of str to tuple of str
        Number by label; the second entry is empty, for no page shows a section.

    Examples
    --------
    >>> section_numbers(r"\section{A} \label{sec:a} \appendix \section{B} \label{sec:b}")
    {'sec:a': ('1', ''), 'sec:b': ('A', '')}
    """
    body, _, appendix = text.partition(r"\appendix")
    numbers = {}
    for part, names in ((body, map(str, range(1, 100))), (appendix, iter("ABCDEFGH"))):
        # a section in braces of its own has a label behind it, or none
        for title in re.split(r"\\section\{", part)[1:]:
            number = next(names)
            label = re.match(r"[^\n]*?\}\s*\\label\{([^}]+)\}", title)
            if label:
                numbers[label[1]] = (number, "")
    return numbers


def read_citations(path):
    """Read authors and years as a text cites them.

    Parameters
    ----------
    path : pathlib.Path
        BibTeX.

    Returns
    -------
    dict of str to tuple of str
        ``("Beers & Christlieb", "2005")`` by key.
    """
    cited = {}
    for entry in re.split(r"\n@", "\n" + path.read_text(encoding="utf-8")):
        key = re.match(r"\w+\{([^,\s]+),", entry)
        year = re.search(r"year\s*=\s*[{\"]?(\d{4})", entry)
        authors = argument(entry.replace("author =", "author=").replace("author= ", "author="),
                           "author=")
        if key and authors:
            names = [_surname(name) for name in re.split(r"\s+and\s+", authors)]
            who = names[0] if len(names) == 1 else (
                " & ".join(names) if len(names) == 2 else f"{names[0]} et al.")
            cited[key[1]] = (who, year[1] if year else "")
    return cited


def _surname(name):
    """Surname of an author, with accents dropped that BibTeX writes as commands."""
    name = name.partition(",")[0] if "," in name else name.split()[-1]
    return re.sub(r"\\[A-Za-z]+\s+|\\.|[{}]", "", name).strip()


def read_paper(paths, pages):
    """Read the manuscript with a run's values.

    Parameters
    ----------
    paths : cemp.paths.Paths
        The profile.
    pages : dict of str to str
        Page of the figures and of the tables: ``{"Figure": "figures.html", ...}``.

    Returns
    -------
    Paper
    """
    text = plain_text(paths.root / "paper" / "ms.tex")
    floats = read_floats(text, paths.published("tables"))
    macros = {match[1]: argument(text[match.start():], rf"\newcommand{{\{match[1]}}}")
              for match in MACRO.finditer(text)}
    macros |= {name: value.text for name, value in read_values(paths).items()}
    numbers = {one.label: (one.number, f"{pages[one.kind]}#{one.name}") for one in floats}
    numbers |= section_numbers(text)
    bibliography = paths.root / "paper" / "references.bib"
    cited = read_citations(bibliography) if bibliography.is_file() else {}
    return Paper(text, floats, Tex(macros, numbers, cited))
