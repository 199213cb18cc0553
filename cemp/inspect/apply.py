"""How decisions by eye reach the catalogue."""

import pandas as pd

#: Columns that decisions add to the catalogue: unit and description, as in
#: `cemp.candidates.catalogue.COLUMNS`.
COLUMNS = {
    "inspection": ("", "by eye: accept, reject, unsure, or empty if not inspected"),
    "n_inspectors": ("", "inspectors behind it; unsure where they disagree"),
}


def verdicts(decisions):
    """Bring the decisions of all inspectors about a star together.

    Parameters
    ----------
    decisions : pandas.DataFrame
        From `cemp.inspect.read_decisions`.

    Returns
    -------
    pandas.DataFrame
        By (obsid, designation): inspection (what all say; ``unsure`` where they differ),
        n_inspectors, inspection_note (``name: note``, joined by semicolons).
    """
    rows = []
    for key, group in decisions.groupby(["obsid", "designation"]):
        agreed = group["decision"].iloc[0] if group["decision"].nunique() == 1 else "unsure"
        notes = [f"{who}: {note}" for who, note in
                 zip(group["inspector"], group["note"], strict=True) if note]
        rows.append((*key, agreed, len(group), "; ".join(notes)))
    names = ["obsid", "designation", "inspection", "n_inspectors", "inspection_note"]
    return pd.DataFrame(rows, columns=names).set_index(names[:2])


def apply_decisions(table, decisions):
    """Write into a table of candidates what inspectors decided.

    Parameters
    ----------
    table : pandas.DataFrame
        Columns obsid and designation; any index.
    decisions : pandas.DataFrame
        From `cemp.inspect.read_decisions`.

    Returns
    -------
    pandas.DataFrame
        A copy, rows and order unchanged, with inspection (str, "" where nobody looked),
        n_inspectors (int) and inspection_note (str). No row is left out: whoever wants the
        targets takes those whose inspection is not ``reject``. A decision about a spectrum or
        a designation that is not in the table changes nothing (see `tally`).

    Examples
    --------
    >>> from cemp.inspect.decisions import FIELDS
    >>> stars = pd.DataFrame({"obsid": [7, 8], "designation": ["LAMOST A", "LAMOST B"]})
    >>> rows = [(8, "LAMOST B", "reject", "sky line", "A. Inspector", "2026-01-31T18:05:00Z")]
    >>> apply_decisions(stars, pd.DataFrame(rows, columns=FIELDS))["inspection"].tolist()
    ['', 'reject']
    """
    found = verdicts(decisions).reindex(
        pd.MultiIndex.from_arrays([table["obsid"], table["designation"]])
    )
    return table.assign(
        inspection=found["inspection"].fillna("").astype(str).to_numpy(),
        n_inspectors=found["n_inspectors"].fillna(0).astype(int).to_numpy(),
        inspection_note=found["inspection_note"].fillna("").astype(str).to_numpy(),
    )


def tally(table, decisions):
    """Count what has been decided.

    Parameters
    ----------
    table : pandas.DataFrame
        Candidates.
    decisions : pandas.DataFrame

    Returns
    -------
    pandas.Series
        Candidates accepted, rejected, unsure and not inspected, and decisions about spectra
        that are not, or no longer, among them.
    """
    applied = apply_decisions(table, decisions)["inspection"].value_counts()
    stars = verdicts(decisions).index
    stale = ~stars.isin(pd.MultiIndex.from_arrays([table["obsid"], table["designation"]]))
    return pd.Series({
        "candidates": len(table), "accepted": applied.get("accept", 0),
        "rejected": applied.get("reject", 0), "unsure": applied.get("unsure", 0),
        "not inspected": applied.get("", 0), "decided but not among them": int(stale.sum()),
    })
