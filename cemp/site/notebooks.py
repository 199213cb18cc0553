"""An executed notebook as the body of a page: pictures in files, formulae set, nothing fetched."""

import re
import struct
from base64 import b64decode
from dataclasses import dataclass, field
from html import escape
from pathlib import Path

import nbformat
from jinja2 import pass_context
from nbconvert.exporters.templateexporter import TemplateExporter
from nbconvert.filters import Highlight2HTML
from nbconvert.filters.markdown_mistune import IPythonRenderer, MarkdownWithMath
from nbconvert.preprocessors import CoalesceStreamsPreprocessor, ExtractOutputPreprocessor

#: Sentences of the first paragraph are taken until there are so many characters.
ENOUGH = 80

TEMPLATES = Path(__file__).parent / "templates"


@dataclass
class Page:
    """A notebook's page.

    Parameters
    ----------
    stem : str
        File stem of the notebook.
    title, line : str
        Its first heading without marks, and the first sentences below it.
    body : str
        HTML.
    pictures : dict of str to bytes
        Files that the body shows.
    headings : list of tuple of str
        Anchor and HTML of each second-level heading.
    """

    stem: str
    title: str
    line: str
    body: str = ""
    pictures: dict = field(default_factory=dict)
    headings: list = field(default_factory=list)


class Renderer(IPythonRenderer):
    """Markdown of a notebook, its formulae set as HTML and its links led to pages."""

    tex, anchors = None, None

    def heading(self, text, level, **_):
        """Give a heading an anchor that is its own on the page."""
        words = re.sub(r"[^a-z0-9]+", "-", re.sub(r"<[^>]+>|&\w+;", "", text).lower()).strip("-")
        self.anchors.append(words or "part")
        count = self.anchors.count(self.anchors[-1])
        anchor = self.anchors[-1] + (f"-{count}" if count > 1 else "")
        return f'<h{level} id="{anchor}">{text}</h{level}>\n'

    def inline_math(self, body):
        """Set a formula in a line."""
        return self.tex.html(body, math=True)

    def block_math(self, body):
        """Set a formula of its own."""
        return f'<p class="formula">{self.tex.html(body, math=True)}</p>\n'

    def link(self, text, url, title=None):
        """Lead a link to another notebook to its page."""
        return super().link(text, re.sub(r"\.ipynb(?=#|$)", ".html", url), title)


class Exporter(TemplateExporter):
    """nbconvert with this site's template: no styles, scripts or addresses of its own.

    Parameters
    ----------
    tex : cemp.site.tex.Tex
        Sets formulae.
    """

    def __init__(self, tex):
        super().__init__(template_name="basic", template_file=str(TEMPLATES / "body.html.j2"))
        self.tex, self.anchors = tex, []
        for step in (CoalesceStreamsPreprocessor(), ExtractOutputPreprocessor()):
            self.register_preprocessor(step, enabled=True)
        self.register_filter("highlight_code", Highlight2HTML(pygments_lexer="ipython3"))
        self.register_filter("markdown2html", self.markdown2html)

    @pass_context
    def markdown2html(self, context, source):
        """Filter of the template, without MathJax."""
        return self.text(source, context.get("cell", {}).get("attachments", {}))

    def text(self, source, attachments=None):
        """Set a piece of Markdown.

        Parameters
        ----------
        source : str
        attachments : dict, optional
            Pictures that a cell carries with it.

        Returns
        -------
        str
            HTML.
        """
        renderer = Renderer(escape=False, attachments=attachments or {})
        renderer.tex, renderer.anchors = self.tex, self.anchors
        return MarkdownWithMath(renderer=renderer).render(source)


def opening(notebook):
    """Read a notebook's title and what its first sentences say.

    Parameters
    ----------
    notebook : nbformat.NotebookNode

    Returns
    -------
    title, line : str
        Without marks.
    """
    head, _, rest = notebook.cells[0].source.partition("\n")
    paragraph = " ".join(rest.strip().split("\n\n")[0].split())
    line = ""
    for sentence in re.split(r"(?<=[.?!]) (?=[A-Z(\"*])", _bare(paragraph)):
        if len(line) < ENOUGH:
            line = f"{line} {sentence}".strip()
    return head.lstrip("# ").strip(), line


def _bare(text):
    """Take Markdown's marks off a sentence."""
    return escape(re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", re.sub(r"[*`]", "", text)), quote=False)


def picture_size(png):
    """Read width and height of a PNG from its header [pixel]."""
    return struct.unpack(">II", png[16:24])


def describe_pictures(notebook, alt):
    """Give every picture of a notebook a size, and a text for those who do not see it.

    Parameters
    ----------
    notebook : nbformat.NotebookNode
        Changed in place.
    alt : dict of str to str
        Text by cell id.
    """
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            if "image/png" in output.get("data", {}):
                width, height = picture_size(b64decode(output.data["image/png"]))
                output.setdefault("metadata", {})["image/png"] = {
                    "alt": alt.get(cell.id, "Picture drawn by the cell above"),
                    "width": width, "height": height}  # fmt: skip


def render(path, exporter, alt=None):
    """Make the body of a notebook's page.

    Parameters
    ----------
    path : pathlib.Path
        A notebook with outputs.
    exporter : Exporter
        One serves many notebooks.
    alt : dict of str to str, optional
        Text of the pictures by cell id.

    Returns
    -------
    Page
    """
    notebook = nbformat.read(path, as_version=4)
    title, line = opening(notebook)
    describe_pictures(notebook, alt or {})
    resources = {"unique_key": path.stem, "output_files_dir": path.stem}
    exporter.anchors.clear()
    body, resources = exporter.from_notebook_node(notebook, resources)
    headings = re.findall(r'<h2[^>]*\bid="([^"]+)"[^>]*>(.*?)</h2>', body, re.DOTALL)
    line = re.sub(r"\$([^$]+)\$", lambda found: exporter.tex.html(found[1], math=True), line)
    return Page(path.stem, title, line, body, resources.get("outputs", {}), headings)
