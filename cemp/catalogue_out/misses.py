"""Why a known CEMP star was missed: the spectrum beside the library's, and the mock's truth."""

import numpy as np
import pandas as pd

from cemp.candidates.gband import CH_BAND, degrade, normalise
from cemp.candidates.gcheck import measure_band, template_measure
from cemp.candidates.probability import probabilities
from cemp.candidates.stars import covariance_of
from cemp.constants import WAVE
from cemp.inspect.pages import RESOLUTION, model_labels
from cemp.synthesis.grid import GRID_R

#: Labels that a library spectrum is asked with.
FOUR = ("teff", "logg", "fe_h", "c_fe")


def library_spectra(stars, library, prefix="", carbon="own"):
    """Ask the library for stars' spectra as the network sees them.

    Parameters
    ----------
    stars : pandas.DataFrame
        Labels `FOUR`, their names after `prefix`; held at the edges of the grid.
    library : cemp.synthesis.emulator.Emulator
    prefix : str
        ``"label_"`` for adopted labels, ``""`` for predicted ones.
    carbon : {"own", "normal"}
        The star's [C/Fe], or [C/Fe] = 0.

    Returns
    -------
    ndarray, shape (n, n_pix)
        Normalised flux on `cemp.constants.WAVE` at R = 1800; NaN where a label is missing.
    """
    which = {"own": 0, "normal": 1}[carbon]
    flux = np.full((len(stars), WAVE.size), np.nan)
    labels = stars[[f"{prefix}{name}" for name in FOUR]].set_axis(FOUR, axis=1)
    known = np.flatnonzero(labels.notna().all(axis=1))
    if known.size:
        nodes = np.array([model_labels(labels.iloc[i])[0][which] for i in known])
        smooth = degrade(library.wave, library.emulate(nodes)[0], RESOLUTION, GRID_R)
        flux[known] = normalise(library.wave, smooth)
    return flux


def add_band(known, store, library):
    """Measure the G band of known stars and what the library expects of them.

    Parameters
    ----------
    known : pandas.DataFrame
        From `cemp.catalogue_out.counterparts.known_cemp`.
    store : cemp.vectors.VectorStore
    library : cemp.synthesis.emulator.Emulator

    Returns
    -------
    pandas.DataFrame
        A copy with gband and e_gband [Angstrom], band_normal (expected at [C/Fe] = 0 and the
        predicted other labels) and band_label (expected at the adopted labels): a band far above
        the first is carbon that anyone can see.
    """
    measure, have = template_measure(CH_BAND), known["obsid"].notna()
    obsids = known.loc[have, "obsid"].astype(np.int64)
    out = known.drop(columns=["gband", "e_gband"], errors="ignore")
    band = measure_band(store, obsids, CH_BAND).reindex(obsids).to_numpy()
    out[["gband", "e_gband"]] = np.nan
    out.loc[have, ["gband", "e_gband"]] = band
    out["band_normal"] = measure(library_spectra(out, library, carbon="normal"))
    out["band_label"] = measure(library_spectra(out, library, prefix="label_"))
    return out


def missed_by_truth(stars, candidates):
    """List the CEMP stars of a mock survey that are no candidates.

    Parameters
    ----------
    stars : pandas.DataFrame
        Search stars, one row a star, with errors, probabilities and the truth
        (`cemp.candidates.stars.attach_truth`).
    candidates : array_like of str
        star_id of the candidates.

    Returns
    -------
    pandas.DataFrame
        The missed rows with p_label, here the chance that a star at its true place is measured
        inside the class, given the errors of its spectrum; for
        `cemp.catalogue_out.counterparts.explain`.
    """
    lost = stars[stars["true_cemp"] & ~stars["star_id"].isin(candidates)].copy()
    chance = probabilities(lost["true_fe_h"].to_numpy(), lost["true_c_fe"].to_numpy(),
                           covariance_of(lost))
    return lost.assign(p_label=chance["p_cemp"]).reset_index(drop=True)


