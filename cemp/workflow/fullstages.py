"""The tables of notebooks 01, 04 and 05 at the size of a survey: their own cells, measured.

The mock's catalogue is repeated, each time elsewhere on the sky under other identifiers, until it
has as many rows as a survey; columns and types are those of the real one. Then the notebooks'
cells run as they stand. Only what looks at pixels is replaced: vectors are made a batch at a time,
and labels, bands and flags are drawn from the identifier. What is left, and measured, is what the
notebooks do with tables. ``python -m cemp.workflow.fullstages --rows 11900000``
"""

import argparse
import json
import resource
import tempfile
import time
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pyarrow.parquet as pq

from cemp.catalogues import read_lamost
from cemp.constants import N_PIX
from cemp.indices import pseudo_equivalent_width
from cemp.paths import ROOT, Paths
from cemp.vectors import Vectors
from cemp.workflow.fullsize import KIB, run_apart
from cemp.workflow.rates import write_rates

#: Notebooks, and the first of their cells that only asks the network about pixels.
STAGES = {"01": ("01_crossmatch", None), "04": ("04_evaluation", "where-class"),
          "05": ("05_candidates", None)}  # fmt: skip
#: Cells of known answers about other things than tables.
LEFT_OUT = ("carbon-compare",)
#: Memory of a notebook before it holds a table [GiB]: the packages.
BASE = 0.5
#: What plans call the memory a row of a stage, and from how many rows on it is one.
RATES = {"01": "crossmatch_bytes", "04": "evaluation_bytes", "05": "search_bytes"}
ENOUGH = 5_000_000
_ROWS = 250_000


class StubStore:
    """A store of vectors that makes them when asked, and remembers how many at a time.

    Parameters
    ----------
    obsid : ndarray of int64, shape (n,)
        Rising.

    Attributes
    ----------
    most : int
        Most spectra asked for at a time.
    """

    def __init__(self, obsid):
        self.obsid, self.most = obsid, 0

    def __len__(self):
        return len(self.obsid)

    def has(self, obsids):
        """Tell which identifiers are in the store, as `cemp.vectors.VectorStore.has`."""
        obsids = np.asarray(obsids, dtype=np.int64)
        at = np.minimum(np.searchsorted(self.obsid, obsids), len(self) - 1)
        return self.obsid[at] == obsids

    def read(self, obsids):
        """Make spectra whose every pixel is the identifier, in no memory of their own."""
        obsids = np.asarray(obsids, dtype=np.int64)
        self.most = max(self.most, len(obsids))
        flux = np.broadcast_to(obsids[:, None].astype(float), (len(obsids), N_PIX))
        return Vectors(obsids, flux, flux, np.broadcast_to(True, flux.shape))


def made_labels(obsids):
    """Draw labels from identifiers: a twentieth are metal-poor, a fifth of these rich in carbon.

    Parameters
    ----------
    obsids : array_like of int, shape (n,)

    Returns
    -------
    ndarray, shape (n, 4)
        In the order of `cemp.constants.LABELS`.
    """
    mixed = np.asarray(obsids).astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    u = [((mixed >> np.uint64(k)) & np.uint64(0xFFFF)) / 65536.0 for k in (48, 32, 16, 0)]
    poor, rich = u[0] < 0.05, u[3] < 0.2
    fe_h = np.where(poor, -3.0 + 30.0 * u[0], -1.0 + 1.3 * u[0])
    c_h = fe_h + np.where(poor & rich, 1.5, 0.1) + 0.4 * (u[2] - 0.5)
    return np.column_stack([4200 + 2400 * u[1], 1.0 + 3.5 * u[2], fe_h, c_h])


