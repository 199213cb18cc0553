"""The mock's LAMOST LRS stellar catalogue, column by column as the survey's own."""

import gzip
import io

import numpy as np
import pandas as pd
from astropy.io import fits
from astropy.table import Table

from cemp.atomic import atomic_path
from cemp.constants import rng

#: Columns in the survey's order with their FITS types (schema as documented for DR10).
COLUMNS = {
    "obsid": "i8", "uid": "S18", "gp_id": "i8", "designation": "S26", "obsdate": "S10",
    "lmjd": "i4", "mjd": "i4", "planid": "S24", "spid": "i4", "fiberid": "i4",
    "ra_obs": "f8", "dec_obs": "f8", "snru": "f4", "snrg": "f4", "snrr": "f4", "snri": "f4",
    "snrz": "f4", "class": "S8", "subclass": "S12", "z": "f8", "z_err": "f8", "ps_id": "i8",
    "mag_ps_g": "f4", "mag_ps_r": "f4", "mag_ps_i": "f4", "mag_ps_z": "f4", "mag_ps_y": "f4",
    "gaia_source_id": "i8", "gaia_g_mean_mag": "f4", "fibertype": "S8", "offsets": "?",
    "offsets_v": "f4", "ra": "f8", "dec": "f8", "teff": "f4", "teff_err": "f4", "logg": "f4",
    "logg_err": "f4", "feh": "f4", "feh_err": "f4", "rv": "f4", "rv_err": "f4",
    "alpha_m": "f4", "alpha_m_err": "f4", "vsini_lasp": "f4",
}  # fmt: skip
MISSING = -9999.0
#: LASP's library ends here: more metal-poor stars get no label, or a wrong one.
LASP_FLOOR = -2.5
#: S/N in g under which LASP gives up.
LASP_SNR = 10.0
#: Shares of rows: S/N that failed (999), sources without a Gaia identifier, repeated rows.
SNR_FAILED, NO_GAIA, REPEATED = 0.002, 0.04, 0.002


def lasp_labels(star, snr, generator):
    """Make up what the survey's own pipeline would give.

    Parameters
    ----------
    star : pandas.DataFrame, n rows
        teff, logg, fe_h, alpha_fe, rv of the star of each spectrum.
    snr : ndarray, shape (n,)
        In g.
    generator : numpy.random.Generator

    Returns
    -------
    dict of str to ndarray
        LASP's columns, -9999 where S/N < 10 or [Fe/H] < -2.5; the metal-poor ones that do get
        labels are up to 0.3 dex too metal-rich near the floor.
    """
    noise = np.sqrt(0.4 + 30.0 / snr)
    errors = {"teff": 55.0 * noise, "logg": 0.09 * noise, "feh": 0.06 * noise,
              "rv": 3.5 * noise, "alpha_m": 0.05 * noise}  # fmt: skip
    truth = {"teff": star["teff"], "logg": star["logg"], "rv": star["rv"],
             "alpha_m": star["alpha_fe"],
             "feh": star["fe_h"] + 0.3 * np.clip(-1.5 - star["fe_h"], 0, 1)}  # fmt: skip
    lost = (snr < LASP_SNR) | (star["fe_h"].to_numpy() < LASP_FLOOR)
    lost |= (star["kind"] != "star").to_numpy()
    lost |= generator.random(len(star)) < 0.5 * (star["fe_h"].to_numpy() < -2.0)
    out = {}
    for name, error in errors.items():
        value = truth[name].to_numpy() + error * generator.normal(0, 1, len(star))
        value = np.maximum(value, LASP_FLOOR) if name == "feh" else value
        out[name] = np.where(lost, MISSING, value)
        out[f"{name}_err"] = np.where(lost, MISSING, error)
    fast = np.where(generator.random(len(star)) < 0.05, generator.uniform(30, 80, len(star)), -1)
    return {**out, "vsini_lasp": np.where(lost | (fast < 0), MISSING, fast)}


