"""The personal token: from the environment to the archive's own address, and nowhere else."""

import logging
import os
import re
from urllib.parse import parse_qsl, quote, quote_plus, urlencode, urlsplit, urlunsplit

from cemp.archives.failures import TokenError

#: Environment variable that holds the LAMOST token.
VARIABLE = "CEMP_LAMOST_TOKEN"
#: What stands where a token stood.
HIDDEN = "***"


class Secret:
    """A token that cannot be printed.

    Parameters
    ----------
    value : str
        The token.
    name : str
        Name of the parameter of an address that carries it.
    """

    __slots__ = ("_value", "name")

    def __init__(self, value, name="token"):
        self._value, self.name = value, name

    def __repr__(self):
        """Say that there is one, not which."""
        return f"Secret({HIDDEN})"

    __str__ = __repr__

    def __reduce__(self):
        """Refuse to be written to a file or handed to another process."""
        raise TypeError("a token is not stored")

    def add_to(self, url):
        """Give the address with the token, for the request alone."""
        parts = urlsplit(without(url, self.name))
        query = "&".join(filter(None, [parts.query, urlencode({self.name: self._value})]))
        return urlunsplit(parts._replace(query=query))

    def hide(self, text):
        """Replace the token in a text, in plain and in percent-encoded form."""
        forms = {self._value, quote(self._value), quote(self._value, safe=""),
                 quote_plus(self._value)}
        for form in sorted(forms, key=len, reverse=True):
            text = text.replace(form, HIDDEN)
        return text


def without(url, name="token"):
    """Take a parameter out of an address.

    Parameters
    ----------
    url : str
    name : str

    Returns
    -------
    str

    Examples
    --------
    >>> without("https://a.org/x?name=b&token=c")
    'https://a.org/x?name=b'
    """
    parts = urlsplit(url)
    pairs = [p for p in parse_qsl(parts.query, keep_blank_values=True) if p[0] != name]
    return urlunsplit(parts._replace(query=urlencode(pairs)))


def read_token(environ=None):
    """Read the token from the environment.

    Parameters
    ----------
    environ : dict of str to str, optional
        By default ``os.environ``.

    Returns
    -------
    Secret or None
        None if the variable is not set.

    Raises
    ------
    TokenError
        If it holds what no token holds (blanks, line ends); its value is not shown.
    """
    value = (os.environ if environ is None else environ).get(VARIABLE, "").strip()
    if not value:
        return None
    if re.search(r"\s", value) or not value.isprintable():
        raise TokenError(f"{VARIABLE} holds blanks or line ends: set it to the token alone")
    return Secret(value)


class _Hide(logging.Filter):
    """Take tokens out of what the libraries below would log (addresses, at level DEBUG)."""

    def filter(self, record):
        message = record.getMessage()
        clean = re.sub(r"(?i)(token=)[^&\s\"']+", rf"\1{HIDDEN}", message)
        if clean != message:
            record.msg, record.args = clean, ()
        return True


def guard_logs():
    """Keep tokens out of the log of the HTTP library, whatever level a program sets."""
    for name in ("urllib3.connectionpool", "urllib3.util.retry", "urllib3.response", "pooch"):
        logger = logging.getLogger(name)
        if not any(isinstance(f, _Hide) for f in logger.filters):
            logger.addFilter(_Hide())
