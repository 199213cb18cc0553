"""The night sky and the Earth's atmosphere, coarsely, for the mock's residuals."""

import numpy as np

from cemp.constants import air_to_vacuum

#: Sky continuum against wavelength, relative to 5250 Angstrom.
SKY_LEVEL = (np.array([3690.0, 4500, 5250, 6500, 7500, 9100]),
             np.array([0.8, 0.9, 1.0, 1.1, 1.3, 1.6]))

#: Sky emission lines: air wavelength [Angstrom], brightness against the sky continuum in a
#: pixel. Positions of [O I], Na and Hg lines and of the brighter OH lines (Osterbrock et al.
#: 1996, PASP 108, 277), rounded; brightness to a factor of about two.
SKY_LINES = np.array([
    (4358.3, 3), (5460.7, 3), (5577.3, 40), (5889.9, 5), (5895.9, 3), (6300.3, 20), (6363.8, 7),
    (6498.7, 2), (6533.0, 2), (6553.6, 2), (6863.9, 3), (6923.2, 3), (6949.0, 2), (7276.4, 8.4),
    (7284.4, 4.2), (7303.7, 5.6), (7316.3, 8.4), (7329.1, 5.6), (7340.9, 9.8), (7358.7, 5.6),
    (7369.4, 5.6), (7392.2, 4.2), (7401.7, 5.6), (7524.1, 5.6), (7571.7, 5.6), (7712.2, 8.4),
    (7750.6, 16.8), (7759.0, 5.6), (7780.4, 7), (7794.1, 19.6), (7808.5, 8.4), (7821.5, 18.2),
    (7841.3, 11.2), (7853.2, 11.2), (7870.8, 5.6), (7890.1, 5.6), (7913.7, 25.2), (7921.1, 5.6),
    (7949.2, 7), (7964.6, 22.4), (7993.3, 22.4), (8014.1, 7), (8025.8, 14), (8052.0, 5.6),
    (8062.2, 5.6), (8281.5, 8.4), (8288.6, 8.4), (8298.6, 8.4), (8310.7, 8.4), (8344.6, 22.4),
    (8352.8, 8.4), (8382.4, 8.4), (8399.2, 28), (8415.2, 11.2), (8430.2, 30.8), (8452.2, 14),
    (8465.4, 19.6), (8493.4, 11.2), (8504.6, 12.6), (8548.7, 5.6), (8761.4, 35.2), (8767.9, 70.4),
    (8778.3, 123.2), (8790.9, 44), (8827.1, 264), (8836.1, 70.4), (8849.6, 105.6), (8867.6, 176),
    (8885.9, 352), (8903.1, 123.2), (8919.6, 352), (8943.4, 176), (8957.9, 220), (8988.4, 158.4),
    (9001.6, 123.2), (9037.9, 105.6), (9049.2, 123.2)])

#: Depth of the telluric bands at R about 1800: vacuum wavelength [Angstrom], share absorbed.
TELLURIC = (np.array([3690, 5880, 5900, 5960, 5990, 6278, 6282, 6310, 6330, 6868, 6872, 6878,
                      6890, 6950, 6970, 7165, 7190, 7250, 7330, 7360, 7594, 7599, 7607, 7611,
                      7630, 7700, 7715, 8130, 8170, 8230, 8320, 8350, 8930, 8960, 9050, 9110]),
            np.array([.0, .0, .03, .02, .0, .0, .05, .03, .0, .0, .35, .22,
                      .25, .05, .0, .0, .18, .12, .1, .0, .0, .7, .75, .5,
                      .6, .1, .0, .0, .15, .18, .1, .0, .0, .25, .3, .3]))


def telluric_depth(wave):
    """Share of light that the atmosphere takes at vacuum wavelengths; shape of `wave`.

    Water bands carry ripples of about 15 Angstrom, their unresolved lines at R = 1800.
    """
    ripple = 1 + 0.5 * np.sin(wave / 2.4) * np.sin(wave / 7.1) * (np.abs(wave - 7650) > 60)
    return np.interp(wave, *TELLURIC) * ripple


def sky_lines(wave, brightness=None, resolving_power=1800.0):
    """Spectrum of the sky's emission lines.

    Parameters
    ----------
    wave : ndarray, shape (n,)
        Vacuum wavelength in the observatory's frame [Angstrom], in steps near 1e-4 dex.
    brightness : ndarray, shape (n_line,), optional
        Peak of each line; those of `SKY_LINES` by default.
    resolving_power : float

    Returns
    -------
    ndarray, shape (n,)
    """
    if brightness is None:
        brightness = SKY_LINES[:, 1]
    centre = air_to_vacuum(SKY_LINES[:, 0])
    # Only the pixels near each line: 16 to either side hold four sigma of any of them.
    near = np.searchsorted(wave, centre)[:, None] + np.arange(-16, 17)
    inside = (near >= 0) & (near < wave.size)
    near = np.clip(near, 0, wave.size - 1)
    distance = (wave[near] / centre[:, None] - 1) * resolving_power * 2.3548
    out = np.zeros_like(wave)
    np.add.at(out, near, inside * brightness[:, None] * np.exp(-0.5 * distance**2))
    return out
