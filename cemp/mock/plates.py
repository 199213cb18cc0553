"""The mock's plates: fields, visits, positions and fibres of targets, whatever they are."""

from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from cemp.mock import astrometry


@dataclass(frozen=True)
class ObservationSettings:
    """How the mock survey observes.

    Attributes
    ----------
    stars_per_field : int
        A tenth of a real plate's stars is enough to fill several spectrographs.
    visits : int
        Plates of one field: a star can be observed as often.
    repeated : float
        Share of stars observed again, near LAMOST's.
    repeats : tuple of float
        Shares of 1, 2 and 3 further observations among those.
    snr_median, snr_scatter : float
        Lognormal S/N in g; 55% of the spectra reach the 50 that training asks for.
    snr_range : tuple of float
        Everything outside is drawn again.
    radius_deg : float
        Of LAMOST's field of view (5 degrees across), a little less.
    no_redshift : float
        Share of spectra whose pipeline gave no radial velocity (z = -9999).
    contaminants : float
        Galaxies, quasars and A stars per star of the grid, to be rejected.
    kinds : dict of str to float
        Shares among them.
    """

    stars_per_field: int = 150
    visits: int = 4
    repeated: float = 0.25
    repeats: tuple = (0.80, 0.15, 0.05)
    snr_median: float = 54.0
    snr_scatter: float = 0.85
    snr_range: tuple = (5.0, 300.0)
    radius_deg: float = 2.3
    no_redshift: float = 0.004
    contaminants: float = 0.007
    kinds: dict = field(default_factory=lambda: {"GALAXY": 0.55, "QSO": 0.15, "hot": 0.30})


def draw_fields(n, settings, generator):
    """Draw the plates: fields on the northern sky, each visited several times.

    Parameters
    ----------
    n : int
        Number of fields.
    settings : ObservationSettings
    generator : numpy.random.Generator

    Returns
    -------
    pandas.DataFrame
        One row a plate in order of date: field, visit, centre_ra, centre_dec, lmjd, planid,
        plate (running number, part of the obsid).
    """
    ra = generator.uniform(0, 360, n)
    dec = np.degrees(np.arcsin(generator.uniform(np.sin(-0.1), np.sin(1.0), n)))
    plates = pd.MultiIndex.from_product([range(n), range(settings.visits)]).to_frame(index=False)
    plates.columns = ["field", "visit"]
    plates["centre_ra"], plates["centre_dec"] = ra[plates["field"]], dec[plates["field"]]
    plates["lmjd"] = generator.choice(np.arange(55860, 60090), len(plates), replace=False)
    plates = plates.sort_values("lmjd", ignore_index=True)
    numbers = generator.choice(np.arange(100, 9900), len(plates), replace=False)
    plates["plate"] = np.sort(numbers)
    plates["planid"] = [plan_name(p.centre_ra, p.centre_dec, p.visit) for p in plates.itertuples()]
    return plates


def plan_name(ra, dec, visit):
    """Name a plan as LAMOST does: ``HD103621N361936B01``.

    Parameters
    ----------
    ra, dec : float
        Centre of the field [degree].
    visit : int

    Returns
    -------
    str
    """
    name = astrometry.sexagesimal(ra, dec, digits=1)[1:].replace("-", "S").replace("+", "N")
    hours, degrees = (part.split(".")[0] for part in name.replace("S", "N").split("N"))
    return f"HD{hours}{'S' if dec < 0 else 'N'}{degrees}B{visit + 1:02d}"


def place_stars(stars, plates, settings, generator):
    """Give stars a field, a position in it and a brightness, whatever they are.

    Parameters
    ----------
    stars : pandas.DataFrame, n rows
    plates : pandas.DataFrame
        From `draw_fields`.
    settings : ObservationSettings
    generator : numpy.random.Generator

    Returns
    -------
    pandas.DataFrame
        A copy with field, ra, dec [degree, epoch 2016], depth (the star's part of ln S/N) and
        gmag [mag], which follows depth and nothing else.
    """
    n = len(stars)
    centres = plates.drop_duplicates("field").set_index("field")
    stars = stars.assign(field=generator.integers(0, len(centres), n))
    radius = settings.radius_deg * np.sqrt(generator.random(n)) * 3600
    angle = generator.uniform(0, 2 * np.pi, n)
    centre = centres.loc[stars["field"]]
    stars["ra"], stars["dec"] = astrometry.offset(
        centre["centre_ra"], centre["centre_dec"], radius * np.cos(angle), radius * np.sin(angle)
    )
    stars["depth"] = generator.normal(0.0, settings.snr_scatter * np.sqrt(0.5), n)
    gmag = 14.6 - 1.8 * stars["depth"] + generator.normal(0.0, 0.4, n)
    stars["gmag"] = np.clip(gmag, 10.5, 18.4)
    return stars.reset_index(drop=True)


def draw_visits(stars, settings, generator):
    """Decide which of its field's plates a star is on.

    Parameters
    ----------
    stars : pandas.DataFrame
        With field.
    settings : ObservationSettings
    generator : numpy.random.Generator

    Returns
    -------
    rows : ndarray of int, shape (n_observation,)
        Positions in `stars`; 1 to 4 times each.
    visits : ndarray of int, shape (n_observation,)
        Different for the observations of one star.
    """
    n = len(stars)
    again = generator.random(n) < settings.repeated
    extra = generator.choice([1, 2, 3], n, p=settings.repeats)
    times = 1 + np.where(again, extra, 0)
    order = np.argsort(generator.random((n, settings.visits)), axis=1)
    taken = np.arange(settings.visits) < times[:, None]
    rows = np.repeat(np.arange(n), times)
    return rows, order[taken]


def draw_fibres(plate, generator):
    """Put the targets of each plate on different fibres of its 16 spectrographs.

    Parameters
    ----------
    plate : ndarray of int, shape (n,)
    generator : numpy.random.Generator

    Returns
    -------
    spid, fiberid : ndarray of int, shape (n,)
        1-16 and 1-250.
    """
    fibre = np.zeros(len(plate), dtype=int)
    for one in np.unique(plate):
        here = np.flatnonzero(plate == one)
        fibre[here] = generator.choice(4000, here.size, replace=False)
    return fibre // 250 + 1, fibre % 250 + 1
