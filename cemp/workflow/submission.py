"""Build the archive that the journal takes: one flat folder that typesets alone.

``python -m cemp.workflow.submission --profile demo`` makes ``build/demo/submission.tar.gz``: ms.tex
with every input in it, the bibliography, figures as f01.pdf, f02.pdf, ... in the order of the
paper, the class, and the machine-readable tables. It then unpacks the archive in an empty folder
and typesets it there, and refuses numbers that are older than the code behind them.
"""

import argparse
import gzip
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
from importlib.resources import files
from pathlib import Path

import nbformat

from cemp.atomic import atomic_path
from cemp.errors import BadInputError
from cemp.paths import Paths
from cemp.results import Value
from cemp.workflow.inputs import notebook_inputs
from cemp.workflow.paper import gather, tex_environment, typeset, warnings
from cemp.workflow.profile import read_profile
from cemp.workflow.publish import OPTIONAL

#: Commands whose argument is a figure.
FIGURE = re.compile(r"(\\(?:plotone|includegraphics)(?:\[[^\]]*\])?\{)([^}#]+)(\})")
#: The line of a notebook's first cell that names its outputs, and a path in it.
WRITES, PATH = re.compile(r"\*\*Writes\*\*(.*?)(?:\n\n|\Z)", re.DOTALL), re.compile(r"`([^`]+)`")
#: Beginning of a comment: a percent sign that no backslash escapes.
COMMENT = re.compile(r"(?<!\\)(?:\\\\)*%")


def inline(path, folder=None):
    r"""Read a TeX file with every ``\input`` replaced by what it names.

    Parameters
    ----------
    path : pathlib.Path
    folder : pathlib.Path, optional
        Where inputs are looked up; the file's own by default.

    Returns
    -------
    str
        Comments stay, and inputs in comments are not followed.

    Raises
    ------
    BadInputError
        If an input does not exist.
    """
    folder = folder or path.parent

    def replace(match):
        target = folder / match[1]
        target = target if target.is_file() else target.with_name(target.name + ".tex")
        if not target.is_file():
            raise BadInputError(f"{path.name} inputs {match[1]}, which is not there: `make all`")
        body = inline(target, folder).rstrip("\n")
        # a comment in its last line would swallow what follows the input
        return body + ("\n" if COMMENT.search(body.rpartition("\n")[2]) else "")

    lines = []
    for line in path.read_text(encoding="utf-8").split("\n"):
        mark = COMMENT.search(line)
        text, rest = (line[: mark.start()], line[mark.start() :]) if mark else (line, "")
        lines.append(re.sub(r"\\input\{([^}]+)\}", replace, text) + rest)
    return "\n".join(lines)


def flat_figures(text):
    r"""Rename figures to f01.pdf, f02.pdf, ... in the order in which they stand.

    Parameters
    ----------
    text : str
        TeX.

    Returns
    -------
    text : str
        With the new names.
    names : dict of str to str
        Path in the paper to new name.

    Examples
    --------
    >>> flat_figures(r"\plotone{figures/05_plane.pdf}")
    ('\\plotone{f01.pdf}', {'figures/05_plane.pdf': 'f01.pdf'})
    """
    names = {}

    def replace(match):
        suffix = Path(match[2]).suffix
        names.setdefault(match[2], f"f{len(names) + 1:02d}{suffix}")
        return match[1] + names[match[2]] + match[3]

    return FIGURE.sub(replace, text), names


