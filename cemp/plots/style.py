"""One look for every figure: journal column widths, colours that survive grey print."""

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.patches import Ellipse

#: Widths of an AASTeX column and page [inch].
COLUMN = 3.54
PAGE = 7.25

#: Okabe & Ito (2008) colours ordered so that neighbours differ in lightness too.
COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#000000")

STYLE = {
    "font.size": 8,
    "axes.titlesize": 8,
    "axes.labelsize": 8,
    "xtick.labelsize": 7,
    "ytick.labelsize": 7,
    "legend.fontsize": 7,
    "legend.frameon": False,
    "lines.linewidth": 1.0,
    "axes.linewidth": 0.6,
    "xtick.direction": "in",
    "ytick.direction": "in",
    "xtick.top": True,
    "ytick.right": True,
    "axes.prop_cycle": mpl.cycler(color=COLOURS),
    "image.cmap": "cividis",
    "figure.dpi": 120,
    "savefig.dpi": 200,
    "figure.constrained_layout.use": True,
    "mathtext.fontset": "dejavusans",
    "pdf.fonttype": 42,
}

#: Axis labels with units, by label name.
LABEL_TEXT = {
    "teff": r"$T_\mathrm{eff}$ [K]",
    "logg": r"$\log g$ [dex]",
    "fe_h": "[Fe/H] [dex]",
    "c_h": "[C/H] [dex]",
    "c_fe": "[C/Fe] [dex]",
}


def subplots(nrows=1, ncols=1, width=COLUMN, height=2.6, **kwargs):
    """Make a figure in the paper's style.

    Parameters
    ----------
    nrows, ncols : int
        Panels.
    width, height : float
        Size [inch]; the width is that of a journal column or page.
    **kwargs
        Passed to `matplotlib.pyplot.subplots`.

    Returns
    -------
    fig : matplotlib.figure.Figure
    axes : matplotlib.axes.Axes or ndarray of them
    """
    with mpl.rc_context(STYLE):
        return plt.subplots(nrows, ncols, figsize=(width, height), **kwargs)


def error_ellipse(centre, covariance, n_sigma, **style):
    """Make the ellipse `n_sigma` standard deviations from the centre of a Gaussian in two labels.

    Parameters
    ----------
    centre : tuple of float
    covariance : ndarray, shape (2, 2)
    n_sigma : float
    **style
        Passed to the patch.

    Returns
    -------
    matplotlib.patches.Ellipse
    """
    value, vector = np.linalg.eigh(covariance)
    width, height = 2 * n_sigma * np.sqrt(np.maximum(value, 0))
    return Ellipse(centre, width, height, angle=np.degrees(np.arctan2(*vector[::-1, 0])), **style)
