"""Gather the paper's sources with a run's figures, tables and numbers, and typeset them.

``python -m cemp.workflow.paper --profile demo`` makes ``build/demo/paper/ms.pdf``. The document
class and the bibliography style come from the Python package ``aastex``; nothing is vendored.
"""

import argparse
import os
import shutil
import subprocess
import sys
from importlib.resources import files

from cemp.errors import BadInputError
from cemp.paths import Paths
from cemp.workflow.appendix import write_appendix
from cemp.workflow.publish import OPTIONAL


def gather(paths):
    """Copy what the paper is made of into one folder.

    Parameters
    ----------
    paths : cemp.paths.Paths
        The profile.

    Returns
    -------
    pathlib.Path
        ``build/<profile>/paper``, with ``figures``, ``values`` and ``tables`` inside;
        ``values/all.tex`` reads the values of every stage.
    """
    folder = paths.build / "paper"
    folder.mkdir(parents=True, exist_ok=True)
    sources = [*(paths.root / "paper").glob("*.tex"), *(paths.root / "paper").glob("*.bib")]
    if not sources:
        raise BadInputError(f"{paths.root / 'paper'} holds no .tex file: restore it from git")
    for source in sources:
        shutil.copy2(source, folder)
    for kind, pattern in (("figures", "*.pdf"), ("values", "*.tex"), ("tables", "*.tex")):
        (folder / kind).mkdir(exist_ok=True)
        for source in paths.published(kind).glob(pattern):
            if source.parent != folder / kind:
                shutil.copy2(source, folder / kind)
    for name in OPTIONAL:
        _keep(name[:2], folder, paths)
    values = sorted(path.stem for path in (folder / "values").glob("[0-9]*.tex"))
    text = "".join(f"\\input{{values/{name}}}\n" for name in values)
    (folder / "values" / "all.tex").write_text("% every stage's results\n" + text)
    return folder


def _keep(number, folder, paths):
    """Let a stage's committed results stand where this run has none."""
    for kind, source, ending in (("figures", "figures", "pdf"), ("values", "paper/values", "tex"),
                                 ("tables", "paper/tables", "tex")):
        for file in (paths.root / source).glob(f"{number}_*.{ending}"):
            if not (folder / kind / file.name).is_file():
                shutil.copy2(file, folder / kind)


def tex_environment(paths):
    """Environment of the TeX programs.

    Parameters
    ----------
    paths : cemp.paths.Paths
        The profile.

    Returns
    -------
    dict of str to str
        Finds ``aastex701.cls``, and dates the PDF by the last commit, so that equal sources give
        equal files.
    """
    aastex = str(files("aastex"))
    date = subprocess.run(["git", "log", "-1", "--format=%ct"], cwd=paths.root,
                          capture_output=True, text=True, check=False).stdout.strip()
    return {**os.environ, "TEXINPUTS": f".:{aastex}:", "BSTINPUTS": f".:{aastex}:",
            "SOURCE_DATE_EPOCH": date or "0", "FORCE_SOURCE_DATE": "1"}


def typeset(folder, environment):
    """Run latexmk on ``ms.tex``.

    Parameters
    ----------
    folder : pathlib.Path
        What `gather` made.
    environment : dict of str to str
        What `tex_environment` made.

    Returns
    -------
    pathlib.Path
        The PDF.

    Raises
    ------
    BadInputError
        If TeX fails: with its first errors and the name of its log.
    """
    done = subprocess.run(
        ["latexmk", "-pdf", "-interaction=nonstopmode", "-halt-on-error", "-file-line-error",
         "-silent", "ms.tex"],
        cwd=folder, env=environment, capture_output=True, text=True, check=False,
        stdin=subprocess.DEVNULL,
    )
    log = folder / "ms.log"
    if done.returncode:
        lines = log.read_text(errors="replace").splitlines() if log.is_file() else []
        said = [line for line in lines if ".tex:" in line or line.startswith("!")][:5]
        raise BadInputError("TeX failed; if a .sty or .cls file is missing, `make tex` installs it"
                            f" on Debian.\n  {chr(10).join(said) or done.stdout[-500:]}\n"
                            f"  whole log: {log}")
    return folder / "ms.pdf"


def warnings(folder):
    """List what a reader of the PDF would see as a fault.

    Parameters
    ----------
    folder : pathlib.Path
        Where ``ms.log`` lies.

    Returns
    -------
    list of str
        Undefined references and citations.
    """
    lines = (folder / "ms.log").read_text(errors="replace").splitlines()
    return [line for line in lines if "undefined" in line and "Warning" in line]


def main(arguments=None):
    """Command line; see ``--help``."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--profile", default="demo")
    try:
        paths = Paths(parser.parse_args(arguments).profile)
        write_appendix(paths)
        folder = gather(paths)
        pdf = typeset(folder, tex_environment(paths))
    except BadInputError as error:
        print(f"paper [{parser.parse_args(arguments).profile}] FAILED: {error}", file=sys.stderr)
        return 1
    for line in warnings(folder):
        print(f"  {line}")
    pdf.touch()  # latexmk leaves an unchanged PDF alone; make wants it newer than its sources
    print(f"paper [{paths.profile}] -> {pdf.relative_to(paths.root)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
