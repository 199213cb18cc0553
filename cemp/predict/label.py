"""From spectra to rows: preprocess, label, judge. One batch of some hundred at a time."""

import hashlib
import json
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from cemp.candidates.classes import FLAGS, classify, log_luminosity
from cemp.candidates.gband import CH_BAND
from cemp.candidates.probability import probabilities
from cemp.constants import LABELS, WAVE
from cemp.errors import BadInputError, NotLowResolutionError
from cemp.indices import pseudo_equivalent_width
from cemp.predict.columns import as_table
from cemp.predict.velocity import shift_of
from cemp.preprocess.pipeline import PreprocessSettings, preprocess
from cemp.readers import identifier
from cemp.selection.recipe import CARBON_REGION, SIGNS, carbon_coverage, enough_light, select
from cemp.transfer.coverage import INFORMATIVE, READ, coverage, informative_share
from cemp.transfer.hull import FACES, hull_depth
from cemp.transfer.model import SHIPPED, SkyModel, c_fe_error
from cemp.transfer.outside import Domain
from cemp.transfer.reconstruct import typical_snr
from cemp.transfer.windows import readable
from cemp.transfer.zeropoint import FILE as ZERO_POINT

#: What readers call a feature, in words.
WORDS = {"ca_hk": "Ca II H and K", "g_band": "the G band", "c2": "C2",
         "h_beta_mg_b": "H beta and Mg b", "h_alpha": "H alpha"}
#: Parameters of the functions, as a reason names them, and what the command calls them.
OPTIONS = {"medium=": "--medium", "velocity_kms=": "--velocity", "unit=": "--unit",
           "resolution=": "--resolution", "columns=": "--table-columns", "star=": "--star"}
#: Lowest resolving power that training had (`cemp.transfer.randomise.DomainSettings.r_5500`).
LEAST_RESOLUTION = 1400.0


@dataclass(frozen=True)
class Labeller:
    """A sky model with what is known of its training.

    Parameters
    ----------
    model : cemp.transfer.model.SkyModel
    domain : cemp.transfer.outside.Domain or None
        None where no ``domain.npz`` lies beside the weights: then labels outside the training
        region are flagged, and spectra unlike its spectra are not.
    sha256 : str
        Hash over the members' weights, the domain and the zero points.
    """

    model: SkyModel
    domain: Domain | None
    sha256: str

    @property
    def name(self):
        """Name of the model in tables: the start of its hash tells which one it is."""
        return f"sky-{self.sha256[:12]}"


@lru_cache(maxsize=2)
def load_labeller(folder=None):
    """Load a sky model, once in a process.

    Parameters
    ----------
    folder : str or None
        The weights of the package by default.

    Returns
    -------
    Labeller

    Raises
    ------
    BadInputError
        If there is no model, or a damaged one.
    """
    folder = Path(folder or SHIPPED)
    model = SkyModel.load(folder)
    text = hashlib.sha256()
    for path in sorted(folder.glob("member-*/macrn.json")):
        record = json.loads(path.read_text())
        text.update(f"{record['weights_sha256']} {record.get('ignored', [])}\n".encode())
    domain = None
    if (folder / "domain.npz").exists():
        domain = Domain.load(folder)
        text.update((folder / "domain.npz").read_bytes())
        text.update((folder / "domain.json").read_bytes())
    if (folder / ZERO_POINT).exists():
        text.update((folder / ZERO_POINT).read_bytes())
    return Labeller(model, domain, text.hexdigest())


def prepare(read, settings):
    """Read and preprocess one spectrum; what is wrong with it is told, never raised.

    Parameters
    ----------
    read : callable
        Without arguments; returns a `cemp.spectrum.Spectrum`.
    settings : PredictSettings

    Returns
    -------
    vector : cemp.preprocess.pipeline.Vector or None
        None if the spectrum cannot be labelled.
    row : dict
        What the file tells (identifier, position, release, S/N, z ...), or ``kind`` and
        ``reason``.

    Notes
    -----
    `preprocess` copes with a spectrum of one arm: the other arm's continuum is unknown, its pixels
    stay masked, and so does the join. Where nothing was observed the mask says so.
    """
    kind, hint = "unreadable file", ""
    try:
        spectrum = read()
        kind, hint = _expected(spectrum)
        _check_resolution(spectrum)
        vector = preprocess(
            spectrum, PreprocessSettings(min_good_fraction=settings.min_good_fraction)
        )
    except NotLowResolutionError as error:
        return None, {"kind": "medium resolution", "reason": str(error)}
    except BadInputError as error:
        return None, {"kind": kind, "reason": with_options(f"{error}{hint}")}
    except MemoryError:
        raise
    except Exception as error:  # one odd file in millions must not end the run: it is reported
        return None, {"kind": "unexpected failure", "reason": repr(error)}
    return vector, _about(spectrum)


