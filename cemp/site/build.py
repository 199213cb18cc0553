"""Build the site: ``make html`` writes ``build/site``, to be opened from the disk.

Its matter is what is committed: the executed notebooks, the figures, the paper's tables, numbers
and PDF. Of a run on this machine it adds the catalogue and the network, for downloading.
"""

import argparse
import re
import shutil
import subprocess
import sys
import time

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from pygments.formatters import HtmlFormatter

import cemp
from cemp.errors import BadInputError
from cemp.paths import Paths
from cemp.site import content
from cemp.site.links import faults
from cemp.site.notebooks import TEMPLATES, Exporter, render
from cemp.site.paper import plain_text, read_paper
from cemp.site.tex import table_rows
from cemp.workflow.receipt import commit

PAGES = {"Figure": "figures.html", "Table": "tables.html"}


def chinese(paths, tex):
    """Set the Chinese abstract.

    Parameters
    ----------
    paths : cemp.paths.Paths
        The profile.
    tex : cemp.site.tex.Tex

    Returns
    -------
    str
        HTML; empty if there is none.
    """
    file = paths.root / "paper" / "abstract_zh.tex"
    if not file.is_file():
        return ""
    text = re.sub(r"\\(begin|end)\{CJK\*?\}(\{[^}]*\})*", "", plain_text(file))
    text = re.sub(r"\\noindent\\textbf\{[^}]*\}\\quad", "", text)
    return tex.html("".join(text.split("\n"))).strip()


def common(paths):
    """Gather what every page names.

    Parameters
    ----------
    paths : cemp.paths.Paths
        The profile.

    Returns
    -------
    dict
        Version, commit and its date.
    """
    done = subprocess.run(["git", "log", "-1", "--format=%cs"], cwd=paths.root,
                          capture_output=True, text=True, check=False)
    return {"version": cemp.__version__, "commit": commit(paths.root),
            "date": done.stdout.strip(), "up": "", "page": ""}


def run_versions(paths, tex):
    """Name the versions of the run that the paper's tables are of, as one line."""
    file = paths.published("tables") / "run_versions.tex"
    rows = table_rows(file.read_text()) if file.is_file() else []
    return ", ".join(" ".join(map(tex.html, row)) for row in rows)


def highlight_css():
    """Style of the code, by day and by night."""
    day = HtmlFormatter(style="default").get_style_defs(".highlight")
    night = HtmlFormatter(style="github-dark").get_style_defs(".highlight")
    own = ".highlight, .highlight pre { background: transparent; }"
    return f"{day}\n@media (prefers-color-scheme: dark) {{\n{night}\n}}\n{own}\n"


class Writer:
    """Fills templates and writes pages.

    Parameters
    ----------
    folder : pathlib.Path
        The site.
    **shared
        What every page is given.
    """

    def __init__(self, folder, **shared):
        self.folder, self.shared = folder, shared
        self.templates = Environment(loader=FileSystemLoader(TEMPLATES), trim_blocks=True,
                                     undefined=StrictUndefined)

    def write(self, place, template, **given):
        """Write one page at `place`, from ``<template>.html.j2``."""
        path = self.folder / place
        path.parent.mkdir(parents=True, exist_ok=True)
        page = self.templates.get_template(f"{template}.html.j2")
        path.write_text(page.render(**{**self.shared, "page": template, **given}),
                        encoding="utf-8")


def write_notebooks(paths, paper, figures, writer):
    """Write a page for each notebook.

    Parameters
    ----------
    paths : cemp.paths.Paths
        The profile.
    paper : cemp.site.paper.Paper
    figures : list of dict
        From `content.figures`: their captions describe the pictures.
    writer : Writer

    Returns
    -------
    list of cemp.site.notebooks.Page
    """
    pages, exporter = [], Exporter(paper.tex)
    for path in sorted((paths.root / "notebooks").glob("*.ipynb")):
        alt = {one["id"]: content.bare(one["caption"]) for one in figures
               if one["notebook"] == path.stem}
        pages.append(render(path, exporter, alt))
    for before, page, after in zip([None, *pages], pages, [*pages[1:], None], strict=False):
        for name, picture in page.pictures.items():
            target = writer.folder / "notebooks" / name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(picture)
        file = content.copy(paths.root / "notebooks" / f"{page.stem}.ipynb", writer.folder,
                            f"notebooks/{page.stem}.ipynb")
        writer.write(f"notebooks/{page.stem}.html", "notebook", up="../", title=page.title,
                     body=page.body, headings=page.headings, before=before, after=after,
                     file={**file, "href": f"{page.stem}.ipynb"})
    return pages


