r"""The paper's TeX as HTML: captions, tables, abstract and short formulae, set without a script.

Pages have to be legible from a folder on a disk, where nothing can fetch MathJax. The formulae of
captions and notebooks are short (``\feh < -2``, ``$T_\mathrm{eff}$``), and HTML alone sets those. A
command that is not known here stays visible as code, so that a reader sees it and a test finds it.
"""

import re
from html import escape

#: A command, an escaped sign, a comment, a run of dashes or quotes, or one character.
TOKEN = re.compile(r"\\[A-Za-z]+\*?|\\.|(?<!\\)%[^\n]*\n?\s*|---?|``|''|.", re.DOTALL)

#: What stands for itself: signs, spaces, symbols, names of functions.
SIGNS = {
    "~": "&nbsp;", "--": "–", "---": "—", "``": "“", "''": "”", "&": " ",
    r"\,": "&nbsp;", r"\;": " ", r"\!": "", r"\ ": " ", "\\\\": " ", "\\\n": " ",
    r"\%": "%", r"\&": "&amp;", r"\_": "_", r"\#": "#", r"\$": "$", r"\{": "{", r"\}": "}",
    r"\AA": "Å", r"\odot": "⊙", r"\nodata": "…", r"\par": " ", r"\quad": " ", r"\noindent": "",
    r"\log": "log ", r"\ln": "ln ", r"\exp": "exp ", r"\max": "max", r"\min": "min",
    r"\pm": "±", r"\times": "×", r"\sim": "∼", r"\approx": "≈", r"\leq": "≤", r"\le": "≤",
    r"\geq": "≥", r"\ge": "≥", r"\to": "→", r"\sqrt": "√", r"\sum": "∑", r"\cdot": "·",
    r"\ldots": "…", r"\dots": "…", r"\infty": "∞", r"\rm": "", r"\medskip": "", r"\left": "",
    r"\right": "", r"\alpha": "α", r"\beta": "β", r"\gamma": "γ", r"\delta": "δ", r"\theta": "θ",
    r"\kappa": "κ", r"\lambda": "λ", r"\mu": "µ", r"\rho": "ρ", r"\sigma": "σ", r"\tau": "τ",
    r"\phi": "φ", r"\chi": "χ", r"\Delta": "Δ", r"\Phi": "Φ", r"\Sigma": "Σ",
}  # fmt: skip

#: Signs that stand apart from what they relate.
RELATIONS = "<>=≤≥∼≈→±×"

#: An error downwards and upwards stand above each other.
STACKED = re.compile(r"<sub>([^<]*)</sub><sup>([^<]*)</sup>")

#: Commands with one argument, by the element that it goes into; empty: the argument alone.
ELEMENTS = {
    r"\textit": "em", r"\emph": "em", r"\textbf": "strong", r"\texttt": "code", r"\textsc": "small",
    r"\tablenotemark": "sup",
    r"\mathrm": "", r"\mathbf": "", r"\text": "", r"\colhead": "", r"\mbox": "",
}  # fmt: skip

#: Commands that vanish together with this many arguments.
SILENT = {r"\label": 1, r"\begin": 1, r"\end": 1, r"\ifchinese": 0, r"\fi": 0}


