"""What made a simulation: kept beside its rates, so that a run sees whether they are its own.

Rates belong to one network with its errors, recipe, domain, emulator and observations. A run that
shares all of these may quote them. So may one that has trained the same network, with the same
settings on the same stars, on another machine: its last bits differ, and with them the weights and
what is fitted to its answers; it has to say that the rates are those of the network as committed.
Another network or another survey may not.
"""

import hashlib
import json
from dataclasses import asdict

import numpy as np

from cemp.selection.recipe import Recipe
from cemp.synthesis.grid import grid_hash

#: Labels of the star that stands for the emulator: a CEMP giant.
PROBE = (4800.0, 1.8, -2.5, 1.0, 0.4, 0.0)


#: What differs when the same network is trained on another machine.
TRAINED = {"weights_sha256", "errors", "recipe", "domain"}

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
        of notebook 05; and of emulator, domain and observations some numbers that change when
        they do: a hash of fitted numbers would differ between machines.
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
    }  # fmt: skip
    return json.loads(json.dumps(made))


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
        Names of the ingredients that are missing or differ (numbers: by more than 0.1%), and
        ``function`` if it was fitted to another simulation; empty if the rates are the run's own.
    """
    differ = [name for name, value in made.items() if not _same(about.get(name), value)]
    if function is not None:
        names = ("recipe", "weights_sha256", "key")
        if any(function.get(name) != about.get(name) for name in names):
            differ.append("function")
    return differ


def trained_again(differs):
    """Tell whether `differences` are those of the same network trained on another machine.

    Examples
    --------
    >>> trained_again(["weights_sha256", "errors"]), trained_again(["weights_sha256", "grid"])
    (True, False)
    """
    return bool(differs) and set(differs) <= TRAINED


def _same(a, b):
    """Compare JSON values; numbers to 0.1%."""
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(_same(a[name], b[name]) for name in a)
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(_same(*pair) for pair in zip(a, b, strict=True))
    if isinstance(a, int | float) and isinstance(b, int | float):
        return bool(np.isclose(a, b, rtol=1e-3, atol=1e-6))
    return a == b
