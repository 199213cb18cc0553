"""Simulate the sets of stars, put them through network and recipe, and keep what comes out.

``python -m cemp.selection.product --profile demo`` makes ``cemp/data/selection/simulated.npz``: a
quarter of an hour on one core, part by part, to be stopped and gone on with at any time.
"""

import argparse
import json
import time
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from cemp.atomic import atomic_path
from cemp.constants import SEED
from cemp.errors import BadInputError
from cemp.models.io import versions
from cemp.paths import ROOT, Paths
from cemp.selection import rates
from cemp.selection.bench import P_FLOOR, PART, STAR_COLUMNS, Bench, run_part
from cemp.selection.function import SelectionFunction, halves
from cemp.selection.origin import digest, ingredients
from cemp.selection.recipe import Recipe
from cemp.selection.sets import SIZES, draw_set

#: The committed product.
SHIPPED = ROOT / "cemp" / "data" / "selection"
#: Sets that the selection function is fitted to.
FITTED = ("function", "cemp", "carbon_rich")
#: Column -> (offset, step, integer type) of the product.
CODES = {
    "true_teff": (3800.0, 15.0, np.uint8), "true_logg": (0.0, 0.02, np.uint8),
    "true_fe_h": (-4.0, 0.02, np.uint8), "true_c_fe": (-1.0, 0.02, np.uint8),
    "weight": (0.0, 1e-4, np.uint16), "p_cemp": (0.0, 1e-4, np.uint16),
    "teff": (3800.0, 15.0, np.uint8), "ln_snr": (-1.0, 0.03, np.uint8),
    "carbon_good": (0.0, 0.005, np.uint8), "gband_good": (0.0, 0.005, np.uint8),
    "outside_score": (-1.0, 0.05, np.uint8),
}  # fmt: skip


def simulate_in_parts(bench, folder, seed=SEED, minutes=np.inf, log=print):
    """Simulate `SIZES` part by part; parts that are on disk are kept.

    Parameters
    ----------
    bench : cemp.selection.bench.Bench
    folder : pathlib.Path
        For the parts: one for each bench and seed.
    seed : int
    minutes : float
        Stop after the part in which this time has passed.
    log : callable

    Returns
    -------
    pandas.DataFrame or None
        As of `cemp.selection.bench.simulate`; None if stopped.
    """
    started, tables = time.monotonic(), []
    for name, (n_star, n_noise) in SIZES.items():
        stars = None
        for part, first in enumerate(range(0, n_star, PART)):
            path = folder / f"{name}-{n_star}x{n_noise}-{part:03d}.parquet"
            if not path.is_file():
                if time.monotonic() - started > 60 * minutes:
                    return log(f"stopped before {path.stem}; run again to go on")
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
    bench = Bench.of(paths)
    made = ingredients(paths, bench)
    # P(CEMP) and flags do not depend on the recipe: with another one the parts stay as they are.
    key = digest({name: value for name, value in made.items() if name != "recipe"})
    folder = paths.build / "selection" / f"{key}-{SEED}"
    table = simulate_in_parts(bench, folder, minutes=settings.minutes)
    if table is None:
        return
    about = {"made_by": f"python -m cemp.selection.product --profile {settings.profile}",
             "profile": settings.profile, "seed": SEED, "versions": versions(),
             "p_floor": P_FLOOR, "key": digest(made)} | made  # fmt: skip
    write_product(table, settings.out, about)
    fit_function(settings.out)


def recipe_of(about):
    """Give the recipe that a product names, a `cemp.selection.recipe.Recipe`."""
    return Recipe(**about["recipe"] | {"exclude": tuple(about["recipe"]["exclude"])})


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
    table = table[table["set"].isin(FITTED)]
    fit, judge = halves(rates.choose(table, recipe_of(about), about["p_floor"]))
    kept = {name: about.get(name) for name in ("recipe", "weights_sha256", "key")}
    function = SelectionFunction().fit(fit, kept)
    function.to_json(Path(folder) / "function.json")
    return function, judge


if __name__ == "__main__":
    main()