def tiled(base, n):
    """Repeat a catalogue elsewhere on the sky, under other identifiers.

    Parameters
    ----------
    base : pandas.DataFrame
        From `cemp.catalogues.read_lamost`.
    n : int
        Rows wanted.

    Returns
    -------
    pandas.DataFrame
        The first rows are those of `base`.
    """
    copies, size = -(-n // len(base)), len(base)
    copy = np.repeat(np.arange(copies), size)[:n]
    out, rng = {}, np.random.default_rng(1)
    east, north = rng.uniform(0, 360, copies), rng.uniform(-60, 60, copies)
    east[0] = north[0] = 0.0
    for name in base:
        column = pd.concat([base[name]] * copies, ignore_index=True).iloc[:n]
        if name == "obsid":
            column = column + copy * 2_000_000_000
        elif name == "gaia_source_id":
            column = column + copy * 2_000_000_003
        elif name == "uid":
            text = pd.Series(copy).astype("string[pyarrow]").astype("str")
            column = column.where(column == "", column + text)
        elif name == "ra":
            column = (column + east[copy]) % 360
        elif name == "dec":
            column = (column + north[copy] + 90) % 180 - 90
        out[name] = column.reset_index(drop=True)
    frame = pd.DataFrame(out, copy=False)
    frame.attrs = {"n_read": n, "dropped": {}, "noted": {}}
    return frame


def made_processed(paths):
    """Write ``02/processed.csv`` of all observations but a hundredth, some rows at a time.

    Parameters
    ----------
    paths : cemp.paths.Paths
        Stage 01 has run.
    """
    table = pq.ParquetFile(paths.stage("01") / "observations.parquet")
    with open(paths.stage("02") / "processed.csv", "w") as file:
        for k, part in enumerate(table.iter_batches(_ROWS, columns=["obsid", "path", "snrg", "z"])):
            frame = part.to_pandas()
            frame = frame[frame["obsid"] % 100 != 7]
            frame.insert(2, "n_repaired", 3)
            frame.insert(3, "n_bad", 40)
            frame.insert(4, "good_fraction", 0.98)
            frame.to_csv(file, index=False, header=k == 0, float_format="%.6g")


def _width(wave, flux, ivar, good, band):
    """As `cemp.indices.pseudo_equivalent_width`, but for made vectors, which hold no band."""
    if len(flux) and flux[0, 0] > 1e3:
        return 4.0 + flux[:, 0] % 700 / 100, np.full(len(flux), 0.3)
    return pseudo_equivalent_width(wave, flux, ivar, good, band)


def _flags(domain, flux, ivar, good, labels):
    """As `cemp.selection.domain.outside_flags`."""
    odd = labels[:, 2] < -2.9
    reason = np.where(odd, "spectrum unlike training at 4200-4600 A", "")
    return pd.DataFrame({"carbon_good": np.full(len(odd), 0.98), "gband_good": 0.98,
                         "outside_labels": False, "outside_reconstruction": odd,
                         "outside_score": 0.5 + odd, "outside_reason": reason})  # fmt: skip


class _Cannon:
    """As `cemp.models.cannon.Cannon`."""

    coef_ = np.zeros((15, 1))

    def fit(self, vectors, labels):
        return self

    def predict(self, vectors):
        return SimpleNamespace(labels=made_labels(vectors.obsid))


class _Library:
    """As a `cemp.synthesis.emulator.Emulator` that knows the G band alone."""

    wave = np.exp(np.linspace(np.log(3692.0), np.log(9108.0), 9030))

    def emulate(self, labels):
        labels = np.asarray(labels, dtype=float)
        band = np.exp(-0.5 * ((self.wave - 4305) / 15) ** 2)
        return 1 - (0.2 + 0.1 * labels[:, 3:4] + 0.02 * labels[:, 2:3]) * band, None


def replacements(paths, mock, n):
    """Give what takes the place of functions that look at pixels, or need a survey.

    Parameters
    ----------
    paths : cemp.paths.Paths
        Where the made survey is.
    mock : cemp.paths.Paths
        The profile whose catalogue is repeated.
    n : int
        Rows of the survey.

    Returns
    -------
    dict of str to object
        By full name.
    """
    survey = mock.survey / "dr11_v1.1_LRS_stellar.fits.gz"
    table = paths.stage("01") / "observations.parquet"
    made = {"cemp.catalogues.read_lamost": lambda path, lean: tiled(read_lamost(survey, lean), n),
            "cemp.paths.Paths": lambda profile: paths,
            "cemp.models.io.load_model": lambda *a: None,
            "cemp.models.predict.predict": lambda model, flux, good: made_labels(flux[:, 0]),
            "cemp.models.cannon.Cannon": _Cannon,
            "cemp.candidates.gcheck.pseudo_equivalent_width": _width,
            "cemp.candidates.catalogue.file_hash": lambda path: "made",
            "cemp.synthesis.emulator.load_emulator": lambda *a, **k: _Library(),
            "cemp.selection.domain.fit_domain": lambda *a: None,
            "cemp.selection.domain.outside_flags": _flags}  # fmt: skip
    if table.is_file():
        obsid = pq.read_table(table, columns=["obsid"])["obsid"].to_numpy()
        store = StubStore(obsid[obsid % 100 != 7])
        made["cemp.vectors.open_vectors"] = lambda folder: store
    return made


def run_stage(stage, parameters, look=lambda cell: None):
    """Run the cells of a notebook in this process.

    Parameters
    ----------
    stage : str
        One of `STAGES`.
    parameters : dict
        Values in place of those in its cell of parameters.
    look : callable, optional
        Called with the identifier of each cell after it has run.

    Returns
    -------
    dict
        Its names.
    """
    name, end = STAGES[stage]
    cells = json.loads((ROOT / "notebooks" / f"{name}.ipynb").read_text())["cells"]
    names = {"display": lambda *tables: None}
    for cell in cells:
        if cell["id"] == end:
            break
        if cell["cell_type"] != "code" or cell["id"] in LEFT_OUT:
            continue
        exec(compile("".join(cell["source"]), f"{name}, {cell['id']}", "exec"), names)
        if "parameters" in cell["metadata"].get("tags", ()):
            names |= parameters
        look(cell["id"])
    return names


def parameters(mock):
    """Parameters of the notebooks: the catalogues of labels are the mock's own."""
    folder = mock.survey
    return {"apogee_catalogue": str(folder / "allStarLite-dr17-synspec_rev1.fits"),
            "subaru_folder": str(folder / "lamost_subaru"), "saga_table": str(folder / "saga.tsv"),
            "profile": "dr11", "n_boot": 20, "cannon_search": False}  # fmt: skip


def measure_stage(stage, root, n):
    """Run a stage of a made survey in this process, and say what each cell took.

    Parameters
    ----------
    stage : str
    root : pathlib.Path
        Where the made survey is.
    n : int
        Its rows.

    Returns
    -------
    dict of str to (float, float)
        By cell: seconds, and the peak of memory of this process so far [GiB].
    """
    paths, mock = Paths("dr11", root), Paths("demo")
    for name, replacement in replacements(paths, mock, n).items():
        module, attribute = name.rsplit(".", 1)
        setattr(import_module(module), attribute, replacement)
    cells, last = {}, [time.perf_counter()]

    def look(cell):
        now, peak = time.perf_counter(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        cells[cell], last[0] = (now - last[0], peak / KIB), now

    run_stage(stage, parameters(mock), look)
    if stage == "01":
        made_processed(paths)
    return cells


def measure_apart(stage, root, n):
    """Measure in a process of its own; arguments and result as of `measure_stage`.

    Raises
    ------
    BadInputError
        If the process ends badly (out of memory, say).
    """
    code = ("import json, sys; from pathlib import Path; from cemp.workflow import fullstages as f;"
            "print(json.dumps(f.measure_stage(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]))))")
    return run_apart(code, [stage, str(root), str(n)], f"notebook {stage} at {n:,} rows", 2000)


def main(arguments=None):
    """Command line; see ``--help``."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=11_900_000)
    parser.add_argument("--stages", nargs="+", default=list(STAGES), choices=list(STAGES))
    parser.add_argument("--folder", type=Path, help="keep the made survey here (6 GB)")
    args = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as temporary:
        root = args.folder or Path(temporary)
        profiles = root / "notebooks" / "profiles"
        profiles.mkdir(parents=True, exist_ok=True)
        (profiles / "dr11.yaml").touch()
        for stage in args.stages:
            cells, peak = measure_apart(stage, root, args.rows), 0.0
            print(f"| {stage}, {args.rows:,} rows | seconds | peak GiB |\n|---|---:|---:|")
            for cell, (seconds, now) in cells.items():
                if seconds > 5 or now > 1.05 * peak:
                    print(f"| {cell} | {seconds:.0f} | {now:.2f} |", flush=True)
                peak = now
            each = (now - BASE) * 2**30 / args.rows
            print(f"bytes a row: {each:.0f}\n", flush=True)
            if args.rows >= ENOUGH:
                write_rates(Paths("demo").build / "bench.json", **{RATES[stage]: each})


if __name__ == "__main__":
    main()
