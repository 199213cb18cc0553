"""List the numbers of the paper that changed since a commit, largest change first.

``make diff-paper REV=HEAD~3`` compares ``paper/values`` and ``paper/tables`` with a commit's,
and names the lines of ``paper/ms.tex`` that print each number: what has to be read again.
"""

import argparse
import io
import json
import math
import re
import subprocess
import sys
import tarfile
from dataclasses import dataclass

from cemp.errors import BadInputError
from cemp.paths import ROOT
from cemp.results import Value
from cemp.site.tex import table_rows
from cemp.workflow.verify import numbers, untex

#: Characters of a line of the paper that are shown.
SHOWN = 96


@dataclass(frozen=True)
class Change:
    """A number that differs.

    Parameters
    ----------
    name : str
        Macro, or table with row and column.
    old, new : str
        As printed; empty where there is none.
    relative : float
        Change over the old number; infinite if that is 0 or something is no number.
    pattern : str
        Finds the lines of the paper that print it.
    """

    name: str
    old: str
    new: str
    relative: float
    pattern: str


class NoHistory(BadInputError):
    """There is no git here, or no repository: nothing says what the numbers were."""


def git(root, *words):
    """Ask git.

    Parameters
    ----------
    root : pathlib.Path
        The repository.
    *words : str
        Command and arguments.

    Returns
    -------
    bytes

    Raises
    ------
    NoHistory
        If there is no git, or no repository.
    BadInputError
        If git refuses: no such commit, for instance.
    """
    try:
        done = subprocess.run(["git", *words], cwd=root, capture_output=True, check=False)
    except OSError as error:
        raise NoHistory("git was not found, and without it nothing says what the numbers were"
                        ) from error
    said = done.stderr.decode(errors="replace").strip()
    if "not a git repository" in said:
        raise NoHistory("this copy is no git repository: nothing says what the numbers were")
    if done.returncode:
        raise BadInputError(f"git {words[0]}: {said.splitlines()[0] if said else 'failed'}")
    return done.stdout


def old_files(root, revision, folder):
    """Read the files of a folder as a commit has them.

    Parameters
    ----------
    root : pathlib.Path
        The repository.
    revision : str
        Any name of a commit.
    folder : str
        Relative to the repository.

    Returns
    -------
    dict of str to str
        Text by file name; empty if the commit has no such folder.
    """
    if not git(root, "ls-tree", f"{revision}^{{commit}}", "--", folder):
        return {}
    packed = git(root, "archive", "--format=tar", revision, "--", folder)
    with tarfile.open(fileobj=io.BytesIO(packed)) as tar:
        return {entry.name.rpartition("/")[2]: tar.extractfile(entry).read().decode()
                for entry in tar if entry.name.endswith((".json", ".tex"))}


def new_files(root, folder):
    """Read the files of a folder as they are.

    Parameters
    ----------
    root : pathlib.Path
        The repository.
    folder : str
        Relative to the repository.

    Returns
    -------
    dict of str to str
        Text by file name.
    """
    return {path.name: path.read_text(encoding="utf-8")
            for path in sorted((root / folder).glob("*")) if path.suffix in (".json", ".tex")}


def relative(old, new):
    """Change of a number over its old value.

    Examples
    --------
    >>> relative(2.0, 1.5), relative(0, 0), relative(0, 1), relative("a", "b")
    (-0.25, 0.0, inf, inf)
    """
    if isinstance(old, str) or isinstance(new, str):
        return math.inf
    if old == new:
        return 0.0
    change = (new - old) / abs(old) if old else math.inf
    return change if math.isfinite(change) else math.inf


def value_changes(old, new):
    """Compare the numbers of two sets of files.

    Parameters
    ----------
    old, new : dict of str to str
        JSON by file name.

    Returns
    -------
    list of Change
        Also of numbers whose printed form is the same but whose value is not.
    """
    before, after = (
        {name: Value(**entry) for text in (files[key] for key in files if key.endswith(".json"))
         for name, entry in json.loads(text).items()} for files in (old, new))
    changes = []
    for name in sorted({*before, *after}):
        one, other = before.get(name), after.get(name)
        if one and other and _same(one, other):
            continue
        size = relative(one.value, other.value) if one and other else math.inf
        changes.append(Change(f"\\{name}", _printed(one), _printed(other), size,
                              rf"\\{name}(?![A-Za-z])"))
    return changes


def _same(one, other):
    """Whether two values are equal; two that are no number are."""
    if one.value != one.value and other.value != other.value:
        return True
    return (one.value, one.fmt) == (other.value, other.fmt)


def _printed(value):
    """Print a value as the paper does."""
    return "" if value is None else format(value.value, value.fmt)


