r"""Say where a figure, a table or a number of the paper comes from, and whether that still holds.

``make why FIG=04_one_to_one`` prints the cell and the function behind a figure, the parameters,
the versions and hashes that were recorded when it was made, and which of them have changed since.
A table is named like a figure (or as ``tables/...``), a number as in the text, ``'\EvalFeHRmse'``.
"""

import argparse
import difflib
import json
import os
import re
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version

from cemp.errors import BadInputError
from cemp.paths import Paths
from cemp.workflow.diff_paper import lines_with
from cemp.workflow.inputs import notebook_inputs
from cemp.workflow.origins import origins, plot_functions
from cemp.workflow.profile import read_profile
from cemp.workflow.receipt import sha256

#: Characters of a hash that are shown, as in the receipt.
SHOWN = 16

HASH = re.compile(r"^\| ([^|]+?) \| [\d.]+ \| `([0-9a-f]+)` \|$", re.MULTILINE)


def known_names(paths):
    """List all that can be asked for.

    Parameters
    ----------
    paths : cemp.paths.Paths
        The profile.

    Returns
    -------
    list of tuple of str
        Kind (``figure``, ``table``, ``number``) and name.
    """
    folders = (("figure", "figures", "*.p[dn][fg]"), ("table", "tables", "*.tex"))
    found = {(kind, path.stem) for kind, folder, pattern in folders
             for path in paths.published(folder).glob(pattern)}
    found |= {key for key in origins(paths.root) if key[0] != "values"}
    return sorted(found | {("number", name) for name in _values(paths)})


def _values(paths):
    """Numbers of the paper: file of values and entry by name."""
    return {name: (path.stem, entry) for path in sorted(paths.published("values").glob("*.json"))
            for name, entry in json.loads(path.read_text()).items()}


def matches(asked, names):
    r"""Find what a name asks for.

    Parameters
    ----------
    asked : str
        As typed: with or without folder, ending or backslash.
    names : list of tuple of str
        From `known_names`.

    Returns
    -------
    list of tuple of str
        More than one if a figure and a table share the name.

    Examples
    --------
    >>> names = [("figure", "04_one"), ("table", "04_one"), ("number", "EvalFeH")]
    >>> matches("figures/04_one.pdf", names), matches("\\EvalFeH", names)
    ([('figure', '04_one')], [('number', 'EvalFeH')])
    """
    kind = {"figures": "figure", "tables": "table", "data": "figure"}.get(
        asked.rpartition("/")[0].rpartition("/")[2])
    end = re.search(r"\.(pdf|png|npz|tex)$", asked)
    if end and not kind:
        kind = "table" if end[1] == "tex" else "figure"
    stem = re.sub(r"\.(pdf|png|npz|tex)$", "", asked.rpartition("/")[2]).lstrip("\\")
    return [(what, name) for what, name in names if name == stem and kind in (None, what)]


def near(asked, names):
    """Name what may have been meant.

    Parameters
    ----------
    asked : str
    names : list of tuple of str

    Returns
    -------
    list of str
        At most eight.
    """
    stem = re.sub(r"\.\w+$", "", asked.rpartition("/")[2]).lstrip("\\")
    by_lower = {name.lower(): name for _, name in names}
    close = difflib.get_close_matches(stem.lower(), by_lower, n=8, cutoff=0.5)
    part = [low for low in by_lower if len(stem) > 2 and stem.lower() in low]
    return [by_lower[low] for low in dict.fromkeys([*part, *close])][:8]


def changed_inputs(notebook, paths):
    """Compare a notebook's code, modules and parameters with those recorded for its run.

    Parameters
    ----------
    notebook : str
        File stem.
    paths : cemp.paths.Paths
        The profile.

    Returns
    -------
    recorded : dict
        What was recorded; empty if nothing was.
    changed : list of str
        What differs now.
    """
    record = paths.build / "inputs" / f"{notebook}.json"
    if not record.is_file():
        return {}, []
    then = json.loads(record.read_text())
    section = read_profile(paths).get(notebook, {})
    now = notebook_inputs(paths.root / "notebooks" / f"{notebook}.ipynb", section, paths.root)
    now = json.loads(json.dumps(now, default=str))
    changed = [f"parameter {name}" for name in sorted({*then["parameters"], *now["parameters"]})
               if then["parameters"].get(name) != now["parameters"].get(name)]
    changed += [f"code cell {number}" for number, (one, other) in
                enumerate(zip(then["code"], now["code"], strict=False), 1) if one != other]
    if len(then["code"]) != len(now["code"]):
        changed.append(f"{len(now['code'])} code cells for {len(then['code'])}")
    changed += [f"module {name}" for name in sorted({*then["modules"], *now["modules"]})
                if then["modules"].get(name) != now["modules"].get(name)]
    return then, changed


