"""Follow every link of a folder of pages: each leads to a file or a place that is there."""

from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

#: Attributes that a page loads by itself; such a thing must lie in the folder.
LOADED = {("img", "src"), ("script", "src"), ("link", "href"), ("iframe", "src"),
          ("source", "srcset"), ("video", "src")}


@dataclass
class Seen(HTMLParser):
    """What one page links to and can be linked at.

    Parameters
    ----------
    links : list of tuple
        Address and whether the page loads it by itself.
    ids : list of str
    faults : list of str
        Pictures without a text, headings that skip a level.
    """

    links: list = field(default_factory=list)
    ids: list = field(default_factory=list)
    faults: list = field(default_factory=list)
    level: int = 0

    def __post_init__(self):
        super().__init__(convert_charrefs=True)

    def handle_starttag(self, tag, attrs):
        """Note what a tag links to."""
        attrs = dict(attrs)
        if "id" in attrs:
            self.ids.append(attrs["id"])
        for name in ("href", "src"):
            if attrs.get(name) is not None:
                self.links.append((attrs[name], (tag, name) in LOADED))
        if tag == "img" and "alt" not in attrs:
            self.faults.append(f"a picture without alt: {attrs.get('src', '')[:60]}")
        if tag in ("h1", "h2", "h3", "h4", "h5", "h6"):
            if int(tag[1]) > self.level + 1:
                self.faults.append(f"{tag} follows h{self.level}")
            self.level = int(tag[1])


def read_page(path):
    """Parse one page.

    Parameters
    ----------
    path : pathlib.Path

    Returns
    -------
    Seen
    """
    seen = Seen()
    seen.feed(path.read_text(encoding="utf-8"))
    return seen


def faults(folder):
    """List what is wrong with the links of a folder of pages.

    Parameters
    ----------
    folder : pathlib.Path

    Returns
    -------
    list of str
        ``page: fault``; empty if every link, picture and anchor is there, ids are unique, pictures
        have texts, headings skip no level, and nothing is loaded from a network.
    """
    folder = Path(folder).resolve()
    pages = {path: read_page(path) for path in sorted(folder.rglob("*.html"))}
    found = []
    for path, page in pages.items():
        said = [*page.faults, *(f"two things have the id '{one}'" for one in
                                sorted({one for one in page.ids if page.ids.count(one) > 1}))]
        said += filter(None, (_fault(link, path, loaded, pages) for link, loaded in page.links))
        found += [f"{path.relative_to(folder)}: {fault}" for fault in said]
    return found


def _fault(link, path, loaded, pages):
    """Tell what is wrong with one link; an empty text if nothing is."""
    parts = urlsplit(link)
    if parts.scheme == "data" or (parts.scheme in ("http", "https", "mailto") and not loaded):
        return ""
    if parts.scheme or parts.netloc:
        return f"loads {link} from a network"
    target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
    if not target.is_file():
        return f"{link} leads to no file"
    if parts.fragment and target in pages and unquote(parts.fragment) not in pages[target].ids:
        return f"{link} leads to no place on that page"
    return ""
