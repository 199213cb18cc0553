"""Numbers and conventions that every stage shares."""

import numpy as np

#: Stellar labels in the order every array uses: [K], [dex, cgs], [dex], [dex].
LABELS = ("teff", "logg", "fe_h", "c_h")

#: Model wavelength grid: vacuum, rest frame, 1 Angstrom steps, shape (n_pix,).
WAVE = np.arange(3800.0, 8801.0)
N_PIX = WAVE.size

#: Speed of light [km/s].
C_KMS = 299_792.458

#: Solar abundances A(X) = log10(n_X / n_H) + 12 of Asplund et al. (2009, ARA&A 47, 481).
SOLAR_A = {"C": 8.43, "N": 7.83, "Fe": 7.50}

#: What the surveys write where a value is missing; NaN once a table has been read.
SENTINELS = (-9999.0, -9999.99, -999.0)

#: One seed for the whole paper; every stage derives its own stream from it and its name.
SEED = 20261122


def air_to_vacuum(wave_air):
    """Convert air wavelengths to vacuum.

    Parameters
    ----------
    wave_air : array_like
        Wavelength in standard air [Angstrom], above 2000.

    Returns
    -------
    ndarray
        Vacuum wavelength [Angstrom], same shape.

    Notes
    -----
    The inverse of the Ciddor (1996, Applied Optics 35, 1566) relation as fitted by
    N. Piskunov for VALD; it agrees with Ciddor to better than 0.0003 Angstrom.
    """
    wave_air = np.asarray(wave_air, dtype=float)
    s2 = (1e4 / wave_air) ** 2
    index = (
        1
        + 8.336624212083e-5
        + 2.408926869968e-2 / (130.1065924522 - s2)
        + 1.599740894897e-4 / (38.92568793293 - s2)
    )
    return wave_air * index


def rng(stage, seed=SEED):
    """Make the random generator of one stage.

    Parameters
    ----------
    stage : str
        Name of the stage; different names give independent streams.
    seed : int
        The paper's seed.

    Returns
    -------
    numpy.random.Generator
    """
    return np.random.default_rng([seed, *stage.encode()])