def stale(paths):
    """Name the stages whose numbers are not those of the code as it is now.

    Parameters
    ----------
    paths : cemp.paths.Paths
        The profile.

    Returns
    -------
    list of str
        What is wrong, one line a stage: a value edited by hand, code or parameters changed since
        the run, or a run that did not finish. A stage that this machine cannot run, for want of
        files beside the repository, is not asked.
    """
    problems, sections = [], read_profile(paths)
    for values in sorted(paths.published("values").glob("[0-9]*.json")):
        stage = values.stem
        notebook = paths.root / "notebooks" / f"{stage}.ipynb"
        numbers = {k: Value(**v) for k, v in json.loads(values.read_text()).items()}
        tex = values.with_suffix(".tex").read_text()
        if any(f"\\newcommand{{\\{k}}}{{{v.text}}}" not in tex for k, v in numbers.items()):
            problems.append(f"{stage}: values/{stage}.tex is not what its numbers give")
        record = paths.build / "inputs" / f"{stage}.json"
        made = paths.truth if stage[:2] == "00" else paths.build / stage[:2]
        if not notebook.is_file() or (stage in OPTIONAL and not made.is_dir()):
            continue
        now = notebook_inputs(notebook, sections.get(stage, {}), paths.root)
        if not record.is_file() or json.loads(record.read_text()) != json.loads(
                json.dumps(now, default=str)):
            problems.append(f"{stage}: code or parameters have changed since its run")
            continue
        old = unfinished(outputs(notebook, paths) or sorted(made.glob("*")), record)
        if old is not None:
            problems.append(f"{stage}: its last run did not finish{old and ', ' + old + ' is old'}")
    return problems


def outputs(notebook, paths):
    """List the files of the build that a notebook promises in its first cell to write.

    Parameters
    ----------
    notebook : pathlib.Path
    paths : cemp.paths.Paths
        The profile.

    Returns
    -------
    list of pathlib.Path
        Folders are left out.
    """
    first = nbformat.read(notebook, 4).cells[0]["source"]
    named = [path.replace("<profile>", paths.profile) for line in WRITES.findall(first)
             for path in PATH.findall(line)]
    files = [Path(path) for path in named if path.startswith("build/") and "*" not in path]
    return [paths.root / path for path in files if path.suffix]


def unfinished(files, record):
    """Name the first output that is missing or older than the record of its run's inputs.

    Parameters
    ----------
    files : list of pathlib.Path
    record : pathlib.Path

    Returns
    -------
    str or None
        The file's name, ``""`` if there is no file at all; None if all are younger.
    """
    for path in files:
        if not path.exists() or path.stat().st_mtime < record.stat().st_mtime:
            return path.name
    return None if files else ""


def collect(paths, source, folder):
    """Put all that the journal takes into one flat folder.

    Parameters
    ----------
    paths : cemp.paths.Paths
        The profile.
    source : pathlib.Path
        The typeset paper (`cemp.workflow.paper.gather`).
    folder : pathlib.Path
        Emptied first.

    Returns
    -------
    dict of str to str
        File in the archive -> where it comes from.
    """
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    text, names = flat_figures(inline(source / "ms.tex"))
    (folder / "ms.tex").write_text(text, encoding="utf-8")
    origin = {"ms.tex": "paper/ms.tex with its inputs", "ms.bbl": "made by BibTeX"}
    wanted = {new: source / old for old, new in names.items()}
    wanted |= {"ms.bbl": source / "ms.bbl", "references.bib": source / "references.bib"}
    for name in ("aastex701.cls", "aasjournalv7.bst"):
        wanted[name] = Path(str(files("aastex"))) / name
    for table in sorted(paths.build.glob("[0-9][0-9]/*.mrt")):
        wanted[f"{table.stem}_mrt.txt"] = table
    for new, old in wanted.items():
        if not old.is_file():
            raise BadInputError(f"{old} is not there: run `make paper` first")
        shutil.copyfile(old, folder / new)
        origin.setdefault(new, str(old.relative_to(source) if source in old.parents else old.name))
    listing = "".join(f"{name:24s} {what}\n" for name, what in sorted(origin.items()))
    (folder / "00README.txt").write_text("Typeset ms.tex with pdfLaTeX; ms.bbl is made.\n\n"
                                         + listing)
    return origin