def read_receipt(paths):
    """Read the hashes and the versions that the last run recorded.

    Parameters
    ----------
    paths : cemp.paths.Paths
        The profile.

    Returns
    -------
    hashes : dict of str to str
        By file, relative to the repository.
    versions : dict of str to str
        By package.
    """
    file = paths.build / "receipt.md"
    text = file.read_text() if file.is_file() else ""
    build = paths.build.relative_to(paths.root)
    hashes = {str(build / name): value for name, value in HASH.findall(text)}
    head = next((line for line in text.splitlines() if line.startswith("Commit ")), "")
    return hashes, dict(re.findall(r"([\w-]+) (\d+(?:\.\d[\w+]*)+)", head.partition(";")[2]))


def stage_inputs(notebook, paths):
    """List the files that a notebook reads, as the Makefile has them.

    Parameters
    ----------
    notebook : str
        File stem.
    paths : cemp.paths.Paths
        The profile.

    Returns
    -------
    list of str
        Relative to the repository; empty without make.
    """
    plain = {key: value for key, value in os.environ.items() if not key.startswith("MAKE")}
    try:
        done = subprocess.run(
            ["make", "-s", f"print-IN_{notebook[:2]}", f"PROFILE={paths.profile}"], cwd=paths.root,
            env={**plain, "PYTHON": sys.executable}, capture_output=True, text=True, check=False)
    except OSError:
        return []
    return sorted(set(done.stdout.split())) if done.returncode == 0 else []


def in_git(paths):
    """Tell which files git holds, and which of them have been changed since the last commit.

    Parameters
    ----------
    paths : cemp.paths.Paths
        The profile.

    Returns
    -------
    held, changed : set of str
        Relative to the repository; empty outside git.
    """
    said = [subprocess.run(["git", *words], cwd=paths.root, capture_output=True, text=True,
                           check=False).stdout.splitlines()
            for words in (["ls-files"], ["diff", "--name-only", "HEAD"])]
    return set(said[0]), set(said[1])


def file_line(name, paths, hashes, git):
    """Tell of one file whether it is what was recorded.

    Parameters
    ----------
    name : str
        Relative to the repository.
    paths : cemp.paths.Paths
        The profile.
    hashes : dict of str to str
        From `read_receipt`.
    git : tuple of set
        From `in_git`.

    Returns
    -------
    line : str
    stale : bool
    """
    path = paths.root / name
    if not path.is_file():
        return f"{name}  {'-' * SHOWN}  MISSING", True
    now, held, changed = sha256(path), *git
    if name in hashes:
        same = now.startswith(hashes[name])
        word = "as in the receipt" if same else f"CHANGED, the receipt has {hashes[name]}"
    elif name in held:
        same = name not in changed
        word = "as committed" if same else "CHANGED since the last commit"
    else:
        same, word = True, "no hash recorded"
    return f"{name}  {now[:SHOWN]}  {word}", not same


def _product(kind, name, paths):
    """Lines on the thing itself: its files, its place in the paper, the function behind it."""
    text = (paths.root / "paper" / "ms.tex").read_text(encoding="utf-8")
    if kind == "number":
        stage, entry = _values(paths)[name]
        printed = format(entry["value"], entry["fmt"])
        lines = [f"number \\{name} = {printed}   {entry['what']}",
                 f"  unrounded   {entry['value']!r}"]
        files = [f"{paths.published('values') / stage}.json"]
        key, pattern = ("values", stage), rf"\\{name}(?![A-Za-z])"
    elif kind == "table":
        lines, key = [f"table {name}"], ("table", name)
        files = [str(paths.published("tables") / f"{name}.tex")]
        pattern = re.escape(f"tables/{name}}}")
    else:
        lines, key = [f"figure {name}"], ("figure", name)
        folder = paths.published("figures")
        files = [str(folder / f"{name}.pdf"), str(folder / "data" / f"{name}.npz")]
        pattern = re.escape(f"figures/{name}.pdf")
        drawn = plot_functions(paths.root).get(name)
        lines += [f"  drawn by    {drawn[2]}, {drawn[0]}:{drawn[1]}"] if drawn else []
    used = [str(number) for number, _ in lines_with(pattern, text)]
    place = f"paper/ms.tex, line {', '.join(used)}" if used else "not in paper/ms.tex"
    return [*lines, f"  printed     {place}"], key, files


