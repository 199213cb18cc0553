"""What made a simulation: kept beside its rates, so that a run sees whether they are its own.

Rates belong to one network with its errors, recipe, domain, emulator and observations, and to the
stars that were simulated. A run that shares all of these may quote them. So may one that has
trained the same network, with the same settings on the same stars, on another machine: its last
bits differ, and with them the weights and what is fitted to its answers, the threshold of P(CEMP)
among it; it has to say that the rates are those of the network as committed. Another network,
another recipe, another simulation or another survey may not.
"""

import hashlib
import json
from dataclasses import asdict

import numpy as np
import pandas as pd

from cemp.constants import N_PIX, SEED
from cemp.selection.recipe import Recipe
from cemp.selection.sets import SIZES, draw_set
from cemp.selection.simulate import STRANGE, Nights, generator, realise
from cemp.synthesis.grid import GRID_LABELS, grid_hash

#: Labels of the star that stands for the emulator: a CEMP giant.
PROBE = (4800.0, 1.8, -2.5, 1.0, 0.4, 0.0)


#: What `differences` finds -> in words.
WORDS = {
    "weights_sha256": "weights of the network", "training": "how the network was trained",
    "grid": "synthetic grid", "errors": "errors of the labels", "recipe": "settings of the recipe",
    "threshold": "threshold of P(CEMP)", "emulator": "emulator",
    "domain": "what the training covers", "nights": "observations",
    "population": "simulated stars", "simulation": "how spectra are simulated",
    "function": "selection function of another simulation",
}  # fmt: skip
#: What may differ when the same network is trained on another machine.
TRAINED = {"weights_sha256", "errors", "threshold", "domain"}
#: Stars of each set that stand for it.
N_PROBE = 200

#: Entries of a network's record that decide what is trained, and on what.
TRAINING = ("config", "seed", "n_train", "trained_on", "label_mean", "label_scale")


def network(paths):
    """Read the record of the network that a profile has trained."""
    return json.loads((paths.build / "03" / "macrn.json").read_text())


def training(paths):
    """Describe how a profile's network was trained: its record, and notebook 03's parameters."""
    record, run = network(paths), paths.build / "inputs" / "03_training.json"
    made = {name: record.get(name) for name in TRAINING}
    return made | (json.loads(run.read_text())["parameters"] if run.is_file() else {})


def ingredients(paths, bench):
    """Describe all that decides what a simulated spectrum is taken for.

    Parameters
    ----------
    paths : cemp.paths.Paths
        Stages 01-05 have run.
    bench : cemp.selection.bench.Bench
        With its domain.

    Returns
    -------
    dict
        Ready for JSON. Hashes of the network's weights and of the grid; the errors and the recipe
        of notebook 05; and of emulator, domain, observations, simulated stars and simulation some
        numbers that change when they do: a hash of fitted numbers would differ between machines.
    """
    flux = np.multiply(*(a[0] / a[0].mean() for a in bench.maker.emulator.emulate([PROBE])))
    nights, domain = bench.nights, bench.domain
    made = {
        "weights_sha256": network(paths)["weights_sha256"],
        "training": training(paths),
        "grid": grid_hash(),
        "errors": json.loads((paths.build / "05" / "errors.json").read_text()),
        "recipe": asdict(Recipe.from_json(paths.build / "05" / "recipe.json")),
        "emulator": [float(part.mean()) for part in np.array_split(flux, 12)],
        "domain": {"limits": domain.limits_,
                   "variance": [float(b.variance_.sum()) for b in domain.bases_.bases_]},
        "nights": {"spectra": len(nights.snrg), "snrg": float(np.nanmean(nights.snrg)),
                   "teff": float(np.mean(nights.teff))},
        "population": population(),
        "simulation": simulation(bench.maker),
    }  # fmt: skip
    return json.loads(json.dumps(made))


