"""What a survey of stars observes beside FGK stars."""

import numpy as np
import pandas as pd

from cemp.constants import rng
from cemp.mock.plates import ObservationSettings
from cemp.mock.population import apportion


def add_contaminants(stars, settings=None, seed=0):
    """Add what a survey of stars observes beside FGK stars.

    Parameters
    ----------
    stars : pandas.DataFrame
        From `cemp.mock.population.draw_population`.
    settings : ObservationSettings, optional
    seed : int

    Returns
    -------
    pandas.DataFrame
        With kind (``"star"``, ``"GALAXY"``, ``"QSO"``, ``"hot"``) and cls, the survey's class.
        Contaminants have group ``contaminant``; their labels mean nothing, and the truth
        gives none.
    """
    settings = settings or ObservationSettings()
    generator = rng("contaminants", seed)
    n = max(4, round(settings.contaminants * stars["in_lamost"].sum()))
    kind = np.repeat(list(settings.kinds), list(apportion(n, settings.kinds).values()))
    disc = stars[(stars["component"] == "disc") & stars["in_lamost"]]
    others = disc.sample(n, random_state=generator).reset_index(drop=True)
    others = others.assign(
        star_key=[f"{key}0" for key in others["star_key"]], group="contaminant",
        component="contaminant", in_apogee=False, in_subaru=False, in_saga=False, is_cemp=False,
        pmra=0.0, pmdec=0.0, gaia_source_id=0, kind=kind,
        cls=np.where(kind == "hot", "STAR", kind))  # fmt: skip
    both = pd.concat([stars.assign(kind="star", cls="STAR"), others], ignore_index=True)
    return both.sample(frac=1.0, random_state=generator).reset_index(drop=True)