def table_changes(old, new):
    """Compare the cells of two sets of tables.

    Parameters
    ----------
    old, new : dict of str to str
        TeX by file name.

    Returns
    -------
    list of Change
        A table whose rows or columns differ in number is one change.
    """
    changes = []
    for file in sorted({*old, *new}):
        name, pattern = f"tables/{file.removesuffix('.tex')}", re.escape(
            f"tables/{file.removesuffix('.tex')}}}")
        one, other = (table_rows(files.get(file, "")) for files in (old, new))
        if [len(row) for row in one] != [len(row) for row in other]:
            changes.append(Change(name, _shape(one), _shape(other), math.inf, pattern))
            continue
        changes += [
            Change(f"{name} [{_text(after[0])}, column {column}]", _text(a), _text(b),
                   _cell_change(a, b), pattern)
            for before, after in zip(one, other, strict=True)
            for column, (a, b) in enumerate(zip(before, after, strict=True), 1) if a != b]
    return changes


def _shape(rows):
    """Rows and columns of a table."""
    return f"{len(rows)} rows of {max(map(len, rows))}" if rows else ""


def _text(cell):
    """TeX of a cell as a terminal shows it."""
    cell = untex(cell).replace(r"\pm", "+-").replace("~", " ")
    return re.sub(r"\\[A-Za-z]+\s*|[${}]|\\", "", cell).strip()


def _cell_change(old, new):
    """Relative change of the first number of a cell."""
    first = [next(iter(numbers(_text(cell))), None) for cell in (old, new)]
    return relative(first[0][0], first[1][0]) if None not in first else math.inf


def lines_with(pattern, text):
    r"""Find the lines that something is in, comments left out.

    Parameters
    ----------
    pattern : str
        Regular expression.
    text : str
        TeX.

    Returns
    -------
    list of tuple
        Number of the line, from 1, and the line.

    Examples
    --------
    >>> lines_with(r"\\A(?![A-Za-z])", "an error\nof \\A, % \\A\n\\AB")
    [(2, 'of \\A, ')]
    """
    plain = [re.sub(r"(?<!\\)%.*", "", line) for line in text.split("\n")]
    return [(number, line) for number, line in enumerate(plain, 1) if re.search(pattern, line)]


def changes_since(root, revision="HEAD"):
    """List all that changed, largest relative change first, then what has none.

    Parameters
    ----------
    root : pathlib.Path
        The repository.
    revision : str
        Any name of a commit.

    Returns
    -------
    list of Change
    """
    found = []
    for folder, compare in (("paper/values", value_changes), ("paper/tables", table_changes)):
        found += compare(old_files(root, revision, folder), new_files(root, folder))
    return sorted(found, key=lambda one: (math.isinf(one.relative), -abs(one.relative), one.name))


def report(changes, text):
    """Tell the changes as text.

    Parameters
    ----------
    changes : list of Change
    text : str
        ``paper/ms.tex``.

    Returns
    -------
    list of str
    """
    lines = []
    for one in changes:
        by = f"{one.relative:+.2%}" if math.isfinite(one.relative) else "new text" if (
            one.old and one.new) else "new" if one.new else "gone"
        same = "  (prints the same)" if one.old == one.new else ""
        lines.append(f"{one.name}: {one.old or '-'} -> {one.new or '-'}  {by}{same}")
        used = lines_with(one.pattern, text)
        lines += [f"    ms.tex:{number}: {_around(line, one.pattern)}" for number, line in used]
    return lines


def _around(line, pattern):
    """Cut from a long line the part that a number stands in."""
    line, at = line.strip(), re.search(pattern, line.strip()).start()
    start = max(0, min(at - SHOWN // 2, len(line) - SHOWN))
    return ("... " if start else "") + line[start : start + SHOWN] + (
        " ..." if start + SHOWN < len(line) else "")


def main(arguments=None):
    """Command line; see ``--help``."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("revision", nargs="?", default="HEAD", help="commit to compare with")
    revision = parser.parse_args(arguments).revision
    try:
        changes = changes_since(ROOT, revision)
    except BadInputError as error:
        print(f"diff-paper: {error}", file=sys.stderr)
        return 0 if isinstance(error, NoHistory) else 2
    text = (ROOT / "paper" / "ms.tex").read_text(encoding="utf-8")
    numbers_ = sum(one.name.startswith("\\") for one in changes)
    if not changes:
        print(f"no number of the paper and no cell of its tables has changed since {revision}")
        return 0
    print("\n".join(report(changes, text)))
    print(f"{numbers_} numbers and {len(changes) - numbers_} cells have changed since {revision}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