class Tex:
    r"""Sets pieces of one paper.

    Parameters
    ----------
    macros : dict of str to str
        Text by command, without backslash: ``{"feh": r"\mathrm{[Fe/H]}"}``.
    numbers : dict of str to tuple of str
        Number of what a label names, and its page: ``{"fig:one": ("12", "figures.html#x")}``.
    cited : dict of str to tuple of str
        Authors and year by key.

    Examples
    --------
    >>> Tex({"feh": r"\ensuremath{\mathrm{[Fe/H]}}"}).html(r"\feh\ below $-2$, $T_\mathrm{eff}$")
    '[Fe/H] below −2, <i>T</i><sub>eff</sub>'
    """

    def __init__(self, macros=None, numbers=None, cited=None):
        self.macros, self.numbers, self.cited = macros or {}, numbers or {}, cited or {}

    def html(self, text, math=False):
        """Set a piece of text.

        Parameters
        ----------
        text : str
            TeX.
        math : bool
            Whether it stands between dollar signs.

        Returns
        -------
        str
            HTML, free of scripts.
        """
        tokens = TOKEN.findall(text)[::-1]
        parts = []
        while tokens:
            parts.append(self._next(tokens, math))
        text = re.sub(r"[ \t\n]+", " ", "".join(parts))
        text = re.sub(r"(?<=log|exp) (?=<su[bp]>)", "", text)
        return STACKED.sub(r'<span class="both"><sup>\2</sup><sub>\1</sub></span>', text)

    def _next(self, tokens, math):
        """Set one token and the arguments that it takes."""
        token = tokens.pop()
        if token in SIGNS:
            _skip_space(token, tokens)
            return f" {SIGNS[token]} " if math and SIGNS[token] in RELATIONS else SIGNS[token]
        if token == "$":
            return self.html(_until(tokens, "$"), math=True)
        if token == "{":
            tokens.append(token)
            return self.html(_argument(tokens), math)
        if token in "^_" and math:
            name = "sup" if token == "^" else "sub"
            return f"<{name}>{self.html(_argument(tokens), math)}</{name}>"
        if token.startswith("\\"):
            return self._command(token, tokens, math)
        return "" if token.startswith("%") else _plain(token, math)

    def _command(self, token, tokens, math):
        """Set a command that is no sign."""
        name = token[1:]
        _skip_space(token, tokens)
        if name in self.macros:
            return self.html(self.macros[name], math)
        if token in ELEMENTS:
            element = ELEMENTS[token]
            inner = self.html(_argument(tokens), math and token != r"\mathrm")
            return f"<{element}>{inner}</{element}>" if element else inner
        if token == r"\ensuremath":
            return self.html(_argument(tokens), math=True)
        if token == r"\frac":
            return f"{self.html(_argument(tokens), math)}/{self.html(_argument(tokens), math)}"
        if token == r"\ref":
            return self._reference(_argument(tokens))
        if name.startswith("cite"):
            return self._citation(name, tokens)
        if token in SILENT:
            for _ in range(SILENT[token]):
                _argument(tokens)
            return ""
        return f"<code>{escape(token)}</code>"

    def _reference(self, label):
        """Link a reference; one that leads to no page keeps its label's name."""
        number, page = self.numbers.get(label, ("", ""))
        return f'<a href="{page}">{number}</a>' if page else number or escape(label)

    def _citation(self, name, tokens):
        """Set authors and years; brackets as natbib has them."""
        notes = []
        while tokens and tokens[-1] == "[":
            tokens.pop()
            notes.append(self.html(_until(tokens, "]")))
        names = [self.cited.get(key.strip(), (key.strip(), "")) for key in
                 _argument(tokens).split(",")]
        if name.startswith("citet"):
            return "; ".join(f"{escape(who)} ({year})" for who, year in names)
        before = f"{notes[0]} " if len(notes) > 1 else ""
        after = f", {notes[-1]}" if notes and notes[-1] else ""
        text = before + "; ".join(f"{escape(who)} {year}".strip() for who, year in names) + after
        return text if name.startswith("citeal") else f"({text})"

    def table(self, body):
        r"""Set the rows of a table.

        Parameters
        ----------
        body : str
            What stands between ``\startdata`` and ``\enddata``, or inside ``\tablehead``.

        Returns
        -------
        list of list of tuple
            HTML and number of columns of each cell.
        """
        return [[self._cell(cell) for cell in row] for row in table_rows(body)]

    def _cell(self, cell):
        wide = re.match(r"\s*\\multicolumn\{(\d+)\}\{[^}]*\}", cell)
        if not wide:
            return self.html(cell).strip(), 1
        return self.html(cell[wide.end():]).strip(), int(wide[1])


def table_rows(body):
    r"""Split the body of a table into the TeX of its cells.

    Parameters
    ----------
    body : str
        Rows end with ``\\``; comments and empty rows are left out.

    Returns
    -------
    list of list of str

    Examples
    --------
    >>> table_rows("% made\na & $-1$ \\\\\nb \\& c & 2")
    [['a', '$-1$'], ['b \\& c', '2']]
    """
    body = re.sub(r"(?<!\\)%[^\n]*\n?", "", body)
    rows = [re.split(r"(?<!\\)&", row) for row in re.split(r"\\\\(?:\[[^\]]*\])?", body)
            if row.strip()]
    return [[cell.strip() for cell in row] for row in rows]


def _skip_space(token, tokens):
    """TeX ignores blanks behind a command made of letters."""
    while token[-1].isalpha() and token.startswith("\\") and tokens and tokens[-1].isspace():
        tokens.pop()


def _until(tokens, end):
    """Take tokens up to `end`, which is dropped."""
    taken = []
    while tokens and tokens[-1] != end:
        taken.append(tokens.pop())
    if tokens:
        tokens.pop()
    return "".join(taken)


def _argument(tokens):
    """Take one argument: a group, or one token."""
    while tokens and tokens[-1].isspace():
        tokens.pop()
    if not tokens or tokens[-1] != "{":
        if tokens and tokens[-1] in ELEMENTS:
            return tokens.pop() + "{" + _argument(tokens) + "}"
        return tokens.pop() if tokens else ""
    taken, depth = [], 0
    while tokens:
        token = tokens.pop()
        depth += (token == "{") - (token == "}")
        if depth == 0:
            break
        taken.append(token)
    return "".join(taken[1:])


def _plain(token, math):
    """Set one character; in a formula letters are slanted and operators stand apart."""
    if not math:
        return "" if token == "}" else escape(token, quote=False)
    if token.isascii() and token.isalpha():
        return f"<i>{token}</i>"
    if token in RELATIONS:
        return f" {escape(token)} "
    return "" if token.isspace() else {"-": "−", "*": "∗"}.get(token, escape(token, quote=False))