def truth_as_label(lost):
    """Give missed stars of a mock the columns of known stars: their truth in place of a label.

    Parameters
    ----------
    lost : pandas.DataFrame
        From `missed_by_truth`, with why (`cemp.catalogue_out.counterparts.explain`).

    Returns
    -------
    pandas.DataFrame
        Those that the network got wrong (not for want of light, nor at the limits), by falling
        S/N: label_teff, label_fe_h, label_c_fe are true, label_logg is the predicted one.
    """
    wrong = lost[lost["why"].isin(["iron", "carbon", "both", "unsure"])]
    wrong = wrong.sort_values(["snrg", "obsid"], ascending=[False, True], ignore_index=True)
    return wrong.assign(label_teff=wrong["true_teff"], label_logg=wrong["logg"], fold="search",
                        label_fe_h=wrong["true_fe_h"], label_c_fe=wrong["true_c_fe"])


def miss_arrays(missed, store, library, note):
    """Collect what the figure of misses shows.

    Parameters
    ----------
    missed : pandas.DataFrame
        Known stars with a spectrum (obsid), label_... and predicted labels, p_cemp, why_text.
    store : cemp.vectors.VectorStore
    library : cemp.synthesis.emulator.Emulator
    note : str

    Returns
    -------
    dict of str to ndarray
        As `cemp.plots.validation.draw_misses` wants them.
    """
    shown = (WAVE > 4150) & (WAVE < 5300)
    missed = missed[missed["obsid"].notna()]
    empty = np.zeros((0, int(shown.sum())))
    data = {"wave": WAVE[shown], "flux": empty, "by_label": empty, "by_network": empty,
            "name": np.array([], dtype=str), "text": np.array([], dtype=str), "note": note}
    if missed.empty:
        return data
    vectors = store.read(missed["obsid"].astype(np.int64))
    flux = np.where(vectors.good, vectors.flux, np.nan)
    return data | {
        "flux": flux[:, shown].round(4),
        "by_label": library_spectra(missed, library, prefix="label_")[:, shown].round(4),
        "by_network": library_spectra(missed, library)[:, shown].round(4),
        "name": [f"obsid {star['obsid']:.0f}\n{star['fold']}, S/N {star['snrg']:.0f}"
                 for _, star in missed.iterrows()],
        "text": [miss_text(star) for _, star in missed.iterrows()],
    }


def miss_text(star):
    """Write the caption of a missed star's spectrum.

    Parameters
    ----------
    star : pandas.Series

    Returns
    -------
    str
    """
    numbers = [f"{star[f'{p}teff']:.0f} K, [Fe/H] {star[f'{p}fe_h']:.2f}, "
               f"[C/Fe] {star[f'{p}c_fe']:.2f}" for p in ("label_", "")]
    word = "truth" if star["fold"] == "search" else "label"
    return (f"{word} {numbers[0]}; network {numbers[1]}\n"
            f"P {star['p_cemp']:.2f}: {star['why_text']}")


def plane_arrays(known, note):
    """Collect what the figure of known CEMP stars shows.

    Parameters
    ----------
    known : pandas.DataFrame
        From `cemp.catalogue_out.counterparts.explain`.
    note : str

    Returns
    -------
    dict of str to ndarray
        As `cemp.plots.validation.draw_known` wants them.
    """
    names = ["label_fe_h", "label_c_fe", "fe_h", "c_fe", "e_fe_h", "e_c_fe"]
    data = {name: known[name].to_numpy(float) for name in names}
    # cov([Fe/H], [C/H] - [Fe/H])
    both = known["cov_fe_h_c_h"] - known["e_fe_h"] ** 2
    return data | {"cov_fe_h_c_fe": both.to_numpy(float),
                   "found": known["found"].to_numpy().astype(np.int8), "note": note}


def reason_table(rows, reasons):
    """Count the reasons of misses.

    Parameters
    ----------
    rows : dict of str to pandas.DataFrame
        Samples by name, each with the column why.
    reasons : dict of str to str
        `cemp.catalogue_out.counterparts.REASONS`; ``unsure`` and the rest in this order.

    Returns
    -------
    pandas.DataFrame
        One row a reason, one column a sample.
    """
    counts = {name: part["why"].value_counts() for name, part in rows.items()}
    table = pd.DataFrame(counts).reindex([*reasons]).fillna(0).astype(int)
    return table.rename(index=reasons)
