"""The widget: a picture of the page, buttons, a note, and keys.

ipywidgets has no key events, and JupyterLab listens to the keyboard before any widget does: with
the focus in an output, ``a`` would insert a cell. The widget is therefore an `anywidget`: one
small module of JavaScript (``inspector.js``) that anywidget loads into JupyterLab, Notebook 7 or
VS Code without a build step, on top of ipywidgets. It takes the keys on its own element and marks
it with ``data-lm-suppress-shortcuts``, the attribute by which JupyterLab leaves the keys of an
element alone ("Keyboard interaction model" in JupyterLab's extension guide). ipyevents, the other
way, would leave that attribute, the focus and the note's own keys to be solved from Python.

Picture and identifier reach the browser in one message, and a decision comes back with the
identifier that was on screen: a key pressed while the page turns decides about nothing.
"""

import asyncio
import io
from functools import lru_cache
from pathlib import Path

import anywidget
import traitlets

from cemp.errors import BadInputError
from cemp.inspect.decisions import CHOICES
from cemp.inspect.session import Session
from cemp.plots.inspect import draw_page

FOLDER = Path(__file__).parent
#: Pictures kept: forth and back are then at once.
KEPT = 16
#: Dots an inch on screen.
DPI = 120


def to_png(page, verdict=""):
    """Draw a page as a PNG.

    Parameters
    ----------
    page : dict
        From `cemp.inspect.pages.Pages.page`.
    verdict : str
        What was decided, if it is to be printed on the page.

    Returns
    -------
    bytes
    """
    buffer = io.BytesIO()
    draw_page(page, verdict).savefig(buffer, format="png", dpi=DPI, metadata={"Software": None})
    return buffer.getvalue()


class Inspector(anywidget.AnyWidget):
    """Page through candidates and decide: a, r, u, arrows, z, n.

    Parameters
    ----------
    pages : cemp.inspect.pages.Pages
    path : str or pathlib.Path
        File of decisions; every decision is written at once.
    inspector : str
        Who decides.
    draw : callable
        Page to PNG.
    """

    _esm = FOLDER / "inspector.js"
    _css = FOLDER / "inspector.css"
    picture = traitlets.Bytes().tag(sync=True)
    obsid = traitlets.Unicode().tag(sync=True)
    title = traitlets.Unicode().tag(sync=True)
    decision = traitlets.Unicode().tag(sync=True)
    note = traitlets.Unicode().tag(sync=True)
    message = traitlets.Unicode().tag(sync=True)
    progress = traitlets.Dict().tag(sync=True)
    serial = traitlets.Int().tag(sync=True)

    def __init__(self, pages, path, inspector, draw=to_png):
        super().__init__()
        self.pages = pages
        self.session = Session(pages.table, path, inspector)
        self._picture = lru_cache(KEPT)(lambda place: draw(pages.page(place)))
        self.on_msg(lambda _, content, buffers: self.handle(content))
        self._show(f"decisions go to {Path(path).name}")

    def handle(self, content):
        """Do what a key or a button asks for.

        Parameters
        ----------
        content : dict
            command (accept, reject, unsure, note, undo, back, forward), obsid (str: what was on
            screen) and note (its text field).
        """
        command, note = content.get("command"), content.get("note", "")
        if content.get("obsid") != str(self.session.current):
            self._show("the page had turned: nothing was decided")
            return
        try:
            message = self._do(command, note)
        except BadInputError as error:
            message = f"NOT WRITTEN: {error}"
        self._show(message)

    def _do(self, command, note):
        session, name = self.session, self.session.designation[self.session.position]
        if command in CHOICES:
            session.decide(command, note)
            done = session.progress()
            finished = " - all decided" if done["decided"] == done["total"] else ""
            return f"{name}: {command}{finished}"
        if command == "note":
            session.annotate(note)
            return "note written" if session.decision else "the note goes with your decision"
        session.draft(note)
        if command == "undo":
            return "taken back" if session.undo() else "nothing to take back in this session"
        session.move({"back": -1, "forward": 1}.get(command, 0))
        return ""

    def _show(self, message):
        """Send the current page, all in one message; then draw the next one ahead."""
        session, page = self.session, self.session.position
        drawn = self._picture(page)
        with self.hold_sync():
            self.picture, self.obsid = drawn, str(session.current)
            self.title = f"{session.designation[page]}: page {page + 1} of {len(session.obsid)}"
            self.decision, self.note = session.decision, session.note
            self.progress, self.message = session.progress(), message
            self.serial += 1
        self._ahead()

    def _ahead(self):
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            return  # no notebook, no hurry
        following = min(self.session.position + 1, len(self.session.obsid) - 1)
        loop.call_later(0.2, self._picture, following)