def with_options(reason):
    """Add to a reason what the command calls the parameters that it names.

    Parameters
    ----------
    reason : str

    Returns
    -------
    str

    Examples
    --------
    >>> with_options("say medium='air' or medium='vacuum'")
    "say medium='air' or medium='vacuum' (--medium)"
    """
    named = [option for name, option in OPTIONS.items() if name in reason and option not in reason]
    return f"{reason} ({', '.join(named)})" if named else reason


def _check_resolution(spectrum):
    """Refuse what is blurred beyond anything in training: its lines would look weak."""
    resolution = spectrum.meta.get("resolution")
    if resolution is not None and resolution < LEAST_RESOLUTION:
        raise BadInputError(f"{spectrum.path}: resolution {resolution:g} is below "
                            f"{LEAST_RESOLUTION:g}, the lowest in training")


def _expected(spectrum):
    """Class of reasons and remedy, should preprocessing refuse this spectrum."""
    if spectrum.cls != "STAR":
        return "not a star", "; if it is one, say so with star=True (--star)"
    if not np.isfinite(spectrum.z):
        return "no velocity", "; give velocity_kms (--velocity), 0 if at rest"
    return "unusable spectrum", ""


def _about(spectrum):
    """Collect what a file tells about its spectrum."""
    return {
        "identifier": identifier(spectrum), "obsid": spectrum.obsid, "ra": spectrum.ra,
        "dec": spectrum.dec, "release": spectrum.release, "subclass": spectrum.subclass,
        **{f"snr{b}": spectrum.snr.get(b, np.nan) for b in "ugriz"},
        "z": spectrum.z, "flag_ivar_estimated": spectrum.meta.get("ivar") == "estimated",
        "unused": ", ".join(spectrum.meta.get("unused", ())),
    }  # fmt: skip


def label(vectors, about, settings):
    """Label preprocessed spectra.

    Parameters
    ----------
    vectors : list of cemp.preprocess.pipeline.Vector
    about : list of dict
        From `prepare`, in the same order, each with ``file``.
    settings : PredictSettings

    Returns
    -------
    pandas.DataFrame
        One row a spectrum, with `cemp.predict.columns.COLUMNS`.
    """
    if not vectors:
        return as_table([])
    labeller = load_labeller(settings.weights)
    flux, ivar, good = (
        np.stack([getattr(v, key) for v in vectors]) for key in ("flux", "ivar", "good")
    )
    good = good & readable(labeller.model.ignored)
    with one_thread():
        raw, covariance, spread = labeller.model.predict(flux, good, raw=True)
    zero_point = labeller.model.zero_point
    labels = raw if zero_point is None else zero_point.apply(raw, covariance)
    table = pd.DataFrame(about).assign(
        snr=typical_snr(ivar, good), good_fraction=[v.good_fraction for v in vectors],
        model=labeller.name,
    )
    table = pd.concat([table, _labels(labels, covariance), _gband(flux, ivar, good)], axis=1)
    flags = judge(table, good, settings)
    # The edge of the training lies in the network's own labels, before zero points.
    outside = _outside(labeller.domain, flux, ivar, good, raw, covariance, spread)
    flags["flag_outside"] |= outside["outside"].to_numpy()
    flags = flags.join(_velocity(labeller.domain, flux, ivar, good))
    flags["clean"] = ~flags[["flag_outside", "flag_velocity", "flag_no_gband", "flag_carbon",
                             "flag_low_snr"]].any(axis=1)  # fmt: skip
    table["p_cemp"] = table["p_cemp"].mask(flags["flag_carbon"])
    flags["candidate"] = _candidates(table, good, outside, settings.recipe)
    flags["reason"] = _reasons(outside["reason"], flags, table)
    return as_table(pd.concat([table, flags], axis=1))


def _velocity(domain, flux, ivar, good):
    """Velocity left in the lines, and its flag; unknown without the training's mean spectra."""
    if domain is None:
        return pd.DataFrame({"shift_kms": np.full(len(flux), np.nan), "flag_velocity": False})
    means = np.stack([basis.mean_ for basis in domain.bases_.bases_])
    shift, sure = shift_of(flux, ivar, good, means)
    return pd.DataFrame({"shift_kms": shift, "flag_velocity": sure})


