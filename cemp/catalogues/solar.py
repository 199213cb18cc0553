"""Solar abundance scales, and the way from each to Asplund et al. (2009)."""

import re

import numpy as np

from cemp.constants import SOLAR_A

#: A(C), A(Fe) of the scales that the literature of metal-poor stars uses.
SCALES = {
    "asplund2009": (8.43, 7.50),  # Asplund, Grevesse, Sauval & Scott 2009, ARA&A 47, 481
    "asplund2021": (8.46, 7.46),  # Asplund, Amarsi & Grevesse 2021, A&A 653, A141
    "asplund2005": (8.39, 7.45),  # Asplund, Grevesse & Sauval 2005, ASPC 336, 25
    "grevesse2007": (8.39, 7.45),  # Grevesse, Asplund & Sauval 2007, SSRv 130, 105
    "grevesse1998": (8.52, 7.50),  # Grevesse & Sauval 1998, SSRv 85, 161
    "grevesse1996": (8.55, 7.50),  # Grevesse, Noels & Sauval 1996, ASPC 99, 117
    "anders1989": (8.56, 7.67),  # Anders & Grevesse 1989, GeCoA 53, 197 (photosphere)
}

_NAMES = {
    "ag89": "anders1989", "gn96": "grevesse1996", "gns96": "grevesse1996",
    "gs98": "grevesse1998", "ags05": "asplund2005", "gas07": "grevesse2007",
    "ags09": "asplund2009", "agss09": "asplund2009", "aag21": "asplund2021",
}  # fmt: skip


def scale_name(text):
    """Recognise a solar scale however a paper writes it.

    Parameters
    ----------
    text : str
        ``"Grevesse 1996"``, ``"Asplund+09"``, ``"AGSS09"``, ``"Grevesse & Sauval (1998)"``.

    Returns
    -------
    str
        Key of `SCALES`, or an empty string if not recognised.

    Examples
    --------
    >>> scale_name("Grevesse & Sauval (1998)"), scale_name("AGSS09"), scale_name("own")
    ('grevesse1998', 'asplund2009', '')
    """
    bare = re.sub(r"[^a-z0-9]", "", str(text).lower())
    if bare in _NAMES:
        return _NAMES[bare]
    found = re.match(r"(asplund|grevesse|anders)[a-z]*?(\d{4}|\d{2})$", bare)
    if not found:
        return ""
    year = found.group(2)
    year = year if len(year) == 4 else ("19" if int(year) > 50 else "20") + year
    name = found.group(1) + year
    return name if name in SCALES else ""


def to_asplund(fe_h, c_h, scales):
    """Bring [Fe/H] and [C/H] to the solar scale of Asplund et al. (2009).

    Parameters
    ----------
    fe_h, c_h : ndarray, shape (n,)
        On each row's own scale [dex].
    scales : iterable of str, shape (n,)
        Names of the scales; an unknown one changes nothing.

    Returns
    -------
    fe_h, c_h : ndarray, shape (n,)
    known : ndarray of bool, shape (n,)
        Whether the scale was recognised.

    Notes
    -----
    A(X) = [X/H] + A(X)_sun does not depend on the scale, so
    [X/H]_new = [X/H]_old + A(X)_sun,old - A(X)_sun,new.

    Examples
    --------
    >>> fe_h, c_h, known = to_asplund(np.array([-3.0]), np.array([-2.0]), ["Grevesse 1996"])
    >>> fe_h.round(2).tolist(), c_h.round(2).tolist()
    ([-3.0], [-1.88])
    """
    names = [scale_name(s) for s in scales]
    sun = (SOLAR_A["C"], SOLAR_A["Fe"])
    old = np.array([SCALES.get(name, sun) for name in names], dtype=float).reshape(-1, 2)
    known = np.array([bool(name) for name in names], dtype=bool)
    return fe_h + old[:, 1] - sun[1], c_h + old[:, 0] - sun[0], known
