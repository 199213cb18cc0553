"""Write a mock survey's spectra as LAMOST files."""

import gzip
import hashlib
import json
import multiprocessing
import sys
from pathlib import Path

import numpy as np
import pandas as pd

from cemp.atomic import atomic_path
from cemp.constants import SEED
from cemp.errors import BadInputError
from cemp.mock import nonstellar
from cemp.mock.exposure import draw_resolution
from cemp.mock.layout import spectrum_bytes
from cemp.mock.observatory import Observatory
from cemp.paths import ROOT
from cemp.synthesis.emulator import load_emulator
from cemp.synthesis.grid import GRID_LABELS, grid_hash

#: Columns that `write_spectra` cannot do without.
STAR_COLUMNS = ("star_key", *GRID_LABELS, "ebv", "gmag")
OBSERVATION_COLUMNS = ("obsid", "star_key", "lmjd", "planid", "spid", "fiberid", "ra", "dec",
                       "rv", "snr_g")
#: What an observation's row may leave out.
DEFAULTS = {"z_bad": False, "cls": "STAR", "subclass": "G0", "desig": "", "fibertype": "Obj"}
#: LAMOST's value for a number that it does not have.
MISSING = -9999.0
#: Modules whose text decides what a spectrum looks like.
CODE = ("mock/exposure", "mock/instrument", "mock/layout", "mock/nonstellar", "mock/observatory",
        "mock/physics", "mock/sky", "mock/spectra", "synthesis/emulator", "synthesis/resolution")


def spectrum_file(observation):
    """Relative path of a spectrum: ``planid/spec-lmjd-planid_spNN-FFF.fits.gz``."""
    o = observation
    name = f"spec-{o['lmjd']}-{o['planid']}_sp{o['spid']:02d}-{o['fiberid']:03d}.fits.gz"
    return Path(str(o["planid"])) / name


def header_values(observation, star, exposure, z):
    """Give the header keywords that differ from file to file.

    Parameters
    ----------
    observation, star : mapping
        Rows of the tables of `write_spectra`.
    exposure : Exposure
    z : float
        Redshift, NaN if the pipeline failed.

    Returns
    -------
    dict
    """
    o, ra, dec = observation, f"%.6f:{observation['ra']}", f"%.6f:{observation['dec']}"
    mjd = int(o["lmjd"]) - 1
    day, local = (np.datetime64("1858-11-17") + np.timedelta64(d, "D") for d in (mjd, mjd + 1))
    coeff0 = f"%.4f:{exposure.coeff0}"
    minute = int(o["lmjd"]) * 1440 + 10
    values = {
        "NAXIS1": exposure.wave.size, "FILENAME": spectrum_file(o).name.removesuffix(".gz"),
        "OBSID": int(o["obsid"]), "DATE-OBS": f"{day}T16:45:00.00",
        "DATE-BEG": f"{local}T00:00:00.0", "DATE-END": f"{local}T01:30:00.0",
        "LMJD": int(o["lmjd"]), "MJD": mjd, "LMJMLIST": f"{minute}-{minute + 30}-{minute + 60}",
        "PLANID": o["planid"], "RA": ra, "DEC": dec, "RA_OBS": ra, "DEC_OBS": dec,
        "DESIG": o["desig"], "FIBERID": int(o["fiberid"]), "OBJNAME": str(o["obsid"]),
        "FIB_TYPE": o["fibertype"], "MAG_PS_G": f"%.2f:{star['gmag']}", "BESTEXP": minute,
        "SPID": int(o["spid"]), "SPRA": ra, "SPDEC": dec,
        "HELIO_RV": f"%.5f:{exposure.helio_rv}", "COEFF0": coeff0, "CRVAL1": coeff0,
        "CLASS": o["cls"], "SUBCLASS": o["subclass"],
        "Z": f"%.8f:{z if np.isfinite(z) else MISSING}",
        "Z_ERR": f"%.8f:{exposure.z_err if np.isfinite(z) else MISSING}",
    }  # fmt: skip
    return values | {f"SNR{b.upper()}": f"%.2f:{v}" for b, v in exposure.snr.items()}


def write_one(observatory, star, observation, path):
    """Observe a star and write the file (whole or not at all)."""
    exposure, z = observatory.observe(star, observation)
    e, n = exposure, exposure.wave.size
    columns = [e.flux, e.ivar, e.wave, e.andmask, e.ormask, np.full(n, MISSING)]
    values = header_values(observation, star, e, np.nan if observation["z_bad"] else z)
    with atomic_path(path) as temporary:
        temporary.write_bytes(spectrum_bytes(values, columns))


def read_measured(path):
    """Read back what a file's header says: obsid, snru ... snrz, z, z_err (NaN if missing)."""
    with gzip.open(path) as stream:
        header = stream.read(2880 * 5).decode("ascii", "replace")
    cards = {header[k:k + 8].strip(): header[k + 10:k + 30] for k in range(0, len(header), 80)}
    out = {f"snr{b}": float(cards[f"SNR{b.upper()}"]) for b in "ugriz"}
    out |= {"z": float(cards["Z"]), "z_err": float(cards["Z_ERR"])}
    out = {name: value if value != MISSING else np.nan for name, value in out.items()}
    return {"obsid": int(cards["OBSID"])} | out


