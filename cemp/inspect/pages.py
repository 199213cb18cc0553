"""What a page shows of one candidate, gathered from the stages' files; nothing is drawn here."""

import numpy as np
import pandas as pd
from astropy.io import fits

from cemp.candidates.catalogue import read_fits
from cemp.candidates.classes import FLAGS
from cemp.candidates.gband import CH_BAND, degrade, normalise, strip
from cemp.candidates.stars import covariance_of
from cemp.constants import LABELS, WAVE, air_to_vacuum
from cemp.errors import BadInputError
from cemp.indices import BANDS
from cemp.synthesis.design import C_FE_HIGH, C_FE_LOW, C_H_HIGH, FE_H_RANGE, TEFF_RANGE
from cemp.synthesis.emulator import load_emulator
from cemp.synthesis.grid import GRID_R
from cemp.vectors import open_vectors

#: Resolving power and [alpha/Fe] of the model spectra, as in the G-band check.
RESOLUTION, ALPHA_FE = 1800.0, 0.4
#: Bands that are marked, vacuum [Angstrom].
MARKS = tuple(tuple(air_to_vacuum(band.centre)) for band in (
    BANDS["ca_k"], CH_BAND, BANDS["c2_4737"], BANDS["c2_5165"]))


def queue(table):
    """Put candidates into the order in which they are looked at: the surest first.

    Parameters
    ----------
    table : pandas.DataFrame
        Candidates.

    Returns
    -------
    pandas.DataFrame
        G band confirmed first, then by P(CEMP) to two digits and S/N, as notebook 05 ranks.
    """
    ranked = table.assign(_sure=table["gband_grade"] == "confirmed",
                          _level=table["p_cemp"].round(2))
    order = ranked.sort_values(["_sure", "_level", "snrg", "obsid"], ascending=False).index
    return table.loc[order].reset_index(drop=True)


def model_labels(star):
    """Give the emulator's labels of a candidate, at its own [C/Fe] and at [C/Fe] = 0.

    Parameters
    ----------
    star : pandas.Series
        A candidate's row.

    Returns
    -------
    nodes : ndarray, shape (2, 6)
        Labels of `cemp.synthesis.emulator.Emulator.emulate`: fitted carbon, then normal.
    held : list of str
        Labels that had to be held at the edge of the grid.
    """
    teff = np.clip(star["teff"], *TEFF_RANGE)
    logg = np.clip(star["logg"], *strip(teff))
    fe_h = np.clip(star["fe_h"], *FE_H_RANGE)
    highest = min(C_FE_HIGH, C_H_HIGH - fe_h)
    c_fe = np.clip(star["c_fe"], C_FE_LOW, highest)
    kept = {"teff": teff, "logg": logg, "fe_h": fe_h, "c_fe": c_fe}
    held = [name for name, value in kept.items() if not np.isclose(value, star[name], atol=1e-3)]
    nodes = [[teff, logg, fe_h, carbon, ALPHA_FE, 0.0] for carbon in (c_fe, min(0.0, highest))]
    return np.array(nodes), held


def label_covariance(star):
    """Give the error covariance of a candidate's four labels.

    Parameters
    ----------
    star : pandas.Series

    Returns
    -------
    ndarray, shape (4, 4)
        Teff and log g are taken as independent of the rest.
    """
    covariance = np.diag([star[f"e_{name}"] ** 2 for name in LABELS])
    covariance[2:, 2:] = covariance_of(star.to_frame().T.astype(
        {name: float for name in ("e_fe_h", "e_c_h", "cov_fe_h_c_h")}))[0]
    return covariance


def nearest_star(star, training):
    """Find the training star nearest to a candidate in the labels.

    Parameters
    ----------
    star : pandas.Series
        A candidate's row.
    training : pandas.DataFrame
        obsid and the four labels, one row a star.

    Returns
    -------
    pandas.Series
        Its row, with distance: the root mean square over the four labels of the difference in
        units of the candidate's errors, correlation included. Above 2 or so the network had to
        extrapolate.
    """
    step = training[list(LABELS)].to_numpy(float) - star[list(LABELS)].to_numpy(float)
    inverse = np.linalg.pinv(label_covariance(star))
    distance = np.sqrt(np.einsum("ij,jk,ik->i", step, inverse, step) / len(LABELS))
    best = int(np.argmin(distance))
    return pd.concat([training.iloc[best], pd.Series({"distance": distance[best]})])


def training_stars(paths, store, snrg_min):
    """Read the stars that the network learned from, each by its best spectrum.

    Parameters
    ----------
    paths : cemp.paths.Paths
    store : cemp.vectors.VectorStore
    snrg_min : float
        Least S/N in g.

    Returns
    -------
    pandas.DataFrame
        obsid, star_id, snrg and the four labels, all known; empty if a survey has no labels of
        its own.
    """
    spectra = pd.read_parquet(paths.build / "01" / "observations.parquet",
                              columns=["obsid", "star_id", "snrg", "fold"])
    stars = pd.read_parquet(paths.build / "01" / "labels.parquet",
                            columns=["star_id", *LABELS, "c_h_limit"])
    stars = stars[~stars.pop("c_h_limit").astype(bool)].dropna()
    rows = spectra[(spectra.pop("fold") == "train") & (spectra["snrg"] >= snrg_min)]
    rows = rows[store.has(rows["obsid"])].sort_values("snrg", ascending=False)
    return rows.drop_duplicates("star_id").merge(stars, on="star_id", validate="one_to_one")


