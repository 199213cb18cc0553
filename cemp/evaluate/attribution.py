"""Where in wavelength a network looks: gradients and occlusion, with a control.

Inputs are those of the network, shape ``(n, 2, n_pix)``: flux minus 1 with bad pixels 0, and
the mask of good pixels. Any module that maps them to ``(n, n_label)`` can be asked. Channel
attention is no answer: a channel there is a filter, not a wavelength.
"""

import copy

import numpy as np
import torch


def input_gradients(model, inputs, label, batch=64):
    """Differentiate one output with respect to the flux of every pixel.

    Parameters
    ----------
    model : torch.nn.Module
        In its units of output; multiply by the label's scale for physical ones.
    inputs : torch.Tensor, shape (n, 2, n_pix)
    label : int
        Column of the output.
    batch : int
        Spectra at a time: bounds the memory.

    Returns
    -------
    ndarray, shape (n, n_pix)
        Zero at bad pixels, which the network cannot see.
    """
    model.eval()
    parts = []
    # the recurrent kernels of cuDNN refuse a backward pass in evaluation mode
    with torch.backends.cudnn.flags(enabled=False):
        for part in inputs.split(batch):
            x = part.detach().clone().requires_grad_(True)
            (gradient,) = torch.autograd.grad(model(x)[:, label].sum(), x)
            parts.append((gradient[:, 0] * part[:, 1]).cpu().numpy())
    return np.concatenate(parts)


def integrated_gradients(model, inputs, baseline, label, steps=16):
    """Share out the difference of one output between two spectra among the pixels.

    A gradient alone says how much a unit of flux would matter, also where the flux never varies.
    Summed along the straight path from a comparison spectrum it says what did matter
    (Sundararajan et al. 2017, ICML, 3319): the parts of all pixels add up to the difference of
    the outputs.

    Parameters
    ----------
    model : torch.nn.Module
    inputs, baseline : torch.Tensor, shape (n, 2, n_pix)
        Spectra, and for each the one it is compared with.
    label : int
        Column of the output.
    steps : int
        Midpoints on the path; the sum misses the difference by some per cent at 16.

    Returns
    -------
    ndarray, shape (n, n_pix)
        In the unit of the output, flux and mask channel of a pixel taken together.
    """
    model.eval()
    change, total = inputs - baseline, torch.zeros_like(inputs)
    with torch.backends.cudnn.flags(enabled=False):
        for fraction in (np.arange(steps) + 0.5) / steps:
            x = (baseline + float(fraction) * change).requires_grad_(True)
            total += torch.autograd.grad(model(x)[:, label].sum(), x)[0]
    return (change * total / steps).sum(dim=1).cpu().numpy()


@torch.no_grad()
def outputs(model, inputs, batch=256):
    """Run a network in evaluation mode; gives shape (n, n_label)."""
    model.eval()
    return np.concatenate([model(part).cpu().numpy() for part in inputs.split(batch)])


def hide(inputs, hidden):
    """Mark pixels as bad, as a gap in the data would be.

    Parameters
    ----------
    inputs : torch.Tensor, shape (n, 2, n_pix)
    hidden : array_like of bool, shape (n_pix,)

    Returns
    -------
    torch.Tensor, shape (n, 2, n_pix)
        A copy with both channels zero at the hidden pixels.
    """
    keep = torch.as_tensor(~np.asarray(hidden), dtype=inputs.dtype, device=inputs.device)
    return inputs * keep


def occlusion(model, inputs, label, width=50, step=25):
    """Change of one output when a sliding window of pixels is hidden.

    Parameters
    ----------
    model : torch.nn.Module
    inputs : torch.Tensor, shape (n, 2, n_pix)
    label : int
    width, step : int
        Window and its step [pixel].

    Returns
    -------
    centres : ndarray, shape (n_window,)
        Pixel index of the middle of each window.
    change : ndarray, shape (n, n_window)
        Output with the window hidden minus output without.
    """
    pixel = np.arange(inputs.shape[-1])
    starts = np.arange(0, pixel.size - width + 1, step)
    before = outputs(model, inputs)[:, label]
    windows = [(pixel >= start) & (pixel < start + width) for start in starts]
    after = [outputs(model, hide(inputs, window))[:, label] for window in windows]
    return starts + 0.5 * (width - 1), np.stack(after, axis=1) - before[:, None]


def randomised(model, seed):
    """Copy a network with the elements of every weight tensor shuffled.

    The sanity check of Adebayo et al. (2018, NeurIPS): a map that looks the same for such a
    network shows the spectrum or the architecture, not what was learnt.

    Parameters
    ----------
    model : torch.nn.Module
    seed : int

    Returns
    -------
    torch.nn.Module
        Same architecture, same distribution of weights, no knowledge.
    """
    generator = torch.Generator().manual_seed(seed)
    control = copy.deepcopy(model).cpu()
    with torch.no_grad():
        for parameter in control.parameters():
            order = torch.randperm(parameter.numel(), generator=generator)
            parameter.copy_(parameter.flatten()[order].view_as(parameter))
    return control.to(next(model.parameters()).device)


def concentration(profile, inside):
    """How much more a region holds of a profile than its share of pixels.

    Parameters
    ----------
    profile : ndarray, shape (..., n)
        Gradient or occlusion; its absolute value counts.
    inside : ndarray of bool, shape (n,)

    Returns
    -------
    ndarray, shape (...)
        1 for a profile that does not care; 1 / (share of pixels) if all of it is inside.
    """
    size = np.abs(profile)
    return size[..., inside].sum(axis=-1) / size.sum(axis=-1) / inside.mean()


def profiles(model, inputs, baseline, label, width, step):
    """Average gradients and occlusion over a class of stars.

    Parameters
    ----------
    model : torch.nn.Module
    inputs, baseline : torch.Tensor, shape (n, 2, n_pix)
        Spectra of the class, and for each the one it is compared with.
    label, width, step : int
        As for `occlusion`.

    Returns
    -------
    dict of str to ndarray
        ``gradient`` (n_pix,), mean size; ``part`` (n_pix,), mean of the integrated gradients with
        their sign; ``occlusion`` (n_window,), mean size of the change.
    """
    _, change = occlusion(model, inputs, label, width, step)
    return {
        "gradient": np.abs(input_gradients(model, inputs, label)).mean(axis=0),
        "part": integrated_gradients(model, inputs, baseline, label).mean(axis=0),
        "occlusion": np.abs(change).mean(axis=0),
    }


def mean_flux(flux, good):
    """Average spectra over their good pixels.

    Parameters
    ----------
    flux : ndarray, shape (n, n_pix)
    good : ndarray of bool, shape (n, n_pix)

    Returns
    -------
    ndarray, shape (n_pix,)
        NaN where no spectrum has a good pixel.

    Examples
    --------
    >>> mean_flux(np.array([[1.0, 9.0], [3.0, 9.0]]), np.array([[True, False], [True, False]]))
    array([ 2., nan])
    """
    count = good.sum(axis=0)
    total = np.where(good, flux, 0).sum(axis=0)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def block_mean(values, size):
    """Average neighbouring elements of the last axis, a remainder at its end left out.

    >>> block_mean(np.array([1.0, 3.0, 5.0, 7.0, 100.0]), 2)
    array([2., 6.])
    """
    n = values.shape[-1] // size
    return values[..., : n * size].reshape(*values.shape[:-1], n, size).mean(axis=-1)