def population(n=N_PROBE):
    """Describe the stars that are simulated: sizes of the sets, and means of some stars of each.

    Parameters
    ----------
    n : int
        Stars of each set.

    Returns
    -------
    dict
        ``sizes`` and, by set that is of stars, the means of labels and weight (None: no weight).
    """
    made = {"sizes": {name: list(size) for name, size in SIZES.items()}}
    for name in (name for name in SIZES if name not in STRANGE):
        means = draw_set(name, n, SEED).mean()
        made[name] = {key: float(v) if np.isfinite(v) else None for key, v in means.items()}
    return made


def simulation(maker):
    """Describe how spectra are made: one of a star and one of each kind that is none, observed.

    Parameters
    ----------
    maker : cemp.selection.simulate.Maker

    Returns
    -------
    dict of str to list of float
        By kind: means of twelve parts of the spectrum, scatter between its pixels, share of good
        ones. The observation is made up: which one of the survey's a star is given depends on
        the network, and a network trained again is no other simulation.
    """
    made, random = {}, generator("probe", 0)
    night = Nights(*(np.array([v]) for v in (0, 20.0, PROBE[0])),
                   np.full((1, N_PIX), 400.0, np.float32))  # fmt: skip
    probe = pd.DataFrame([PROBE], columns=list(GRID_LABELS)).assign(ebv=0.1)
    for name in ("star", *STRANGE):
        native = maker.stars(probe, random) if name == "star" else maker.strange(name, 1, random)
        flux, _, good = realise(native, night, np.array([0]), random, maker.telescope)
        parts = [float(part.mean()) for part in np.array_split(flux[0], 12)]
        made[name] = [*parts, float(np.diff(flux[0]).std()), float(good.mean())]
    return made


def digest(made):
    """Give the fingerprint of ingredients, 16 hex digits."""
    return hashlib.sha256(json.dumps(made, sort_keys=True).encode()).hexdigest()[:16]


def differences(about, made, function=None):
    """Tell in what a simulation differs from a run.

    Parameters
    ----------
    about : dict
        Provenance of the simulation (`cemp.selection.product.read_product`).
    made : dict
        `ingredients` of the run.
    function : dict, optional
        ``about_`` of the selection function that is shipped with the simulation.

    Returns
    -------
    list of str
        Names of `WORDS`: ingredients that are missing or differ (numbers: by more than 0.1%);
        ``threshold`` instead of ``recipe`` if nothing but the threshold of P(CEMP) differs, which
        is fitted to the network's answers; and ``function`` if it was fitted to another
        simulation. Empty if the rates are the run's own.
    """
    differ = [name for name, value in made.items() if not _same(about.get(name), value)]
    if "recipe" in differ and _same(_settings(about.get("recipe")), _settings(made["recipe"])):
        differ[differ.index("recipe")] = "threshold"
    if function is not None:
        names = ("recipe", "weights_sha256", "key")
        if any(function.get(name) != about.get(name) for name in names):
            differ.append("function")
    return differ


def trained_again(differs):
    """Tell whether `differences` are those of the same network trained on another machine.

    Of the same weights it is not: whatever else differs then was changed by somebody.

    Examples
    --------
    >>> trained_again(["weights_sha256", "errors"]), trained_again(["weights_sha256", "recipe"])
    (True, False)
    >>> trained_again(["threshold"])
    False
    """
    return "weights_sha256" in differs and set(differs) <= TRAINED


def told(differs):
    """Say in words what `differences` found.

    Examples
    --------
    >>> told(["weights_sha256", "recipe"]), told([])
    ('weights of the network, settings of the recipe', 'nothing')
    """
    return ", ".join(WORDS[name] for name in differs) or "nothing"


def _settings(recipe):
    """Leave of a recipe what is set by hand."""
    return {name: value for name, value in (recipe or {}).items() if name != "p_threshold"}


def _same(a, b):
    """Compare JSON values; numbers to 0.1%."""
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(_same(a[name], b[name]) for name in a)
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(_same(*pair) for pair in zip(a, b, strict=True))
    if isinstance(a, int | float) and isinstance(b, int | float):
        return bool(np.isclose(a, b, rtol=1e-3, atol=1e-6))
    return a == b
