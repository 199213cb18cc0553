"""The training set of the sky model: labels drawn, spectra randomised, preprocessed and stored.

Spectrum number k of a seed is always the same, whoever asks for it and in whose company: its
labels and every nuisance follow from (seed, k). So parts can be made in any order, by any number
of processes, and a set grows by asking for more.
"""

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from cemp.atomic import atomic_path
from cemp.constants import N_PIX, SEED
from cemp.errors import BadInputError
from cemp.models.data import Sample
from cemp.paths import ROOT
from cemp.preprocess.pipeline import preprocess
from cemp.preprocess.workers import run_tasks
from cemp.synthesis.emulator import load_emulator
from cemp.synthesis.grid import grid_hash
from cemp.transfer.randomise import DomainSettings, randomise

#: Spectra a part file: some 8 MB, half a minute of work.
PART = 1000
#: Spectra emulated together; they do not influence each other beyond the last digits.
BATCH = 20
#: Where the grid's design keeps log g, against Teff [K]: lowest (its nodes), highest (its nodes).
LOGG_LOW = ([3900, 4500, 5000, 5500, 6000, 6500, 7100], [0.2, 0.6, 1.2, 1.8, 2.4, 3.0, 3.4])
LOGG_HIGH = ([3900, 5000, 6000, 7100], [5.0, 4.9, 4.75, 4.6])
#: Teff [K], [Fe/H] and [C/Fe] range of the grid; carbon also ends at [C/H] = 0.3.
TEFF, FE_H, C_FE, HIGHEST_C_H = (3900.0, 7100.0), (-4.0, 0.5), (-0.8, 3.5), 0.3
#: Rough evolution of an old star, as log g against Teff at [Fe/H] = -1: tip of the giant branch
#: to turn-off, and main sequence; both shift by 350 K a dex of [Fe/H].
GIANTS = ([0.3, 1.0, 2.0, 2.8, 3.3, 3.6, 3.8, 4.1],
          [4000, 4350, 4800, 5100, 5350, 5650, 6000, 6150])  # fmt: skip
DWARFS = ([4.1, 4.3, 4.5, 4.6, 4.7, 4.8], [6200, 6000, 5500, 5000, 4500, 4000])


@dataclass(frozen=True)
class LabelSettings:
    """Which stars the network learns from; shares of the spectra.

    Attributes
    ----------
    broad : float
        Spread evenly over the grid's whole region, so that no combination is unseen; the
        others lie along the giant branch and main sequence, where stars are.
    spread_teff, spread_logg : float
        Scatter about those [K], [dex]: far wider than isochrones, so that the network cannot
        read log g from Teff.
    metal_rich : float
        Drawn from [Fe/H] above -1.2, which is narrow and crowded with lines; the rest evenly
        over all metallicities.
    cemp : float
        Carbon spread evenly from low to the grid's end; the others scatter about [C/Fe] = 0.
    normal_carbon : float
        Scatter of those others [dex]; giants of log g < 2 also lose up to 0.6 dex by mixing.
    alpha_half : float
        [alpha/Fe] about the Galaxy's trend, evenly; slightly beyond the grid's 0.2.
    """

    broad: float = 0.4
    spread_teff: float = 200.0
    spread_logg: float = 0.3
    metal_rich: float = 0.4
    cemp: float = 0.4
    normal_carbon: float = 0.3
    alpha_half: float = 0.22


def highest_carbon(fe_h):
    """Highest [C/Fe] of the grid at [Fe/H]."""
    return np.minimum(C_FE[1], HIGHEST_C_H - np.asarray(fe_h))


def inside(labels):
    """Tell which labels (n, 6) lie in the region that the grid covers (first four labels)."""
    teff, logg, fe_h, c_fe = np.asarray(labels, dtype=float)[:, :4].T
    ok = (teff >= TEFF[0]) & (teff <= TEFF[1]) & (fe_h >= FE_H[0]) & (fe_h <= FE_H[1])
    ok &= (logg >= np.interp(teff, *LOGG_LOW)) & (logg <= np.interp(teff, *LOGG_HIGH))
    return ok & (c_fe >= C_FE[0]) & (c_fe <= highest_carbon(fe_h))