def write_card(writer, downloads, tex):
    """Write the model card as a page, and lead its download there."""
    for group in downloads:
        for one in group["files"]:
            if one["name"].endswith(".md"):
                source = (writer.folder / one["href"]).read_text(encoding="utf-8")
                body = Exporter(tex).text(source)
                writer.write("model_card.html", "text", title="Model card", body=body)
                one["href"] = "model_card.html"


def build(paths, folder):
    """Write the whole site.

    Parameters
    ----------
    paths : cemp.paths.Paths
        The demo profile.
    folder : pathlib.Path
        Replaced, once the new site is whole.

    Returns
    -------
    dict of str to int
        Pages, files and bytes.

    Raises
    ------
    BadInputError
        If a link of the new site leads nowhere; the old one is kept then.
    """
    new = folder.with_name(folder.name + ".new")
    shutil.rmtree(new, ignore_errors=True)
    new.mkdir(parents=True)
    _fill(paths, new)
    found = faults(new)
    if found:
        raise BadInputError("the pages have faults:\n  " + "\n  ".join(found[:20]))
    shutil.rmtree(folder, ignore_errors=True)
    new.rename(folder)
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {"pages": sum(path.suffix == ".html" for path in files), "files": len(files),
            "bytes": sum(path.stat().st_size for path in files)}


def _fill(paths, folder):
    """Write every page into an empty folder."""
    paper = read_paper(paths, PAGES)
    writer = Writer(folder, **common(paths))
    figures = content.figures(paths, paper, folder)
    tables, numbers = content.tables(paths, paper), content.numbers(paths, paper.tex)
    downloads = content.downloads(paths, folder)
    pages = write_notebooks(paths, paper, figures, writer)
    write_card(writer, downloads, paper.tex)
    groups = [{"stem": page.stem, "title": page.title, "figures":
               [one for one in figures if one["notebook"] == page.stem]} for page in pages]
    writer.write("figures.html", "figures", title="Figures",
                 groups=[group for group in groups if group["figures"]])
    writer.write("tables.html", "tables", title="Tables", tables=tables)
    writer.write("numbers.html", "numbers", title="Numbers", groups=numbers)
    heading = paper.group(r"\title").strip()
    writer.write("index.html", "index", title=content.bare(heading), heading=heading,
                 abstract=paper.abstract(), abstract_zh=chinese(paths, paper.tex),
                 n_numbers=sum(len(group["rows"]) for group in numbers), notebooks=pages,
                 figures=figures, tables=tables, downloads=downloads,
                 pdf=next(iter(downloads[0]["files"]), None),
                 versions=run_versions(paths, paper.tex))
    style = (TEMPLATES.parent / "style.css").read_text()
    (folder / "style.css").write_text(style + highlight_css())


def main(arguments=None):
    """Command line; see ``--help``."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--profile", default="demo")
    parser.add_argument("--out", help="folder of the site; build/site if left out")
    args = parser.parse_args(arguments)
    start = time.monotonic()
    try:
        if args.profile != "demo":
            raise BadInputError("the site shows the committed notebooks, which are the demo's: "
                                "`make html PROFILE=demo`")
        paths = Paths(args.profile)
        folder = paths.resolve(args.out or "build/site")
        count = build(paths, folder)
    except BadInputError as error:
        print(f"html FAILED: {error}", file=sys.stderr)
        return 1
    shown = folder.relative_to(paths.root) if paths.root in folder.parents else folder
    print(f"html: {count['pages']} pages, {count['files']} files, {count['bytes'] / 1e6:.0f} MB, "
          f"{time.monotonic() - start:.0f} s -> open {shown}/index.html")
    return 0


if __name__ == "__main__":
    sys.exit(main())
