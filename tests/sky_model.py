"""A sky model with known answers, for the tests of predictions: it says the same of every star."""

import numpy as np
import torch

from cemp.constants import LABELS
from cemp.models.io import save_model
from cemp.models.macrn import LEAST_ERROR, Macrn, MacrnConfig

TINY = MacrnConfig(kernels=(3, 5), channels=(2, 4, 4), reduction=2, lstm_units=4, step_features=2,
                   head_units=8, covariance=True, dropout=0.0)  # fmt: skip
#: A CEMP giant, and the Cholesky factor of the errors of its labels.
LABEL = np.array([4800.0, 1.8, -2.4, -1.5])
FACTOR = np.array([[90.0, 0, 0, 0], [0, 0.3, 0, 0], [0, 0, 0.2, 0], [0, 0, 0.1, 0.25]])


def constant_member(folder, labels=LABEL, factor=FACTOR, **about):
    """Save a network whose answer is its bias."""
    torch.manual_seed(1)
    model = Macrn(TINY).eval()
    raw = np.log(np.expm1(np.diag(factor) - LEAST_ERROR))  # the inverse of softplus
    below = factor[np.tril_indices(len(LABELS), -1)]
    with torch.no_grad():
        for layer in (model.labels, model.factor):
            layer.weight.zero_()
        model.labels.bias.zero_()
        model.factor.bias.copy_(torch.tensor(np.r_[raw, below]))
        model.label_mean.copy_(torch.tensor(labels))
    return save_model(model, folder, **about)


def seeing_member(folder):
    """Save a network whose answer depends on the spectrum, by its random start."""
    torch.manual_seed(2)
    model = Macrn(TINY).eval()
    with torch.no_grad():
        model.flux_scale.fill_(0.05)
        model.labels.weight.mul_(30)
        model.label_mean.copy_(torch.tensor(LABEL))
        model.label_scale.copy_(torch.tensor([300.0, 0.5, 0.5, 0.5]))
    return save_model(model, folder)