def magnitudes(gmag, teff, ebv):
    """Give Pan-STARRS and Gaia magnitudes from g and a rough colour.

    Parameters
    ----------
    gmag : ndarray, shape (n,)
        Pan-STARRS g.
    teff, ebv : ndarray, shape (n,)

    Returns
    -------
    dict of str to ndarray
    """
    g_r = np.clip(0.5 + (5500 - teff) / 3200, 0.1, 1.4) + 0.95 * ebv
    steps = {"g": 0.0, "r": 1.0, "i": 1.35, "z": 1.5, "y": 1.6}
    out = {f"mag_ps_{band}": gmag - step * g_r for band, step in steps.items()}
    return {**out, "gaia_g_mean_mag": gmag - 0.75 * g_r}


def lamost_table(stars, observations, seed=0):
    """Build the catalogue of observed spectra.

    Parameters
    ----------
    stars : pandas.DataFrame
        By star_key.
    observations : pandas.DataFrame
        With the measured snru ... snrz, z, z_err of the spectra as written.
    seed : int

    Returns
    -------
    pandas.DataFrame
        Columns `COLUMNS`, sorted by obsid, with a few repeated rows.
    """
    generator = rng("lamost catalogue", seed)
    star = stars.set_index("star_key").loc[observations["star_key"]].reset_index()
    n = len(observations)
    same = [name for name in COLUMNS if name in observations]
    table = observations[same].reset_index(drop=True).assign(
        designation=observations["desig"].to_numpy(), ra_obs=observations["ra"].to_numpy(),
        dec_obs=observations["dec"].to_numpy(), offsets=False, offsets_v=0.0)  # fmt: skip
    table["class"] = observations["cls"].to_numpy()
    bad = observations["z_bad"].to_numpy(bool)
    for name in ("z", "z_err"):
        table[name] = np.where(bad, MISSING, observations[name].fillna(MISSING))
    snr = observations["snr_g"].to_numpy(float)
    table = table.assign(**lasp_labels(star, snr, generator))
    table = table.assign(**magnitudes(*(star[k].to_numpy() for k in ("gmag", "teff", "ebv"))))
    table["ps_id"] = by_star(star, generator.integers(10**16, 2 * 10**17, len(star)))
    gaia = star["gaia_source_id"].where(by_star(star, generator.random(n)) >= NO_GAIA, -9999)
    table["gaia_source_id"] = gaia.where(gaia > 0, -9999)
    table.loc[generator.random(n) < SNR_FAILED, "snrg"] = 999.0
    again = table.sample(frac=REPEATED, random_state=generator)
    table = pd.concat([table, again]).sort_values("obsid", kind="stable", ignore_index=True)
    return table[list(COLUMNS)]


def by_star(star, values):
    """Give all rows of one star the value of its first row.

    Parameters
    ----------
    star : pandas.DataFrame, n rows
        With star_key.
    values : ndarray, shape (n,)

    Returns
    -------
    ndarray, shape (n,)
    """
    return pd.Series(values).groupby(star["star_key"].to_numpy()).transform("first").to_numpy()


def write_lamost(table, path):
    """Write the catalogue as the survey distributes it: FITS in gzip.

    Parameters
    ----------
    table : pandas.DataFrame
        From `lamost_table`.
    path : pathlib.Path
        ``dr11_v1.1_LRS_stellar.fits.gz``.
    """
    columns = {name: np.asarray(table[name]).astype(kind) for name, kind in COLUMNS.items()}
    plain = io.BytesIO()
    hdu = fits.table_to_hdu(Table(columns))
    fits.HDUList([fits.PrimaryHDU(), hdu]).writeto(plain)
    with atomic_path(path) as temporary:
        # no time stamp and no name inside: equal tables give equal files
        temporary.write_bytes(gzip.compress(plain.getvalue(), 1, mtime=0))
