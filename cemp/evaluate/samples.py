"""The spectra that methods are judged on, with every reference beside every prediction."""

import numpy as np
import pandas as pd

from cemp.candidates.classes import table1
from cemp.constants import LABELS
from cemp.identity import stars_by_fold
from cemp.rows import parts_of, row_slices, write_parts

#: Catalogues whose abundances reach below and beyond APOGEE's grid ([M/H] > -2.5, [C/M] < +1).
BEYOND_APOGEE = ("subaru", "saga")


def read_truth(folder):
    """Read what the mock survey was made from.

    Parameters
    ----------
    folder : pathlib.Path
        ``truth`` of a profile.

    Returns
    -------
    pandas.DataFrame
        obsid and true_teff ... true_c_h, true_c_fe; no rows for a real survey, which has none.
    """
    columns = ["obsid", *(f"true_{name}" for name in (*LABELS, "c_fe"))]
    if not (folder / "stars.parquet").is_file():
        return pd.DataFrame({name: pd.Series(dtype=float) for name in columns}).astype(
            {"obsid": "int64"}
        )
    stars = pd.read_parquet(folder / "stars.parquet").set_index("star_key")
    observations = pd.read_parquet(folder / "observations.parquet")
    truth = stars[[*LABELS, "c_fe"]].add_prefix("true_").loc[observations["star_key"]]
    return truth.reset_index(drop=True).assign(obsid=observations["obsid"].to_numpy())[columns]


def reference_labels(labels):
    """Prefix the adopted catalogue labels; a carbon limit is no measurement.

    Parameters
    ----------
    labels : pandas.DataFrame
        One row a star: star_id, source, the labels and c_h_limit.

    Returns
    -------
    pandas.DataFrame
        star_id, source, ref_teff ... ref_c_h, ref_c_fe; carbon is NaN where limited.
    """
    reference = labels[["star_id", "source", *LABELS]].copy()
    reference.loc[labels["c_h_limit"].fillna(False).astype(bool), "c_h"] = np.nan
    reference["c_fe"] = reference["c_h"] - reference["fe_h"]
    return reference.rename(columns={name: f"ref_{name}" for name in (*LABELS, "c_fe")})


def predict_labels(method, store, obsids, prefix="", chunk=1000):
    """Predict labels for many spectra, a chunk in memory at a time.

    Parameters
    ----------
    method : callable
        Takes vectors (flux, ivar, good), gives labels, shape (n, 4), in physical units.
    store : cemp.vectors.VectorStore
    obsids : array_like of int
        Spectra that the store holds.
    prefix : str
        Before the label names in the result.
    chunk : int
        Spectra at a time.

    Returns
    -------
    pandas.DataFrame
        obsid, the four labels and c_fe = c_h - fe_h.
    """
    obsids = np.asarray(obsids, dtype=np.int64)
    values = np.empty((len(LABELS), obsids.size))
    for rows in row_slices(obsids.size, chunk) if obsids.size else ():
        values[:, rows] = np.asarray(method(store.read(obsids[rows])), dtype=float).T
    columns = {f"{prefix}{name}": column for name, column in zip(LABELS, values, strict=True)}
    columns[f"{prefix}c_fe"] = columns[f"{prefix}c_h"] - columns[f"{prefix}fe_h"]
    return pd.DataFrame({"obsid": obsids, **columns}, copy=False)


def write_predictions(path, judged, predictions):
    """Write what two methods predict, some spectra at a time.

    Parameters
    ----------
    path : pathlib.Path
        Parquet: obsid, star_id, fold, the first method's labels, and the others' (NaN where these
        were not asked).
    judged : pandas.DataFrame
        obsid, star_id, fold; one row a spectrum.
    predictions : sequence of pandas.DataFrame
        From `predict_labels`; the first one has the rows of `judged`, in their order.

    Raises
    ------
    ValueError
        If it has not.
    """
    first, *others = predictions
    if not np.array_equal(first["obsid"], judged["obsid"]):
        raise ValueError("predictions of other spectra than those judged, or in another order")
    about = judged[["obsid", "star_id", "fold"]].reset_index(drop=True)
    others = [other.set_index("obsid") for other in others]

    def join(part):
        found = [first.loc[part.index], *(other.reindex(part["obsid"]) for other in others)]
        return part.assign(**{name: table[name].to_numpy() for table in found for name in table
                              if name != "obsid" and not name.endswith("c_fe")})

    write_parts(path, map(join, parts_of(about)))


def count_folds(judged):
    """Count spectra and stars by fold.

    Parameters
    ----------
    judged : pandas.DataFrame
        fold, star_id; one row a spectrum.

    Returns
    -------
    pandas.DataFrame
        Columns spectra, stars.
    """
    counts = pd.DataFrame({"spectra": judged["fold"].value_counts(),
                           "stars": stars_by_fold(judged).sum()})
    return counts.sort_index().rename_axis("fold")


