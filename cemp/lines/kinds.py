"""What the lines say an object is: the signatures of what is no metal-poor FGK star."""

import numpy as np

from cemp.lines.carbon import ALL
from cemp.lines.fit import is_enhanced

KINDS = ("star", "carbon star", "M dwarf", "hot", "emission", "no lines")
#: Emission that counts in H alpha or H beta [Angstrom of equivalent width], at 3 sigma.
EMISSION = -0.5
#: TiO5 as a magnitude from which an object is an M star: a flux ratio of 0.8, of M0 to M1 dwarfs
#: (Reid, Hawley & Gizis 1995, AJ 110, 1838: TiO5 = 1 at K7, falling by about 0.1 a subclass).
TIO = 0.24
#: [Fe/H] above which a carbon-rich star is no CEMP star.
IRON = -2.0


def hottest(table):
    """Largest H beta index [Angstrom] of the library: more belongs to a hotter star.

    Parameters
    ----------
    table : cemp.lines.carbon.BandTable

    Returns
    -------
    float
    """
    values = table.table_.values[..., list(ALL).index("hbeta")]
    return float(np.max(values))


def classify(measured, errors, table, zero, labels, fitted):
    """Name the kind of each object by its lines.

    Parameters
    ----------
    measured, errors : ndarray, shape (n, n_band)
        All bands (`cemp.lines.carbon.measure`).
    table : cemp.lines.carbon.BandTable
    zero : cemp.lines.carbon.Zero
    labels : ndarray, shape (n, 3 or more)
        Teff, log g, [Fe/H]; only the first two are used, for the calcium of a star with
        [Fe/H] = `IRON`.
    fitted : pandas.DataFrame
        From `cemp.lines.fit.fit`.

    Returns
    -------
    ndarray of str, shape (n,)
        The last of `KINDS` that holds, in the order: ``star``; ``carbon star``, more than normal
        carbon with a Ca K line stronger than at [Fe/H] = -2; ``M dwarf``, TiO; ``hot``, H beta
        beyond the library's; ``emission``, in H alpha or H beta; ``no lines``, none could be
        measured.

    Notes
    -----
    TiO cannot tell a giant from a dwarf; white dwarfs of type DA come out as ``hot``, of other
    types as ``star`` without carbon.
    """
    value = dict(zip(ALL, np.asarray(measured).T, strict=True))
    error = dict(zip(ALL, np.asarray(errors).T, strict=True))
    iron = np.array(labels, dtype=float)[:, :3]
    iron[:, 2] = IRON
    k = list(ALL).index("ca_k")
    carbon = np.clip(np.nan_to_num(fitted["lines_c_fe"].to_numpy()), table.settings.c_fe[0], 2.0)
    limit = table.predict(iron, carbon)[:, k] + zero.offset[k]
    n_sigma = table.settings.n_sigma
    noise = n_sigma * np.hypot(error["ca_k"], zero.floor[k])
    with np.errstate(invalid="ignore"):
        conditions = {
            "carbon star": is_enhanced(fitted, table.settings) & (value["ca_k"] - noise > limit),
            "M dwarf": value["tio5"] - n_sigma * error["tio5"] > TIO,
            "hot": value["hbeta"] - n_sigma * error["hbeta"] > hottest(table),
            "emission": np.any([value[b] + n_sigma * error[b] < EMISSION
                                for b in ("halpha", "hbeta")], axis=0),
            "no lines": np.isnan(np.column_stack(list(value.values()))).all(axis=1),
        }  # fmt: skip
    kind = np.full(len(iron), KINDS[0], dtype="U11")
    for name, found in conditions.items():
        kind[found] = name
    return kind
