"""All that a simulated spectrum goes through, from labels to the flags of the recipe."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from cemp.candidates import stars as star_tables
from cemp.candidates.errors import ResidualCovariance
from cemp.candidates.probability import probabilities
from cemp.constants import LABELS, SEED
from cemp.models.io import load_model
from cemp.models.predict import predict
from cemp.rows import join_rows, read_rows
from cemp.selection.domain import fit_domain, outside_flags
from cemp.selection.recipe import carbon_coverage
from cemp.selection.sets import STRANGE, draw_set
from cemp.selection.simulate import Maker, Nights, generator, realise
from cemp.vectors import open_vectors

#: Stars of a part.
PART = 500
#: Spectra with a smaller P(CEMP) are not looked at any further: no recipe selects them.
P_FLOOR = 0.2
#: Columns that the observations of a star share.
STAR_COLUMNS = ("true_teff", "true_logg", "true_fe_h", "true_c_fe", "weight")


@dataclass(frozen=True)
class Bench:
    """All that a simulated spectrum goes through.

    Parameters
    ----------
    maker : cemp.selection.simulate.Maker
    nights : cemp.selection.simulate.Nights
        Observations of the search sample.
    model : cemp.models.macrn.Macrn
    errors : cemp.candidates.errors.ResidualCovariance
    domain : cemp.transfer.outside.Domain
    """

    maker: object
    nights: object
    model: object
    errors: object
    domain: object

    @classmethod
    def of(cls, paths, domain=True):
        """Take network, errors and observations of a profile.

        Parameters
        ----------
        paths : cemp.paths.Paths
            Stages 01-04 have run; the errors are those of 05 if it wrote them.
        domain : bool
            False leaves the domain out, and with it the flags.

        Returns
        -------
        Bench
        """
        build, cache = paths.build, paths.root / "build" / "emulator"
        store, model = open_vectors(build / "02" / "vectors"), load_model(build / "03")
        table = build / "01" / "observations.parquet"
        nights = Nights.read(store, read_predictions(build, ["search"], ("obsid", "teff")))
        predictions = read_predictions(build, ["validation", "test"])
        library = Maker.of("library", cache) if domain else None
        labels = pd.read_parquet(build / "01" / "labels.parquet")
        training = read_rows(table, ["obsid", "star_id", "fold", "snrg"], ["train"])
        fitted = fit_domain(store, training, labels, model, library) if domain else None
        return cls(Maker.of("mock", cache), nights, model, read_errors(build, predictions), fitted)

    def judge(self, flux, ivar, good, snrg):
        """Carry vectors through network, errors, P(CEMP) and flags.

        Parameters
        ----------
        flux, ivar, good : ndarray, shape (n, n_pix)
        snrg : ndarray, shape (n,)

        Returns
        -------
        pandas.DataFrame
            Predicted labels, p_cemp, snrg, carbon_good, gband_good, outside_score; the last is 0
            below `P_FLOOR`, where nobody looked.
        """
        labels = predict(self.model, flux, good)
        covariance = self.errors.predict(labels, snrg)
        p = probabilities(labels[:, 2], labels[:, 3] - labels[:, 2], covariance)["p_cemp"]
        table = pd.DataFrame(labels, columns=["teff", "logg", "fe_h", "c_h"])
        table = table.assign(p_cemp=p, snrg=snrg, outside_score=0.0).join(carbon_coverage(good))
        look = (p > P_FLOOR) & (self.domain is not None)
        if look.any():
            flags = outside_flags(self.domain, flux[look], ivar[look], good[look], labels[look])
            table.loc[look, "outside_score"] = flags["outside_score"].fillna(np.inf).to_numpy()
        return table


def read_predictions(build, folds, columns=("obsid", "star_id", "fold", *LABELS)):
    """Read predictions of some folds with the S/N of their spectra.

    Parameters
    ----------
    build : pathlib.Path
        Folder of a profile.
    folds : list of str
    columns : sequence of str
        Of ``04/predictions.parquet``, ``obsid`` among them.

    Returns
    -------
    pandas.DataFrame
        These columns and snrg.
    """
    about = read_rows(build / "01" / "observations.parquet", ["obsid", "snrg"], folds)
    table = read_rows(build / "04" / "predictions.parquet", list(columns), folds)
    return join_rows(table, about, ["snrg"])


def read_errors(build, predictions):
    """Read the error model that 05 wrote, or fit it as 05 does.

    Parameters
    ----------
    build : pathlib.Path
        Folder of a profile.
    predictions : pandas.DataFrame
        Of stage 04, with snrg.

    Returns
    -------
    cemp.candidates.errors.ResidualCovariance
    """
    if (build / "05" / "errors.json").is_file():
        return ResidualCovariance.from_json(build / "05" / "errors.json")
    labels = pd.read_parquet(build / "01" / "labels.parquet")
    return star_tables.fit_errors(star_tables.held_out(predictions, labels))


def run_part(bench, name, stars, part, n_noise, seed=SEED):
    """Simulate and judge some stars of a set.

    Parameters
    ----------
    bench : Bench
    name : str
        The set.
    stars : pandas.DataFrame
        From `cemp.selection.sets.draw_set`, n rows.
    part : int
        Which part of the set it is; seeds the noise.
    n_noise : int
        Observations of each star.
    seed : int

    Returns
    -------
    pandas.DataFrame
        n * n_noise rows, star by star within an observation: star (position in `stars`), true_
        labels, weight, and the columns of `Bench.judge`.
    """
    random = generator(name, part, seed)
    native = (bench.maker.strange(name, len(stars), random) if name in STRANGE
              else bench.maker.stars(stars, random))  # fmt: skip
    names = {name: name.removeprefix("true_") for name in STAR_COLUMNS}
    truth = pd.DataFrame({name: stars[column].to_numpy() for name, column in names.items()})
    truth["star"] = np.arange(len(stars))
    parts = []
    for _ in range(n_noise):
        rows = bench.nights.draw(stars["teff"], random)
        vectors = realise(native, bench.nights, rows, random, bench.maker.telescope)
        parts.append(truth.join(bench.judge(*vectors, bench.nights.snrg[rows])))
    return pd.concat(parts, ignore_index=True)


def simulate(bench, sizes, seed=SEED):
    """Simulate sets in memory.

    Parameters
    ----------
    bench : Bench
    sizes : dict of str to (int, int)
        Set to its number of stars and observations of each.
    seed : int

    Returns
    -------
    pandas.DataFrame
        As of `run_part`, with the name of the ``set``, star numbers of the set, and
        outside_reconstruction (score above 1).
    """
    tables = []
    for name, (n_star, n_noise) in sizes.items():
        stars = draw_set(name, n_star, seed)
        for part, first in enumerate(range(0, n_star, PART)):
            table = run_part(bench, name, stars.iloc[first : first + PART], part, n_noise, seed)
            tables.append(table.assign(set=name, star=table["star"] + first))
    table = pd.concat(tables, ignore_index=True)
    return table.assign(outside_reconstruction=~(table["outside_score"] <= 1.0))