class Pages:
    """The pages of a profile's candidates.

    Parameters
    ----------
    paths : cemp.paths.Paths
        The profile; notebooks 01, 02 and 05 have been run.
    library : cemp.synthesis.emulator.Emulator
        Or anything with its ``emulate`` and ``wave``.
    snrg_min : float
        Least S/N of training spectra, as notebook 03 takes them.

    Attributes
    ----------
    table : pandas.DataFrame
        Candidates in the order of `queue`; assign a part of it to look at fewer.
    mock : bool
        True if the catalogue says that it is a mock's.

    Raises
    ------
    BadInputError
        If there is no candidate table, or it does not say whether it is a mock's.
    """

    def __init__(self, paths, library, snrg_min=50.0):
        catalogue = paths.build / "05" / "candidates.fits"
        self.table = queue(read_fits(catalogue))
        header = fits.getheader(catalogue, "CANDIDATES")
        if "MOCK" not in header:
            raise BadInputError(f"{catalogue} does not say if it is a mock's: rerun notebook 05")
        self.mock, self.profile = bool(header["MOCK"]), paths.profile
        self.library, self.store = library, open_vectors(paths.build / "02" / "vectors")
        self.training = training_stars(paths, self.store, snrg_min)

    def __len__(self):
        return len(self.table)

    def page(self, k):
        """Gather what page k shows.

        Parameters
        ----------
        k : int
            Place in `table`, from 0.

        Returns
        -------
        dict
            star (row of the table), wave, flux, sigma, fitted, normal (n_pix,; NaN at bad
            pixels), c_fe (of the fitted model), held (labels at the grid's edge), train_flux,
            train (row; None if there are no training stars), plane (all candidates: fe_h,
            c_fe), covariance (2, 2) of ([Fe/H], [C/Fe]), flags (names of those set), marks
            (`MARKS`), origin, place (text).
        """
        star = self.table.iloc[k]
        nodes, held = model_labels(star)
        smooth = degrade(self.library.wave, self.library.emulate(nodes)[0], RESOLUTION, GRID_R)
        fitted, normal = normalise(self.library.wave, smooth)
        page = {
            "star": star, "wave": WAVE, "fitted": fitted, "normal": normal, "held": held,
            "c_fe": nodes[0, 3], "train": None, "train_flux": np.full(WAVE.size, np.nan),
            "plane": self.table[["fe_h", "c_fe"]], "covariance": plane_covariance(star),
            "marks": MARKS, "flags": [name for name in FLAGS if bool(star[name])],
            "origin": f"MOCK SURVEY ({self.profile}): not a real star" if self.mock else
            f"LAMOST ({self.profile})", "place": f"candidate {k + 1} of {len(self)}",
        }
        page["flux"], page["sigma"] = self._spectrum(star["obsid"])
        if len(self.training):
            page["train"] = nearest_star(star, self.training)
            page["train_flux"] = self._spectrum(page["train"]["obsid"])[0]
        return page

    def _spectrum(self, obsid):
        """Read flux and its error, NaN where not good."""
        vectors = self.store.read([int(obsid)])
        with np.errstate(divide="ignore"):
            sigma = 1 / np.sqrt(vectors.ivar[0])
        return [np.where(vectors.good[0], values, np.nan) for values in (vectors.flux[0], sigma)]


def plane_covariance(star):
    """Give the error covariance of [Fe/H] and [C/Fe].

    Parameters
    ----------
    star : pandas.Series
        e_fe_h, e_c_h, cov_fe_h_c_h of a candidate.

    Returns
    -------
    ndarray, shape (2, 2)
        [dex^2]; from that of ([Fe/H], [C/H]) with [C/Fe] = [C/H] - [Fe/H].

    Examples
    --------
    >>> plane_covariance({"e_fe_h": 0.3, "e_c_h": 0.4, "cov_fe_h_c_h": 0.0}).round(2).tolist()
    [[0.09, -0.09], [-0.09, 0.25]]
    """
    iron, both = star["e_fe_h"] ** 2, star["cov_fe_h_c_h"]
    carbon = star["e_c_h"] ** 2
    return np.array([[iron, both - iron], [both - iron, iron + carbon - 2 * both]])


def open_pages(paths):
    """Open the pages of a profile, with the library half of the synthetic spectra.

    Parameters
    ----------
    paths : cemp.paths.Paths

    Returns
    -------
    Pages
    """
    return Pages(paths, load_emulator("library", cache=paths.root / "build" / "emulator"))