def draw_labels(random, settings=None):
    """Draw the labels of one star.

    Parameters
    ----------
    random : numpy.random.Generator
    settings : LabelSettings, optional

    Returns
    -------
    ndarray, shape (6,)
        Teff [K], log g, [Fe/H], [C/Fe], [alpha/Fe], [N/Fe]; `inside` the grid's region.
    """
    s = settings or LabelSettings()
    lowest = -1.2 if random.random() < s.metal_rich else FE_H[0]
    fe_h = random.uniform(lowest, FE_H[1])
    broad = random.random() < s.broad
    for _ in range(1000):
        teff, logg = _broad(random) if broad else _locus(fe_h, random, s)
        if inside([[teff, logg, fe_h, 0.0 if fe_h < 0.3 else -0.3]])[0]:
            break
    else:  # a locus that the grid does not hold at this metallicity
        teff, logg = _broad(random)
    trend = np.interp(fe_h, [-4, -1.0, 0.0, 0.5], [0.4, 0.4, 0.05, 0.0])
    alpha_fe = np.clip(trend + s.alpha_half * random.uniform(-1, 1), -0.2, 0.6)
    c_fe = _carbon(fe_h, logg, random, s)
    return np.array([teff, logg, fe_h, c_fe, alpha_fe, random.uniform(-0.3, 1.2)])


def _broad(random):
    """Teff and log g from anywhere in the grid's strip."""
    teff = random.uniform(*TEFF)
    return teff, random.uniform(np.interp(teff, *LOGG_LOW), np.interp(teff, *LOGG_HIGH))


def _locus(fe_h, random, s):
    """Teff and log g about the giant branch (60%) or the main sequence."""
    logg, teff = GIANTS if random.random() < 0.6 else DWARFS
    at = random.uniform(logg[0], logg[-1])
    shift = -350.0 * (np.clip(fe_h, -2.5, 0.5) + 1)
    teff = np.interp(at, logg, teff) + shift * (1.0 if logg is DWARFS[0] else 0.7)
    return teff + s.spread_teff * random.normal(), at + s.spread_logg * random.normal()


def _carbon(fe_h, logg, random, s):
    """[C/Fe]: about zero (less in mixed giants), or anywhere up to the grid's end."""
    high = float(highest_carbon(fe_h))
    if random.random() < s.cemp:
        return random.uniform(min(-0.3, high), high)
    mixed = 0.6 * random.random() * (logg < 2)
    return float(np.clip(s.normal_carbon * random.normal() - mixed, C_FE[0], high))


def make_spectra(emulator, numbers, seed, domain, label_settings):
    """Make some spectra of a training set.

    Parameters
    ----------
    emulator : cemp.synthesis.emulator.Emulator
    numbers : sequence of int
    seed : int
    domain : DomainSettings
    label_settings : LabelSettings

    Returns
    -------
    flux, ivar, good : ndarray, shape (n, 5001)
    labels : ndarray, shape (n, 6)

    Notes
    -----
    A spectrum that preprocessing refuses (more than half its pixels lost) is observed again
    with the next random numbers of its own, like a real one that would not be used.
    """
    randoms = [np.random.default_rng([seed, int(k)]) for k in numbers]
    labels = np.array([draw_labels(r, label_settings) for r in randoms])
    vectors, waiting = [None] * len(labels), np.arange(len(labels))
    while waiting.size:
        drawn = randomise(emulator, labels[waiting], [randoms[k] for k in waiting], domain)
        for k, spectrum in zip(waiting, drawn, strict=True):
            vectors[k] = _preprocessed(spectrum)
        waiting = np.array([k for k in waiting if vectors[k] is None], dtype=int)
    return tuple(np.array([getattr(v, name) for v in vectors])
                 for name in ("flux", "ivar", "good")) + (labels,)  # fmt: skip


def _preprocessed(spectrum):
    """Vector of a spectrum, or None if preprocessing refuses it."""
    try:
        return preprocess(spectrum)
    except BadInputError:
        return None


