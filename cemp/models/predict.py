"""Labels for many spectra, a batch at a time."""

import numpy as np
import torch

from cemp.constants import LABELS
from cemp.models.data import to_input


def predict(model, flux, good, batch=128):
    """Predict labels of spectra in memory.

    Parameters
    ----------
    model : Macrn
        Trained network; left in the mode it was found in.
    flux : ndarray (n, 5001)
        Normalised rest-frame flux.
    good : ndarray (n, 5001) of bool
        True where a pixel can be used.
    batch : int
        Spectra at a time.

    Returns
    -------
    ndarray (n, 4)
        teff [K], logg [dex], fe_h [dex], c_h [dex].
    """
    was_training, device = model.training, model.label_mean.device
    model.eval()
    out = np.empty((len(flux), len(LABELS)))
    with torch.inference_mode():
        for start in range(0, len(flux), batch):
            part = slice(start, start + batch)
            labels = model.physical(to_input(flux[part], good[part]).to(device))
            out[part] = labels.cpu().numpy()
    model.train(was_training)
    return out


def predict_with_covariance(model, flux, good, batch=128):
    """Predict labels and the covariance of their errors.

    Parameters
    ----------
    model : Macrn
        Trained with ``MacrnConfig(covariance=True)``; left in the mode it was found in.
    flux, good, batch
        As for `predict`.

    Returns
    -------
    labels : ndarray (n, 4)
        teff [K], logg [dex], fe_h [dex], c_h [dex].
    covariance : ndarray (n, 4, 4)
        In products of these units.

    Raises
    ------
    BadInputError
        If the network predicts no covariance.
    """
    was_training, device = model.training, model.label_mean.device
    model.eval()
    labels = np.empty((len(flux), len(LABELS)))
    covariance = np.empty((len(flux), len(LABELS), len(LABELS)))
    with torch.inference_mode():
        for start in range(0, len(flux), batch):
            part = slice(start, start + batch)
            made = model.physical_distribution(to_input(flux[part], good[part]).to(device))
            labels[part], covariance[part] = (array.cpu().numpy() for array in made)
    model.train(was_training)
    return labels, covariance
