"""MACRN that learns from the synthetic library too: what template matching is told, learned.

Template matching knows the physics: its templates are the library half of the grid. A network
that sees survey spectra alone has to find the carbon bands of rare stars from a few dozen of
them. Beside the survey's spectra this one learns from spectra of the same library, with the
errors of observed ones, so that the two differ in how they read a spectrum and not in what they
have been shown.
"""

import numpy as np

from cemp.constants import LABELS, rng
from cemp.methods.adapters import as_sample
from cemp.methods.gan_use import join, survey_like
from cemp.methods.template.library import look_up
from cemp.methods.tuned import TunedMacrnMethod
from cemp.paths import ROOT
from cemp.synthesis.emulator import load_emulator
from cemp.transfer.trainset import draw_labels

#: Resolving powers at 5500 Angstrom between which library spectra are spread: LAMOST's fibres.
POWERS = (1600.0, 1700.0, 1800.0, 1900.0, 2000.0)
_TEFF = LABELS.index("teff")


def draw_stars(n, limits, random):
    """Draw stars over the library, along the giant branch and main sequence and between.

    Parameters
    ----------
    n : int
    limits : {"grid", "paper", "cut"}
        Borders (`cemp.methods.template.library.look_up`).
    random : numpy.random.Generator

    Returns
    -------
    ndarray (n, 6)
        Teff [K], log g, [Fe/H], [C/Fe], [alpha/Fe], [N/Fe].
    """
    low, high = np.array([look_up(limits)[k] for k in ("teff", "logg", "fe_h", "c_fe")]).T
    stars = []
    while len(stars) < n:
        star = draw_labels(random)
        if np.all((low <= star[:4]) & (star[:4] <= high)):
            stars.append(star)
    return np.array(stars)


class InformedMacrnMethod(TunedMacrnMethod):
    """The tuned MACRN, trained on the survey's spectra and on the library's.

    Parameters
    ----------
    n_library : int
        Library spectra that are added.
    limits : {"grid", "paper", "cut"}
        Where in the library they lie.
    epochs : int
        Fewer than without library: each is longer.
    emulator : cemp.synthesis.emulator.Emulator, optional
        Of the library half.
    **settings
        As of `TunedMacrnMethod`.
    """

    name = "MACRN, with library"
    TRIALS = (
        {},
        {"n_library": 1000},
        {"n_library": 6000, "epochs": 12},
        {"epochs": 30},
        {"settings": {"huber": 0.25}},
        {"settings": {"batch": 16, "learning_rate": 3e-3}},
    )

    def __init__(self, n_library=3000, limits="grid", epochs=18, emulator=None, **settings):
        super().__init__(epochs=epochs, **settings)
        self.n_library, self.limits, self.emulator = n_library, limits, emulator

    def fit(self, spectra, labels, validation=None):
        """Train on both; the epoch that is kept is the best of `validation`, which is observed."""
        observed = as_sample(spectra, labels)
        known = np.isfinite(observed.labels[:, _TEFF])
        donors = as_sample(spectra, labels, known)
        random = rng("methods informed", self.seed)
        emulator = self.emulator or load_emulator("library", cache=ROOT / "build" / "emulator")
        stars = draw_stars(self.n_library, self.limits, random)
        made = survey_like(stars, donors, donors.labels[:, _TEFF], emulator, random, POWERS)
        both = join(observed, made)
        return super().fit(both, both.labels, validation)
