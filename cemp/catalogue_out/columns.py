"""Columns of the final catalogue: the one place where name, unit, meaning and UCD are written.

FITS, VOTable, machine-readable table, CSV and the data dictionary of the paper all come from here.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from cemp.candidates.catalogue import COLUMNS as CANDIDATE
from cemp.errors import BadInputError
from cemp.inspect import COLUMNS as INSPECTION


@dataclass(frozen=True)
class Column:
    """One column of the catalogue.

    Parameters
    ----------
    name : str
        In every format, but for right ascension and declination in the machine-readable table.
    unit : str
        As CDS writes it; ``dex`` for logarithms.
    what : str
        Meaning in one line that a FITS card holds; never begins with ``[`` or ``?``, which
        machine-readable tables would take for limits.
    ucd : str
        Unified Content Descriptor (IVOA UCD1+).
    kind : {"str", "int", "float", "bool"}
    fmt : str
        Format specification; the catalogue holds no more digits than it says.
    """

    name: str
    unit: str
    what: str
    ucd: str
    kind: str = "float"
    fmt: str = ".3f"


#: Columns that the catalogue adds to the table of candidates: unit, description.
ADDED = {
    "rank": ("", "rank for observers: G band confirmed, then P(CEMP), then S/N"),
    "ra_hms": ("", "right ascension (ICRS), h:m:s"),
    "dec_dms": ("", "declination (ICRS), d:m:s"),
    "model": ("", "network that gave the labels"),
    "model_sha": ("", "SHA-256 of its weights, first 16 digits"),
}
#: Columns of notebook 11's measurements (`cemp.lines`) that enter: unit, description.
LINES = {
    "lines_n": ("", "bands of CH, C2 and CN in the joint fit"),
    "lines_c_fe": ("dex", "carbon over iron from these bands, not the network"),
    "lines_c_fe_low": ("dex", "lower end of its 68% interval"),
    "lines_c_fe_high": ("dex", "upper end of its 68% interval"),
    "lines_sigma": ("", "significance of carbon beyond [C/Fe] = 0"),
    "lines_power": ("", "significance that [C/Fe] = 1 would have in this spectrum"),
    "lines_verdict": ("", "enhanced, normal, or untested"),
    "lines_kind": ("", "what the lines say the object is"),
    "p_group1": ("", "probability of Yoon-Beers group I, given that the star is CEMP"),
    "p_group2": ("", "probability of group II"), "p_group3": ("", "probability of group III"),
    "p_cemp_no": ("", "probability of groups II and III together"),
    "c_fe_correction": ("dex", "evolutionary correction to add to c_fe; interpretation only"),
    "a_c_natal": ("dex", "A(C) at birth, correction added; interpretation only"),
}  # fmt: skip
#: Kind, format and UCD where the fallback of `_about` would not do.
_ABOUT = {
    "rank": ("int", "d", "stat.rank"), "designation": ("str", "", "meta.id;meta.main"),
    "star_id": ("str", "", "meta.id"), "obsid": ("int", "d", "meta.id;obs"),
    "gaia_source_id": ("int", "d", "meta.id.cross"), "ra": ("float", ".6f", "pos.eq.ra;meta.main"),
    "dec": ("float", ".6f", "pos.eq.dec;meta.main"), "ra_hms": ("str", "", "pos.eq.ra"),
    "dec_dms": ("str", "", "pos.eq.dec"), "gmag": ("float", ".3f", "phot.mag;em.opt"),
    "snrg": ("float", ".2f", "stat.snr;em.opt"), "n_obs": ("int", "d", "meta.number;obs"),
    "teff": ("float", ".1f", "phys.temperature.effective"),
    "logg": ("float", ".3f", "phys.gravity"), "fe_h": ("float", ".3f", "phys.abund.Fe"),
    "c_h": ("float", ".3f", "phys.abund.X"), "c_fe": ("float", ".3f", "phys.abund.X"),
    "a_c": ("float", ".3f", "phys.abund.X"),
    "cov_fe_h_c_h": ("float", ".5f", "stat.covariance;phys.abund"),
    "gband": ("float", ".3f", "spect.line.eqWidth"),
    "gband_normal": ("float", ".3f", "spect.line.eqWidth;meta.modelled"),
    "gband_excess": ("float", ".2f", "stat.value"), "gband_power": ("float", ".2f", "stat.value"),
    "gband_grade": ("str", "", "meta.code.qual"), "inspection": ("str", "", "meta.code.qual"),
    "n_inspectors": ("int", "d", "meta.number"), "inspection_note": ("str", "", "meta.note"),
    "lines_n": ("int", "d", "meta.number"), "lines_c_fe": ("float", ".3f", "phys.abund.X"),
    "lines_c_fe_low": ("float", ".3f", "phys.abund.X;stat.min"),
    "lines_c_fe_high": ("float", ".3f", "phys.abund.X;stat.max"),
    "lines_sigma": ("float", ".2f", "stat.snr"), "lines_power": ("float", ".2f", "stat.value"),
    "lines_verdict": ("str", "", "meta.code.qual"), "lines_kind": ("str", "", "src.class"),
    "c_fe_correction": ("float", ".3f", "phys.abund.X;meta.modelled"),
    "a_c_natal": ("float", ".3f", "phys.abund.X;meta.modelled"),
    "model": ("str", "", "meta.id"), "model_sha": ("str", "", "meta.version"),
}  # fmt: skip
#: Descriptions that stand alone, or must not begin with a bracket.
_WHAT = {
    "fe_h": "iron abundance [Fe/H], A(Fe)sun = 7.50", "logg": "log10 of surface gravity in cm/s2",
    "c_h": "carbon abundance [C/H], A(C)sun = 8.43, as in the spectrum",
    "c_fe": "carbon over iron, [C/Fe] = [C/H] - [Fe/H]",
    "e_c_fe": "error of c_fe, covariance included", "e_gband": "error of gband from noise alone",
    "missing": "true where [Fe/H] or [C/Fe] is missing",
    "unclassified_mp": "gap of Table 1: -3 <= [Fe/H] < -2.5 and [C/Fe] <= 0.7",
    "inspection_note": "notes of the inspectors",
    "gband_normal": "G band expected of the star at [C/Fe] = 0",
}
#: What comes first; the other columns of the candidates follow in their own order.
_FIRST = ("rank", "designation", "star_id", "obsid", "gaia_source_id", "ra", "dec", "ra_hms",
          "dec_dms")


def _about(name, values):
    """Kind, format and UCD of a column: known, an error, a probability, or judged by its type."""
    if name in _ABOUT:
        return _ABOUT[name]
    if name.startswith("e_"):
        kind, fmt, ucd = _ABOUT.get(name[2:], ("float", ".3f", "stat.value"))
        return kind, fmt, f"stat.error;{ucd.split(';')[0]}"
    if name.startswith("p_"):
        return "float", ".5f", "stat.probability"
    if pd.api.types.is_bool_dtype(values):
        return "bool", "", "meta.code"
    if pd.api.types.is_integer_dtype(values):
        return "int", "d", "meta.number"
    if pd.api.types.is_numeric_dtype(values):
        return "float", ".4g", "stat.value"
    return "str", "", "meta.note"


def _what(name, what):
    """Describe a column in words that need no neighbour."""
    if name in _WHAT:
        return _WHAT[name]
    if name.startswith("e_"):
        return f"error of {name[2:]}"
    return f"value: {what}" if what[:1] in "[?" else what


def columns_of(table, extra=None):
    """List the columns of a final catalogue.

    Parameters
    ----------
    table : pandas.DataFrame
        The catalogue.
    extra : dict of str to (unit, description), optional
        Further columns, such as those of the line measurements; those that the table lacks are
        left out.

    Returns
    -------
    list of Column
        In the order of the files.

    Raises
    ------
    BadInputError
        If the table has a column that nothing describes, or lacks one that is not extra.
    """
    extra = {name: text for name, text in (extra or {}).items() if name in table}
    base = {**CANDIDATE, **ADDED, **INSPECTION, "inspection_note": ("", "")}
    absent, odd = [n for n in base if n not in table], set(table) - set(base) - set(extra)
    if absent or odd:
        raise BadInputError(f"catalogue lacks {', '.join(absent) or 'nothing'} and has undescribed "
                            f"{', '.join(sorted(odd)) or 'nothing'}: rerun notebook 05 and 13")
    names = [*_FIRST, *(n for n in CANDIDATE if n not in _FIRST), *extra,
             *INSPECTION, "inspection_note", "model", "model_sha"]
    columns = []
    for name in names:
        unit, what = {**base, **extra}[name]
        kind, fmt, ucd = _about(name, table[name])
        columns.append(Column(name, unit, _what(name, what), ucd, kind, fmt))
    return columns


def conform(table, columns):
    """Bring a table to its columns' order, types and digits.

    Parameters
    ----------
    table : pandas.DataFrame
    columns : list of Column

    Returns
    -------
    pandas.DataFrame
        Texts without a value are ``""``, numbers NaN. Floats are rounded as the text formats
        print them, so that every format holds the same number.
    """
    types = {"int": np.int64, "bool": bool}
    out = {}
    for column in columns:
        values = table[column.name]
        if column.kind == "str":
            out[column.name] = values.fillna("").astype(str).to_numpy(dtype=object)
        elif column.kind == "float":
            # + 0.0: a rounded -0.0003 must not become -0.000
            out[column.name] = np.array([float(format(v, column.fmt)) + 0.0 for v in values], float)
        else:
            out[column.name] = values.fillna(0).to_numpy().astype(types[column.kind])
    return pd.DataFrame(out)


def dictionary_rows(columns):
    r"""Write the data dictionary as rows of a TeX table.

    Parameters
    ----------
    columns : list of Column

    Returns
    -------
    list of tuple of str
        Name, unit, meaning; neighbours that share nothing but a prefix are not joined: a row a
        column.
    """
    signs = {"&": r"\&", "%": r"\%", "_": r"\_", "<=": "\0", "<": "$<$", ">": "$>$", "\0": r"$\le$",
             " -": " $-$", "log10": r"$\log_{10}$"}
    rows = []
    for column in columns:
        text = column.what
        for sign, tex in signs.items():
            text = text.replace(sign, tex)
        name = column.name.replace("_", r"\_")
        rows.append((rf"\texttt{{{name}}}", column.unit.replace("Angstrom", r"\AA") or r"\nodata",
                     text))
    return rows