def make_trainset(folder, n, seed=SEED, n_jobs=1, domain=None, labels=None, tell=print, part=PART):
    """Make a training set, or what is missing of it.

    Parameters
    ----------
    folder : str or pathlib.Path
        Gets ``part-NNNN.npz`` and ``about.json``.
    n : int
        Spectra, rounded up to whole parts; a larger `n` later adds parts.
    seed : int
    n_jobs : int
        Processes.
    domain : DomainSettings, optional
    labels : LabelSettings, optional
    tell : callable
        Takes a line of progress a part.
    part : int
        Spectra a part.

    Returns
    -------
    int
        Parts made now; 0 if all were there.

    Raises
    ------
    BadInputError
        If the folder holds a set of other settings, grid or seed.
    """
    folder, domain, labels = Path(folder), domain or DomainSettings(), labels or LabelSettings()
    about = {"seed": seed, "part": part, "grid": grid_hash(), "domain": asdict(domain),
             "labels": asdict(labels), "code": _code_hash()}  # fmt: skip
    _claim(folder, json.loads(json.dumps(about)))
    tasks = [
        {"path": part_file(folder, k), "numbers": range(k * part, (k + 1) * part), "seed": seed,
         "domain": domain, "labels": labels}
        for k in range(-(-n // part)) if not part_file(folder, k).is_file()
    ]  # fmt: skip
    if tasks:  # fitted once here, so that the processes find it in the cache
        load_emulator(None, cache=ROOT / "build" / "emulator")
    run_tasks(make_part, tasks, n_jobs, lambda name: tell(f"made {name}"))
    return len(tasks)


def part_file(folder, k):
    """File of part `k`."""
    return Path(folder) / f"part-{k:04d}.npz"


def make_part(task):
    """Make one part file (runs in a worker process); returns its name."""
    emulator = load_emulator(None, cache=ROOT / "build" / "emulator")
    blocks = [
        make_spectra(emulator, task["numbers"][k:k + BATCH], task["seed"], task["domain"],
                     task["labels"])
        for k in range(0, len(task["numbers"]), BATCH)
    ]  # fmt: skip
    flux, ivar, good, labels = (np.concatenate(arrays) for arrays in zip(*blocks, strict=True))
    sigma = np.where(good, 1 / np.sqrt(np.where(good, ivar, 1)), 0)
    with atomic_path(task["path"]) as path:
        np.savez(path, number=np.array(task["numbers"]), labels=labels,
                 flux=flux.astype(np.float16), sigma=np.clip(sigma, 0, 6e4).astype(np.float16),
                 good=np.packbits(good, axis=1))  # fmt: skip
    return Path(task["path"]).name


def _code_hash():
    """Hash of the modules that draw labels and nuisances."""
    names = ("randomise.py", "star_effects.py", "telescope_effects.py", "trainset.py")
    text = b"".join((Path(__file__).parent / name).read_bytes() for name in names)
    return hashlib.sha256(text).hexdigest()[:16]


def _claim(folder, about):
    """Write what the set is made of, or refuse a folder that holds another one."""
    path = folder / "about.json"
    if path.is_file():
        if json.loads(path.read_text()) != about:
            raise BadInputError(
                f"{folder}: holds a training set of other settings, seed, grid or code; remove "
                "it or name another folder"
            )
        return
    with atomic_path(path) as temporary:
        temporary.write_text(json.dumps(about, indent=1) + "\n")


def read_trainset(folder, n=None):
    """Read a training set.

    Parameters
    ----------
    folder : str or pathlib.Path
    n : int, optional
        Only the first so many spectra.

    Returns
    -------
    cemp.models.data.Sample
        ``obsid`` is the spectrum's number, ``flux`` float16, ``ivar`` float32, and ``labels``
        teff, logg, fe_h, c_h (n, 4).
    all_labels : ndarray, shape (n, 6)
        The grid's labels.

    Raises
    ------
    BadInputError
        If there is no part.
    """
    files = sorted(Path(folder).glob("part-*.npz"))
    if not files:
        raise BadInputError(f"no training set in {folder}: run `make sky` first")
    with np.load(files[0]) as first:
        size = len(first["number"])
    files = files[:None if n is None else -(-n // size)]
    rows = size * len(files)
    sample = Sample(np.empty(rows, int), np.empty((rows, N_PIX), np.float16),
                    np.empty((rows, N_PIX), np.float32), np.empty((rows, N_PIX), bool),
                    np.empty((rows, 4)))  # fmt: skip
    all_labels = np.empty((rows, 6))
    for k, file in enumerate(files):
        _read_part(file, slice(k * size, (k + 1) * size), sample, all_labels)
    sample.labels[:] = to_labels(all_labels)
    stop = slice(0, rows if n is None else n)
    return _head(sample, stop), all_labels[stop]


def _read_part(file, at, sample, all_labels):
    """Read a part into its rows."""
    with np.load(file) as part:
        sample.obsid[at], sample.flux[at] = part["number"], part["flux"]
        sample.good[at] = np.unpackbits(part["good"], axis=1, count=N_PIX)
        all_labels[at] = part["labels"]
        # Noise below float16's resolution is zero there; such pixels are still good ones.
        sigma = np.maximum(part["sigma"].astype(np.float32), 1e-5)
    sample.ivar[at] = sample.good[at] / sigma**2


def _head(sample, rows):
    """Take some rows of a sample, without copying."""
    return Sample(sample.obsid[rows], sample.flux[rows], sample.ivar[rows], sample.good[rows],
                  sample.labels[rows])  # fmt: skip


def to_labels(grid_labels):
    """Turn grid labels (n, 6) into the network's: teff, logg, fe_h, c_h (n, 4)."""
    teff, logg, fe_h, c_fe = np.asarray(grid_labels, dtype=float)[:, :4].T
    return np.stack([teff, logg, fe_h, fe_h + c_fe], axis=1)