def pack(folder, archive, date=0):
    """Write a folder as a compressed archive; equal files give an equal archive.

    Parameters
    ----------
    folder : pathlib.Path
        Without folders inside.
    archive : pathlib.Path
        ``.tar.gz``.
    date : int
        Time of every file [s since 1970].
    """
    with atomic_path(archive) as temporary, open(temporary, "wb") as raw, gzip.GzipFile(
            "", "wb", mtime=date, fileobj=raw) as packed, tarfile.open(
            fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for path in sorted(folder.iterdir()):
            entry = tar.gettarinfo(path, path.name)
            entry.mtime, entry.mode = date, 0o644
            entry.uid = entry.gid = 0
            entry.uname = entry.gname = ""
            with open(path, "rb") as stream:
                tar.addfile(entry, stream)


def pages(folder):
    """Read from ``ms.log`` how many pages were made.

    Parameters
    ----------
    folder : pathlib.Path

    Returns
    -------
    int
    """
    log = (folder / "ms.log").read_text(errors="replace").replace("\n", "")
    found = re.findall(r"\((\d+) pages?,", log)
    return int(found[-1]) if found else 0


def try_out(archive):
    """Typeset an archive in an empty folder, with nothing else to draw on.

    Parameters
    ----------
    archive : pathlib.Path

    Returns
    -------
    int
        Pages.

    Raises
    ------
    BadInputError
        If TeX fails, or references or citations are undefined.
    """
    plain = {k: v for k, v in os.environ.items() if k not in ("TEXINPUTS", "BSTINPUTS")}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with tarfile.open(archive) as tar:
            tar.extractall(folder, filter="data")
        for _ in range(3):  # references settle; no BibTeX: the journal runs none either
            done = subprocess.run(
                ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "ms.tex"], cwd=folder,
                env=plain, capture_output=True, text=True, check=False, errors="replace",
                stdin=subprocess.DEVNULL)
            if done.returncode:
                said = [line for line in done.stdout.splitlines() if line.startswith("!")][:3]
                raise BadInputError(f"{archive.name} does not typeset alone: {' '.join(said)}")
        if warnings(folder):
            raise BadInputError(f"{archive.name}: {warnings(folder)[0]}")
        return pages(folder)


def build(paths, check=True):
    """Make the archive, and see that it stands alone.

    Parameters
    ----------
    paths : cemp.paths.Paths
        The profile.
    check : bool
        Whether stale numbers are refused.

    Returns
    -------
    archive : pathlib.Path
    count : dict
        Files and pages.

    Raises
    ------
    BadInputError
        If numbers are stale, TeX fails, or the archive gives another number of pages.
    """
    problems = stale(paths) if check else []
    if problems:
        raise BadInputError("numbers are stale, run `make all` first:\n  " + "\n  ".join(problems))
    source = gather(paths)
    environment = tex_environment(paths)
    typeset(source, environment)
    folder, archive = paths.build / "submission", paths.build / "submission.tar.gz"
    origin = collect(paths, source, folder)
    pack(folder, archive, int(environment["SOURCE_DATE_EPOCH"]))
    made, expected = try_out(archive), pages(source)
    if made != expected:
        raise BadInputError(f"the archive gives {made} pages, the paper has {expected}")
    return archive, {"files": len(origin) + 1, "pages": made}


def main(arguments=None):
    """Command line; see ``--help``."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--profile", default="demo")
    parser.add_argument("--stale", action="store_true", help="pack stale numbers too (a draft)")
    args = parser.parse_args(arguments)
    try:
        paths = Paths(args.profile)
        if shutil.which("latexmk") is None:
            raise BadInputError("latexmk was not found: `make tex` installs TeX on Debian")
        archive, count = build(paths, not args.stale)
    except BadInputError as error:
        print(f"submission [{args.profile}] FAILED: {error}", file=sys.stderr)
        return 1
    print(f"submission [{paths.profile}] {count['files']} files, {count['pages']} pages -> "
          f"{archive.relative_to(paths.root)}, {archive.stat().st_size / 2**20:.1f} MiB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
