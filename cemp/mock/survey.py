"""The whole mock survey: stars, spectra, catalogues, and the truth apart from them."""

import hashlib
import json
import shutil
from dataclasses import asdict, dataclass, field
from pathlib import Path

import pandas as pd

from cemp.atomic import atomic_path
from cemp.constants import SEED
from cemp.mock.apogee_table import ApogeeSettings, apogee_table, write_apogee
from cemp.mock.contaminants import add_contaminants
from cemp.mock.lamost_catalogue import lamost_table, write_lamost
from cemp.mock.observations import observe
from cemp.mock.plates import ObservationSettings
from cemp.mock.population import PopulationSettings, draw_population
from cemp.mock.saga_table import saga_table, write_saga
from cemp.mock.subaru_table import subaru_table, write_subaru
from cemp.synthesis.grid import grid_hash

#: Files of the survey, under ``build/<profile>/survey``.
SPECTRA = "spectra"
LAMOST = "dr11_v1.1_LRS_stellar.fits.gz"
APOGEE = "allStarLite-dr17-synspec_rev1.fits"
SUBARU = "lamost_subaru"
SAGA = "saga.tsv"

#: Modules of this package that only look at a written survey.
ONLOOKERS = ("summary.py", "example.py", "natural.py", "twins.py", "likeness.py", "sharpness.py",
             "realism.py", "realism_report.py")

#: Columns of the truth.
STAR_TRUTH = ["star_key", "teff", "logg", "fe_h", "c_fe", "c_h", "alpha_fe", "n_fe", "is_cemp",
              "group", "component", "in_apogee", "in_subaru", "in_saga", "ra", "dec", "pmra",
              "pmdec", "gaia_source_id", "ebv", "gmag", "kind"]  # fmt: skip
OBSERVATION_TRUTH = ["obsid", "star_key", "rv", "r_1800", "snr_true", "z_bad"]


@dataclass(frozen=True)
class SurveySettings:
    """All that decides the mock survey.

    Attributes
    ----------
    population : PopulationSettings
    observations : ObservationSettings
    apogee : ApogeeSettings
    seed : int
        One seed; each step derives its own stream from it.
    """

    population: PopulationSettings = field(default_factory=PopulationSettings)
    observations: ObservationSettings = field(default_factory=ObservationSettings)
    apogee: ApogeeSettings = field(default_factory=ApogeeSettings)
    seed: int = SEED

    @classmethod
    def scaled(cls, n_stars, seed=SEED):
        """Give the paper's settings for another number of stars."""
        return cls(population=PopulationSettings(n_stars=n_stars), seed=seed)


def fingerprint(settings):
    """Describe what a survey is made from: settings, this package's code, the grid.

    Parameters
    ----------
    settings : SurveySettings

    Returns
    -------
    dict
        JSON-able; equal fingerprints mean equal surveys.
    """
    code, here = hashlib.sha256(), Path(__file__).parent
    modules = sorted([*here.glob("*.py"), *(here.parent / "synthesis").glob("*.py")])
    for path in (m for m in modules if m.name not in ONLOOKERS):
        code.update(path.read_bytes())
    code.update(grid_hash().encode())
    return {"settings": json.loads(json.dumps(asdict(settings), default=str, skipkeys=True)),
            "shared": str(settings.population.shared), "code": code.hexdigest()}  # fmt: skip


def draw_survey(settings):
    """Draw stars and observations, without any spectrum.

    Parameters
    ----------
    settings : SurveySettings

    Returns
    -------
    stars, observations : pandas.DataFrame
        As of `cemp.mock.observations.observe`.
    """
    stars = draw_population(settings.population, settings.seed)
    stars = add_contaminants(stars, settings.observations, settings.seed)
    return observe(stars, settings.observations, settings.seed)


def write_catalogues(stars, observations, settings, folder):
    """Write the catalogues that a user of the real surveys would fetch.

    Parameters
    ----------
    stars, observations : pandas.DataFrame
        The observations with what was measured on the written spectra.
    settings : SurveySettings
    folder : pathlib.Path
    """
    write_lamost(lamost_table(stars, observations, settings.seed), folder / LAMOST)
    write_apogee(apogee_table(stars, settings.apogee, settings.seed), folder / APOGEE)
    write_subaru(subaru_table(stars, settings.seed), folder / SUBARU)
    write_saga(saga_table(stars, settings.seed), folder / SAGA)


def truth_tables(stars, observations):
    """Choose what the truth holds: the stars that have spectra, and their observations.

    Parameters
    ----------
    stars, observations : pandas.DataFrame

    Returns
    -------
    stars, observations : pandas.DataFrame
        Contaminants are there without labels.
    """
    seen = stars[stars["in_lamost"]].sort_values("star_key", ignore_index=True)[STAR_TRUTH].copy()
    labels = ["teff", "logg", "fe_h", "c_fe", "c_h", "alpha_fe", "n_fe"]
    seen.loc[seen["kind"] != "star", labels] = float("nan")
    observed = observations.rename(columns={"snr_g": "snr_true"})
    return seen, observed[OBSERVATION_TRUTH].sort_values("obsid", ignore_index=True)


def prepare(paths, stamp):
    """Clear what another version left; keep what an interrupted run of this one wrote.

    Parameters
    ----------
    paths : cemp.paths.Paths
    stamp : dict
        From `fingerprint`.

    Returns
    -------
    bool
        True if the survey is complete already.
    """
    made_from = paths.truth / "made_from.json"
    same = made_from.is_file() and json.loads(made_from.read_text()) == stamp
    if same and (paths.truth / "observations.parquet").is_file():
        return True
    if not same:
        for folder in (paths.survey, paths.truth):
            shutil.rmtree(folder, ignore_errors=True)
        with atomic_path(made_from) as path:
            path.write_text(json.dumps(stamp, indent=1))
    return False


def make_survey(settings, paths, n_jobs=1):
    """Write the mock survey, or find it written.

    Parameters
    ----------
    settings : SurveySettings
    paths : cemp.paths.Paths
        ``survey/`` gets spectra and catalogues, ``truth/`` what they were made from - last,
        so that a truth means a complete survey.
    n_jobs : int
        Processes that write spectra.

    Returns
    -------
    stars, observations : pandas.DataFrame
        The truth.
    """
    from cemp.mock.spectra import write_spectra

    stamp = fingerprint(settings)
    if not prepare(paths, stamp):
        stars, observations = draw_survey(settings)
        observations = write_spectra(
            stars, observations, paths.survey / SPECTRA, settings.seed, n_jobs
        )
        write_catalogues(stars, observations, settings, paths.survey)
        tables = zip(("stars", "observations"), truth_tables(stars, observations), strict=True)
        for name, table in tables:
            with atomic_path(paths.truth / f"{name}.parquet") as path:
                table.to_parquet(path, index=False)
    return tuple(pd.read_parquet(paths.truth / f"{n}.parquet") for n in ("stars", "observations"))
