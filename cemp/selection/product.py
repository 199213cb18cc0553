"""Simulate the sets of stars, put them through network and recipe, and keep what comes out.

``python -m cemp.selection.product --profile demo`` makes ``cemp/data/selection/simulated.npz``: a
quarter of an hour on one core, part by part, to be stopped and gone on with at any time.
"""

import argparse
import json
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from cemp.atomic import atomic_path
from cemp.candidates import stars as star_tables
from cemp.candidates.errors import ResidualCovariance
from cemp.candidates.probability import probabilities
from cemp.constants import SEED
from cemp.errors import BadInputError
from cemp.models.io import load_model, versions
from cemp.models.predict import predict
from cemp.paths import ROOT, Paths
from cemp.selection import rates
from cemp.selection.domain import fit_domain, outside_flags
from cemp.selection.function import SelectionFunction, halves
from cemp.selection.recipe import Recipe, carbon_coverage
from cemp.selection.sets import SIZES, STRANGE, draw_set
from cemp.selection.simulate import Maker, Nights, generator, realise
from cemp.synthesis.grid import grid_hash
from cemp.vectors import open_vectors

#: The committed product.
SHIPPED = ROOT / "cemp" / "data" / "selection"
#: Stars of a part.
PART = 500
#: Sets that the selection function is fitted to.
FITTED = ("function", "cemp", "carbon_rich")
#: Spectra with a smaller P(CEMP) are not looked at any further: no recipe selects them.
P_FLOOR = 0.2
#: Column -> (offset, step, integer type) of the product.
CODES = {
    "true_teff": (3800.0, 15.0, np.uint8), "true_logg": (0.0, 0.02, np.uint8),
    "true_fe_h": (-4.0, 0.02, np.uint8), "true_c_fe": (-1.0, 0.02, np.uint8),
    "weight": (0.0, 0.01, np.uint8), "p_cemp": (0.0, 1e-4, np.uint16),
    "teff": (3800.0, 15.0, np.uint8), "ln_snr": (-1.0, 0.03, np.uint8),
    "carbon_good": (0.0, 0.005, np.uint8), "gband_good": (0.0, 0.005, np.uint8),
    "outside_score": (-1.0, 0.05, np.uint8),
}  # fmt: skip
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
        observations = pd.read_parquet(build / "01" / "observations.parquet")
        predictions = pd.read_parquet(build / "04" / "predictions.parquet").drop(
            columns="snrg", errors="ignore")
        predictions = predictions.join(observations.set_index("obsid")["snrg"], on="obsid")
        nights = Nights.read(store, predictions[predictions["fold"] == "search"])
        library = Maker.of("library", cache) if domain else None
        fitted = fit_domain(store, observations, model, library) if domain else None
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


def simulate_in_parts(paths, seed=SEED, minutes=np.inf, log=print):
    """Simulate `SIZES` part by part; parts of this network that are on disk are kept.

    Parameters
    ----------
    paths : cemp.paths.Paths
    seed : int
    minutes : float
        Stop after the part in which this time has passed.
    log : callable

    Returns
    -------
    pandas.DataFrame or None
        As of `simulate`; None if stopped.
    """
    key = f"{network_hash(paths)[:8]}-{seed}"
    folder, started, bench, tables = paths.build / "selection" / key, time.monotonic(), None, []
    for name, (n_star, n_noise) in SIZES.items():
        stars = None
        for part, first in enumerate(range(0, n_star, PART)):
            path = folder / f"{name}-{n_star}x{n_noise}-{part:03d}.parquet"
            if not path.is_file():
                if time.monotonic() - started > 60 * minutes:
                    return log(f"stopped before {path.stem}; run again to go on")
                bench = bench or Bench.of(paths)
                stars = draw_set(name, n_star, seed) if stars is None else stars
                chosen = stars.iloc[first : first + PART]
                table = run_part(bench, name, chosen, part, n_noise, seed)
                with atomic_path(path) as temporary:
                    table.to_parquet(temporary)
                log(f"{path.stem}: {time.monotonic() - started:.0f} s")
            table = pd.read_parquet(path)
            tables.append(table.assign(set=name, star=table["star"] + first))
    table = pd.concat(tables, ignore_index=True)
    return table.assign(outside_reconstruction=~(table["outside_score"] <= 1.0))


def network_hash(paths):
    """Tell which network a profile has trained: SHA-256 of its weights."""
    return json.loads((paths.build / "03" / "macrn.json").read_text())["weights_sha256"]