def _start_worker(seed, cache):
    """Give a worker process its observatory, once."""
    global _observatory
    _observatory = Observatory(seed, cache)


def _work(tasks):
    """Write those files of a chunk that are not there; return what the headers say."""
    rows = []
    for star, observation, path in tasks:
        if not path.is_file():
            write_one(_observatory, star, observation, path)
        random = np.random.default_rng([_observatory.seed, int(observation["obsid"])])
        r_1800 = draw_resolution(random, _observatory.instrument)
        rows.append(read_measured(path) | {"r_1800": r_1800})
    return rows


def _check(stars, observations):
    """Refuse tables that cannot be written, saying why."""
    for name, table, needed in (("stars", stars, STAR_COLUMNS),
                                ("observations", observations, OBSERVATION_COLUMNS)):
        missing = [column for column in needed if column not in table]
        if missing:
            raise BadInputError(f"the table of {name} lacks {', '.join(missing)}: add them")
    unknown = set(observations["star_key"]) - set(stars["star_key"])
    if unknown or observations["obsid"].duplicated().any():
        raise BadInputError(f"observations of {len(unknown)} unknown stars, or an obsid twice: "
                            "each star_key must be in the table of stars, each obsid once")
    grid = stars[stars["teff"] <= nonstellar.GRID_LIMITS["teff"][1]]
    for name, (low, high) in nonstellar.GRID_LIMITS.items():
        if not grid[name].between(low, high).all():
            raise BadInputError(f"stars with {name} outside {low} to {high}: the grid has no such "
                                "spectra; draw them again")


def _forget_others(folder, stars, observations, seed):
    """Remove spectra that other inputs made: a rerun may keep only files it would write itself."""
    package = Path(__file__).parent.parent
    code = b"".join((package / f"{module}.py").read_bytes() for module in CODE)
    tables = "".join(t.to_csv(index=False) for t in (stars, observations)).encode()
    key = hashlib.sha256(code + tables + grid_hash().encode() + str(seed).encode()).hexdigest()
    note = folder / ".inputs.json"
    if not note.is_file() or json.loads(note.read_text()).get("sha256") != key:
        for path in folder.glob("*/spec-*.fits.gz"):
            path.unlink()
        with atomic_path(note) as temporary:
            temporary.write_text(json.dumps({"sha256": key}))


def write_spectra(stars, observations, folder, seed=SEED, n_jobs=2, cache=None):
    """Write a LAMOST file for each observation.

    Parameters
    ----------
    stars : pandas.DataFrame
        `STAR_COLUMNS`: name, grid labels, E(B-V) [mag], g magnitude.
    observations : pandas.DataFrame
        `OBSERVATION_COLUMNS` (rv [km/s], snr_g: the wanted S/N in g), optionally `DEFAULTS`.
    folder : str or pathlib.Path
        Receives ``<planid>/spec-<lmjd>-<planid>_sp<NN>-<FFF>.fits.gz``. Whole files of the same
        inputs are kept, those of other inputs removed.
    seed : int
        A spectrum depends on it, its star_key and its obsid, not on order or process count.
    n_jobs : int
        Processes.
    cache : str or pathlib.Path, optional
        Folder of the fitted emulator; ``build/emulator`` by default.

    Returns
    -------
    pandas.DataFrame
        The observations with path (relative), measured snru, snrg, snrr, snri, snrz, z, z_err
        (NaN where the pipeline failed) and r_1800, the resolving power at 5500 Angstrom.

    Raises
    ------
    BadInputError
        If a column or a star is missing or the folder cannot be written.
    """
    folder = Path(folder)
    observations = observations.assign(
        **{k: v for k, v in DEFAULTS.items() if k not in observations})
    _check(stars, observations)
    folder.mkdir(parents=True, exist_ok=True)
    _forget_others(folder, stars, observations, seed)
    cache = Path(cache or ROOT / "build" / "emulator")
    load_emulator("mock", cache=cache)  # once, before the workers ask for it
    by_key = dict(zip(stars["star_key"], stars.to_dict("records"), strict=True))
    rows = observations.to_dict("records")
    tasks = [(by_key[o["star_key"]], o, folder / spectrum_file(o)) for o in rows]
    measured = pd.DataFrame(_run(tasks, seed, cache, n_jobs))
    paths = [str(spectrum_file(o)) for o in rows]
    return observations.assign(path=paths).merge(measured, on="obsid", validate="one_to_one")


def _run(tasks, seed, cache, n_jobs, size=25):
    """Work through all tasks, in one or several processes, with a counter; return the rows."""
    chunks = [tasks[k:k + size] for k in range(0, len(tasks), size)]
    rows = []
    if n_jobs == 1:
        _start_worker(seed, cache)
        for chunk in chunks:
            rows += _work(chunk)
        return rows
    # Fresh processes: forking one that has used torch can hang.
    context = multiprocessing.get_context("spawn")
    with context.Pool(n_jobs, _start_worker, (seed, cache)) as pool:
        for done in pool.imap(_work, chunks):
            rows += done
            if len(rows) // 500 > (len(rows) - len(done)) // 500:
                print(f"{len(rows)} of {len(tasks)} spectra", file=sys.stderr, flush=True)
    return rows
