"""Times as people write them."""


def duration(seconds):
    """Write a time for people.

    Parameters
    ----------
    seconds : float

    Returns
    -------
    str

    Examples
    --------
    >>> duration(42), duration(600), duration(40_000), duration(400_000)
    ('42 s', '10 min', '11.1 h', '4.6 d')
    """
    for unit, size, digits in (("d", 86_400, 1), ("h", 3600, 1), ("min", 60, 0)):
        if seconds >= 2 * size:
            return f"{seconds / size:.{digits}f} {unit}"
    return f"{seconds:.0f} s"