def write_product(table, folder, about):
    """Write rows as small integers; `read_product` gives them back to half a step.

    Parameters
    ----------
    table : pandas.DataFrame
        From `simulate`.
    folder : str or pathlib.Path
        Gets ``simulated.npz`` and ``simulated.json``.
    about : dict
        Provenance.
    """
    table = table.assign(ln_snr=np.log(np.maximum(table["snrg"], 0.5)),
                         teff=table["teff"].where(table["p_cemp"] > P_FLOOR))  # fmt: skip
    table = table.sort_values(["set", "star"], kind="stable")
    stars = table.drop_duplicates(["set", "star"])
    names = sorted(table["set"].unique())
    arrays = {"stars": stars["set"].map(names.index).to_numpy(np.uint8),
              "noise": table.groupby(["set", "star"]).size().to_numpy(np.uint8)}
    for column, (offset, step, kind) in CODES.items():
        source = stars if column in STAR_COLUMNS else table
        code = np.round((source[column].to_numpy(dtype=float) - offset) / step)
        top = np.iinfo(kind).max
        # The largest code stands for a missing value.
        arrays[column] = np.where(np.isfinite(code), np.clip(code, 0, top - 1), top).astype(kind)
    with atomic_path(Path(folder) / "simulated.npz") as path, open(path, "wb") as stream:
        np.savez_compressed(stream, **arrays)
    with atomic_path(Path(folder) / "simulated.json") as path:
        path.write_text(json.dumps(about | {"sets": names}, indent=1) + "\n")


def read_product(folder=SHIPPED):
    """Read simulated stars.

    Parameters
    ----------
    folder : str or pathlib.Path

    Returns
    -------
    table : pandas.DataFrame
        One row a spectrum: set, star, true_teff, true_logg, true_fe_h, true_c_fe, weight, p_cemp,
        teff (predicted; NaN where P(CEMP) is below `P_FLOOR`), snrg, carbon_good, gband_good,
        outside_score and outside_reconstruction (score above 1).
    about : dict
        Provenance.

    Raises
    ------
    BadInputError
        If the files are not there.
    """
    try:
        about = json.loads((Path(folder) / "simulated.json").read_text())
        with np.load(Path(folder) / "simulated.npz") as stored:
            arrays = dict(stored)
    except (OSError, ValueError) as error:
        raise BadInputError(
            f"{folder}: no simulated.npz ({error}); run python -m cemp.selection.product"
        ) from error
    number = np.repeat(np.arange(len(arrays["stars"])), arrays["noise"])
    table = pd.DataFrame({"set": np.array(about["sets"])[arrays["stars"]][number], "star": number})
    for column, (offset, step, kind) in CODES.items():
        code = arrays[column].astype(float)
        value = np.where(code == np.iinfo(kind).max, np.nan, offset + step * code)
        table[column] = value[number] if column in STAR_COLUMNS else value
    table["snrg"] = np.exp(table.pop("ln_snr"))
    table["outside_reconstruction"] = ~(table["outside_score"] <= 1.0)
    return table, about


def main(arguments=None):
    """Run the command; see the head of this module."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--profile", default="demo")
    parser.add_argument("--minutes", type=float, default=np.inf, help="stop after this time")
    parser.add_argument("--out", default=str(SHIPPED))
    settings = parser.parse_args(arguments)
    torch.set_num_threads(1)
    paths = Paths(settings.profile)
    table = simulate_in_parts(paths, minutes=settings.minutes)
    if table is None:
        return
    recipe = Recipe.from_json(paths.build / "05" / "recipe.json")
    about = {"made_by": f"python -m cemp.selection.product --profile {settings.profile}",
             "profile": settings.profile, "seed": SEED, "weights_sha256": network_hash(paths),
             "grid": grid_hash(), "versions": versions(), "p_floor": P_FLOOR,
             "recipe": asdict(recipe)}  # fmt: skip
    write_product(table, settings.out, about)
    fit_function(settings.out)


def fit_function(folder=SHIPPED):
    """Fit the selection function to a product, with the recipe that the product names.

    Parameters
    ----------
    folder : str or pathlib.Path
        Of the product; gets ``function.json``.

    Returns
    -------
    function : cemp.selection.function.SelectionFunction
    judge : pandas.DataFrame
        Simulated spectra that it was not fitted to.
    """
    table, about = read_product(folder)
    recipe = Recipe(**about["recipe"] | {"exclude": tuple(about["recipe"]["exclude"])})
    fit, judge = halves(rates.choose(table[table["set"].isin(FITTED)], recipe, about["p_floor"]))
    function = SelectionFunction().fit(fit, {k: about[k] for k in ("recipe", "weights_sha256")})
    function.to_json(Path(folder) / "function.json")
    return function, judge


if __name__ == "__main__":
    main()
