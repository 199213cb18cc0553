"""Which star went on which plate and fibre, when, and how deep: nothing here knows labels."""

from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from cemp.constants import rng
from cemp.mock import astrometry
from cemp.mock.population import apportion


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


def draw_snr(depth, settings, generator):
    """Draw signal-to-noise ratios: half of the variance is the star's, half the visit's.

    Parameters
    ----------
    depth : ndarray, shape (n,)
        The star's part of ln S/N.
    settings : ObservationSettings
    generator : numpy.random.Generator

    Returns
    -------
    ndarray, shape (n,)
    """
    snr, todo = np.zeros(len(depth)), np.arange(len(depth))
    low, high = settings.snr_range
    while todo.size:
        weather = generator.normal(0.0, settings.snr_scatter * np.sqrt(0.5), todo.size)
        snr[todo] = settings.snr_median * np.exp(depth[todo] + weather)
        todo = todo[(snr[todo] < low) | (snr[todo] > high)]
    return snr


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


def spectral_type(teff, generator):
    """Give the pipeline's spectral subclass, good to two tenths of a class.

    Parameters
    ----------
    teff : ndarray, shape (n,)
        [K].
    generator : numpy.random.Generator

    Returns
    -------
    list of str
        ``"F0"`` ... ``"M2"``.
    """
    types = np.interp(-teff, [-7400, -7220, -5930, -5270, -3850, -3400], [9, 10, 20, 30, 40, 44])
    steps = np.round(types + generator.normal(0, 1.5, len(teff))).astype(int)
    return [f"{'AFGKM'[min(s // 10, 4)]}{s % 10}" for s in np.clip(steps, 10, 42)]


def add_headers(observed, stars, rows, generator):
    """Add the columns that name, date and classify an observation.

    Parameters
    ----------
    observed : pandas.DataFrame
        star_key, lmjd, ra, dec and obsid.
    stars : pandas.DataFrame
    rows : ndarray of int
        Row of `stars` of each observation.
    generator : numpy.random.Generator

    Returns
    -------
    pandas.DataFrame
        With cls, subclass, desig, uid, gp_id, obsdate, mjd, fibertype. One repeat in twenty is
        not recognised by the survey as the same source: it has its own uid and gp_id.
    """
    lost = (generator.random(len(observed)) < 0.05) & observed.duplicated("star_key")
    key = observed["star_key"].where(~lost, observed["star_key"] + "x")
    first = observed.groupby(key)["obsid"].transform("min")
    names = {k: f"G{v:014d}" for k, v in zip(key.unique(), generator.choice(
        10**14, key.nunique(), replace=False), strict=True)}  # fmt: skip
    desig = [astrometry.sexagesimal(r, d, "LAMOST ")
             for r, d in zip(observed["ra"], observed["dec"], strict=True)]  # fmt: skip
    day = pd.to_datetime(observed["lmjd"] - 1 - 40587, unit="D")
    classes = stars["cls"].to_numpy()[rows]
    types = np.array(spectral_type(stars["teff"].to_numpy()[rows], generator))
    kind = stars["kind"].to_numpy()[rows]
    types = np.where(kind == "hot", "A1", np.where(classes == "STAR", types, "Non"))
    return observed.assign(
        cls=classes, subclass=types, desig=desig,
        uid=key.map(names), gp_id=first, obsdate=day.dt.strftime("%Y-%m-%d"),
        mjd=observed["lmjd"] - 1, fibertype="Obj")  # fmt: skip


def observe(stars, settings=None, seed=0):
    """Observe the stars that LAMOST sees.

    Parameters
    ----------
    stars : pandas.DataFrame
        From `add_contaminants` of the population; all of its rows get a position, those with
        in_lamost one to four observations.
    settings : ObservationSettings, optional
    seed : int

    Returns
    -------
    stars : pandas.DataFrame
        With ra, dec [degree, epoch 2016], gmag.
    observations : pandas.DataFrame
        Sorted by obsid: obsid, star_key, lmjd, planid, spid, fiberid, ra, dec (input
        catalogue, epoch 2000), rv [km/s], snr_g, z_bad and the columns of `add_headers`.
    """
    settings = settings or ObservationSettings()
    generator = rng("observations", seed)
    n_fields = max(3, round(len(stars) / settings.stars_per_field))
    plates = draw_fields(n_fields, settings, generator)
    stars = place_stars(stars, plates, settings, generator)
    seen = stars[stars["in_lamost"]].reset_index(drop=True)
    rows, visits = draw_visits(seen, settings, generator)
    star = seen.iloc[rows].reset_index(drop=True)
    at = plates.set_index(["field", "visit"]).loc[list(zip(star["field"], visits, strict=True))]
    spid, fiberid = draw_fibres(at["plate"].to_numpy(), generator)
    ra, dec = input_positions(seen, generator)
    observed = pd.DataFrame({
        "obsid": at["plate"].to_numpy() * 100000 + spid * 1000 + fiberid,
        "star_key": star["star_key"], "lmjd": at["lmjd"].to_numpy(),
        "planid": at["planid"].to_numpy(), "spid": spid, "fiberid": fiberid,
        "ra": ra[rows], "dec": dec[rows], "rv": star["rv"] + generator.normal(0, 1, len(rows)),
        "snr_g": draw_snr(star["depth"].to_numpy(), settings, generator),
        "z_bad": generator.random(len(rows)) < settings.no_redshift,
    })  # fmt: skip
    observed = add_headers(observed, seen, rows, generator)
    return stars, observed.sort_values("obsid", ignore_index=True)


def input_positions(stars, generator):
    """Give positions as LAMOST's input catalogue has them: epoch 2000, 0.1 arcsec, 6 digits.

    Parameters
    ----------
    stars : pandas.DataFrame
    generator : numpy.random.Generator

    Returns
    -------
    ra, dec : ndarray, shape (n,)
    """
    ra, dec = astrometry.at_epoch(stars, astrometry.SURVEY_EPOCH)
    return tuple(np.round(x, 6) for x in astrometry.scatter(ra, dec, 0.08, generator))


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