def describe(row, labels, truth):
    """Give all that is known of one spectrum.

    Parameters
    ----------
    row : pandas.DataFrame, one row
        obsid, star_id, fold, snrg, good_fraction and predicted labels.
    labels, truth : pandas.DataFrame
        As for `evaluation_frame`.

    Returns
    -------
    pandas.Series
        A row of `evaluation_frame`.
    """
    predicted = row[["obsid", *LABELS, "c_fe"]]
    return evaluation_frame(row, labels, truth, [predicted]).iloc[0]


def evaluation_frame(observations, labels, truth, predictions):
    """Join predictions, catalogue labels and truth by identifier.

    Parameters
    ----------
    observations : pandas.DataFrame
        obsid, star_id, fold, snrg, good_fraction.
    labels : pandas.DataFrame
        One row a labelled star.
    truth : pandas.DataFrame
        From `read_truth`.
    predictions : sequence of pandas.DataFrame
        From `predict_labels`; the first one decides the rows.

    Returns
    -------
    pandas.DataFrame
        One row a spectrum of the first predictions, in their order.
    """
    about = observations[["obsid", "star_id", "fold", "snrg", "good_fraction"]]
    frame = predictions[0].merge(about, on="obsid", validate="one_to_one")
    for other in (*predictions[1:], truth):
        frame = frame.merge(other, on="obsid", how="left", validate="one_to_one")
    return frame.merge(
        reference_labels(labels), on="star_id", how="left", validate="many_to_one"
    )


def samples(frame):
    """Name the samples that are judged, and by what.

    Parameters
    ----------
    frame : pandas.DataFrame
        From `evaluation_frame`.

    Returns
    -------
    dict of str to (pandas.DataFrame, str)
        Rows and prefix of the reference: held-out APOGEE stars, held-out stars of LAMOST-Subaru
        and SAGA, all held-out labels, the mock's truth (test and search; no rows for a real
        survey), and the stars of the last that has rows whose reference is CEMP by Table 1.
    """
    test = frame[(frame["fold"] == "test") & frame["ref_fe_h"].notna()]
    known = frame[frame["fold"].isin(["test", "search"]) & frame["true_fe_h"].notna()]
    best, reference = (known, "true_") if len(known) else (test, "ref_")
    cemp = table1(best[f"{reference}fe_h"], best[f"{reference}c_fe"])["cemp"]
    return {
        "apogee": (test[test["source"] == "apogee"], "ref_"),
        "beyond": (test[test["source"].isin(BEYOND_APOGEE)], "ref_"),
        "labels": (test, "ref_"),
        "truth": (known, "true_"),
        "corner": (best[cemp], reference),
    }


#: Middle of the CEMP giants and the distance in each label that counts as one [K, dex].
CEMP_GIANT = {"teff": (4900.0, 200.0), "logg": (2.0, 0.5), "fe_h": (-2.6, 0.2), "c_fe": (1.6, 0.3)}


def clear_spectra(frame, snr_min=50.0, good_min=0.95):
    """Keep the unseen spectra that are fit to be shown and averaged.

    Parameters
    ----------
    frame : pandas.DataFrame
        From `evaluation_frame`.
    snr_min, good_min : float
        Least S/N in g and least fraction of good pixels.

    Returns
    -------
    pandas.DataFrame
        Test and search spectra of that quality; all of them if none has it.
    """
    unseen = frame["fold"].isin(["test", "search"])
    clear = unseen & (frame["snrg"] >= snr_min) & (frame["good_fraction"] >= good_min)
    return frame[clear if clear.any() else unseen]


def nearest(frame, aim, n=1):
    """Find the spectra whose predicted labels are nearest to a place in label space.

    Parameters
    ----------
    frame : pandas.DataFrame
        With columns of predicted labels; rows with NaN come last.
    aim : dict of str to (float, float)
        Label to value and scale: the distance is the root of squared scaled differences.
    n : int

    Returns
    -------
    pandas.DataFrame
        At most `n` rows, nearest first.
    """
    parts = [(frame[name] - value) / scale for name, (value, scale) in aim.items()]
    distance = np.sqrt(np.sum(np.square(parts), axis=0))
    return frame.iloc[np.argsort(distance, kind="stable")[:n]]


def carbon_normal_twin(frame, row):
    """Find the spectrum most like another one but for its carbon: [C/Fe] near 0.1.

    Parameters
    ----------
    frame : pandas.DataFrame
        Candidates with predicted labels.
    row : pandas.Series
        Predicted labels of the carbon-enhanced star.

    Returns
    -------
    int
        obsid of the twin.
    """
    scales = {"teff": 150.0, "logg": 0.4, "fe_h": 0.2}
    aim = {name: (row[name], scale) for name, scale in scales.items()} | {"c_fe": (0.1, 0.2)}
    near = nearest(frame, aim, 2)["obsid"]  # one of the two may be the star itself
    return int(near[near != row["obsid"]].iloc[0])