def explain(kind, name, paths):
    """Say where one thing comes from.

    Parameters
    ----------
    kind, name : str
        From `matches`.
    paths : cemp.paths.Paths
        The profile.

    Returns
    -------
    list of str
        Lines of text, the last of which is the verdict.
    """
    lines, key, files = _product(kind, name, paths)
    origin = origins(paths.root).get(key)
    (hashes, versions), git = read_receipt(paths), in_git(paths)
    for file in files:
        file = os.path.relpath(file, paths.root)
        lines.append("  file        " + file_line(file, paths, hashes, git)[0])
    if origin is None:
        return [*lines, "  written     when the paper is typeset, by cemp.workflow.appendix"]
    lines.append(f"  notebook    notebooks/{origin.notebook}.ipynb, code cell [{origin.number}], "
                 f"id '{origin.cell}'")
    recorded, changed = changed_inputs(origin.notebook, paths)
    return lines + _circumstances(paths, recorded, versions) + _verdict(
        paths, origin.notebook, recorded, changed, hashes, git)


def _circumstances(paths, recorded, versions):
    """Lines on profile, parameters and versions."""
    known = ", ".join(f"{key} {value}" for key, value in recorded.get("parameters", {}).items())
    moved = [f"{name} {then} -> {now}" for name, then in versions.items()
             if (now := _installed(name)) not in (None, then)]
    return [f"  profile     {paths.profile}: {known or 'no parameters of its own'}",
            "  versions    " + (", ".join(f"{name} {one}" for name, one in versions.items())
                                or "not recorded: `make all` writes a receipt")
            + (f"; NOW {', '.join(moved)}" if moved else "")]


def _installed(name):
    """Version of an installed package; None if there is no such package."""
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _verdict(paths, notebook, recorded, changed, hashes, git):
    """Lines on inputs, and whether all is as it was."""
    told = [file_line(name, paths, hashes, git) for name in stage_inputs(notebook, paths)
            if not (paths.root / name).is_dir()]
    lines = [f"  inputs      {len(told)} files"] + [f"    {line}" for line, _ in told]
    stale = changed + [line.split()[0] for line, bad in told if bad]
    if not recorded:
        return lines + [f"  verdict     unknown: build/{paths.profile}/inputs has no record of "
                        f"{notebook}; `make stages` makes one"]
    record = paths.build / "inputs" / f"{notebook}.json"
    made = paths.truth if notebook.startswith("00") else paths.build / notebook[:2]
    newest = max((file.stat().st_mtime for file in made.glob("*") if file.is_file()), default=0)
    if newest < record.stat().st_mtime:
        stale.insert(0, "code or parameters, since its last run")
    count = f"{len(recorded['code'])} code cells, {len(recorded['modules'])} modules"
    return lines + [f"  code        {count} recorded; changed: {', '.join(changed) or 'none'}",
                    f"  verdict     {'STALE: ' + ', '.join(stale) if stale else 'fresh'}"]


def main(arguments=None):
    """Command line; see ``--help``."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("name", help="figure, table or number: 04_one_to_one, tables/04_metrics, "
                        r"\EvalFeHRmse")
    parser.add_argument("--profile", default="demo")
    args = parser.parse_args(arguments)
    try:
        paths = Paths(args.profile)
        names = known_names(paths)
        found = matches(args.name, names)
        if not found:
            meant = near(args.name, names)
            print(f"nothing is named '{args.name}'" + (f"; near it: {', '.join(meant)}" if meant
                  else "; try FIG=04_one_to_one, FIG=tables/04_metrics or FIG='\\EvalFeHRmse'"),
                  file=sys.stderr)
            return 2
        print("\n\n".join("\n".join(explain(*one, paths)) for one in found))
    except BadInputError as error:
        print(f"why: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
