"""Text tables whose first lines are comments."""

from itertools import takewhile


def comment_lines(path):
    """Count the comment lines before a text table.

    Parameters
    ----------
    path : str or pathlib.Path

    Returns
    -------
    int
        Leading lines that begin with ``#``. Further down a ``#`` is part of a value (a file's or a
        star's name), which readers that cut at every ``#`` would lose.
    """
    with open(path, encoding="utf-8") as stream:
        return sum(1 for _ in takewhile(lambda line: line.startswith("#"), stream))