@contextmanager
def one_thread():
    """Let torch use one thread: sums over more differ in their last digits."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _labels(labels, covariance):
    """Labels, errors, probabilities and classes (n, ...) as columns."""
    table = pd.DataFrame(labels, columns=list(LABELS))
    for k, name in enumerate(LABELS):
        table[f"e_{name}"] = np.sqrt(covariance[:, k, k])
    fe, c = LABELS.index("fe_h"), LABELS.index("c_h")
    table["cov_fe_h_c_h"] = covariance[:, fe, c]
    table["c_fe"] = table["c_h"] - table["fe_h"]
    table["e_c_fe"] = c_fe_error(covariance)
    pair = covariance[:, [[fe], [c]], [[fe, c]]]
    table = table.assign(**probabilities(table["fe_h"], table["c_fe"], pair))
    classes = classify(table["fe_h"], table["c_fe"], log_luminosity(table["teff"], table["logg"]))
    return table.join(classes[[name for name in FLAGS if name != "missing"]])


def _gband(flux, ivar, good):
    """Index of the G band and its error; NaN where it was not observed."""
    width, error = pseudo_equivalent_width(WAVE, flux, ivar, good, CH_BAND)
    return pd.DataFrame({"gband": width, "e_gband": error})


def judge(table, good, settings):
    """Flag what the spectra themselves lack.

    Parameters
    ----------
    table : pandas.DataFrame
        good_fraction, snrg, snr.
    good : ndarray of bool, shape (n, n_pix)
    settings : PredictSettings

    Returns
    -------
    pandas.DataFrame
        flag_outside (too little of the grid for anything seen in training), flag_partial,
        flag_no_gband, flag_carbon, flag_low_snr, and reason.
    """
    seen = coverage(good)
    share = informative_share(good)
    lost = seen[[f"{name}_missing" for name in READ]].to_numpy()
    snr = _snr_g(table)
    dark, why = lacks_light(snr, good, settings.recipe)
    where = f"{INFORMATIVE[0]:.0f}-{INFORMATIVE[1]:.0f} A"
    reasons = []
    for k, row in enumerate(lost):
        parts = [f"{share[k]:.0%} of {where}"] if share[k] < settings.full_fraction else []
        parts += [f"without {word}" for word, gone in zip(WORDS.values(), row, strict=True) if gone]
        reasons.append("; ".join(text for text in (", ".join(parts), why[k]) if text))
    return pd.DataFrame({
        "flag_outside": table["good_fraction"].to_numpy(dtype=float) < settings.trained_fraction,
        "flag_partial": (share < settings.full_fraction) | lost.any(axis=1),
        "flag_no_gband": seen["g_band_missing"].to_numpy(),
        "flag_carbon": dark,
        "flag_low_snr": ~(snr >= settings.low_snr).to_numpy(),
        "reason": reasons,
    })  # fmt: skip


def _snr_g(table):
    """S/N in g by the header, or the median S/N where it says none."""
    return table["snrg"].astype(float).fillna(table["snr"])


def _candidates(table, good, outside, recipe):
    """Apply the recipe: (n,) bool. A sign that the model's domain does not know excludes nobody."""
    signs = {f"outside_{name}": outside[name].to_numpy() if name in outside else False
             for name in SIGNS}  # fmt: skip
    known = carbon_coverage(good).assign(p_cemp=table["p_cemp"].to_numpy(), snrg=_snr_g(table),
                                         teff=table["teff"].to_numpy(), **signs)  # fmt: skip
    return select(known, recipe)["selected"].to_numpy()


def lacks_light(snr, good, recipe):
    """Tell which spectra hold too little light where carbon shows for a P(CEMP).

    Parameters
    ----------
    snr : array_like, shape (n,)
        S/N in g.
    good : ndarray of bool, shape (n, n_pix)
    recipe : cemp.selection.recipe.Recipe
        Its floors.

    Returns
    -------
    dark : ndarray of bool, shape (n,)
    why : list of str
        What is below its floor, in words; empty if nothing is.
    """
    table = carbon_coverage(good).assign(snrg=np.asarray(snr, dtype=float))
    low = enough_light(table, recipe)
    region = f"{CARBON_REGION[0]:.0f}-{CARBON_REGION[1]:.0f} A"
    why = []
    for row, fails in zip(table.itertuples(), low.itertuples(), strict=True):
        parts = [f"S/N(g) {row.snrg:.0f} below {recipe.min_snr_g:g}"] if fails.snr else []
        parts += [f"{row.carbon_good:.0%} of {region} good"] if fails.carbon else []
        parts += [f"{row.gband_good:.0%} of the G band good"] if fails.gband else []
        why.append(f"P(CEMP) withheld: {', '.join(parts)}" if parts else "")
    return low.to_numpy().any(axis=1), why


def _outside(domain, flux, ivar, good, labels, covariance, spread):
    """Judge what the training does not cover: columns outside and reason."""
    if domain is None:
        depth, face = hull_depth(labels)
        reason = [FACES[f] if d < 0 else f"{FACES[f]} (edge)" if d < 1 else ""
                  for d, f in zip(depth, face, strict=True)]
        return pd.DataFrame({"outside": ~(depth >= 1), "reason": reason})
    knows_errors = "error" in domain.limits_
    knows_spread = any(name.startswith("spread_") for name in domain.curves_)
    return domain.flags(flux, ivar, good, labels, covariance if knows_errors else None,
                        spread if knows_errors and knows_spread else None)


def _reasons(outside, flags, table):
    """Put in words, one text a spectrum, what raised a flag."""
    shifted = [f"lines shifted by {shift:+.0f} km/s" if flag else ""
               for shift, flag in zip(flags["shift_kms"], flags["flag_velocity"], strict=True)]
    guess = "noise estimated: if one of {} is the error, name it (columns=, --table-columns)"
    unused = [guess.format(names) if names else "" for names in table["unused"]]
    return ["; ".join(part for part in parts if part)
            for parts in zip(outside, flags["reason"], shifted, unused, strict=True)]
