"""SpecClip: two encoders aligned by contrast, then labels from the frozen embedding."""

import math

import numpy as np
import torch

from cemp.constants import LABELS, SEED, rng
from cemp.errors import BadInputError
from cemp.methods.base import Method, Prediction
from cemp.methods.specclip.encoders import Pair, dense
from cemp.methods.specclip.xp import XpSpectra, extinction, log_flux, read_xp
from cemp.models.data import Augment, augment, to_input
from cemp.models.device import make_deterministic
from cemp.models.loss import bin_weights, masked_mse
from cemp.models.scaler import LabelScaler
from cemp.sample import balanced_draw

_FE_H = LABELS.index("fe_h")


def descend(loss, parameters, steps, rate, decay, clip=1.0):
    """Take Adam steps at a rate that rises over the first tenth, then falls as a cosine.

    Parameters
    ----------
    loss : callable
        Takes the number of the step, gives a scalar tensor.
    parameters : iterable of torch.nn.Parameter
    steps : int
    rate, decay, clip : float
        Highest learning rate, decoupled weight decay, largest norm of a gradient.
    """
    parameters = list(parameters)
    optimizer = torch.optim.AdamW(parameters, weight_decay=decay)
    for step in range(steps):
        done = step / steps
        now = done / 0.1 if done < 0.1 else (1 + math.cos(math.pi * (done - 0.1) / 0.9)) / 2
        optimizer.param_groups[0]["lr"] = rate * max(now, 0.01)
        optimizer.zero_grad()
        loss(step).backward()
        torch.nn.utils.clip_grad_norm_(parameters, clip)
        optimizer.step()


class SpecClip(Method):
    """Labels from the LAMOST embedding of a contrastive model (Zhao et al. 2025), in small.

    Only spectra of the training rows are used, and labels only after the encoders are frozen
    (and to draw batches balanced in [Fe/H]). See `cemp.methods.specclip` for what the model of
    that name has and this one has not.

    Parameters
    ----------
    xp : XpSpectra or path of one written
        XP spectra of the training stars, by obsid; not needed to predict labels.
    epochs, batch : int
        Balanced draws from the pairs, and pairs in a batch (the negatives of each other).
    size, width, shared : int
        Of the embedding, of the convolutions, and of the space in which the surveys are aligned.
    temperature : float
        Of InfoNCE, to start with.
    decode : float
        Weight of the decoders' loss: contrast alone asks the embedding for no more than what
        tells stars apart in both surveys, and XP spectra hardly show CH.
    contrast : float
        Weight of InfoNCE.
    rate, decay, dropout : float
        Of the encoders' training.
    dust : float
        Rms of the reddening E(B-V) added to training XP spectra [mag].
    copies : int
        Noisy copies of each training spectrum on which the labels' network is trained.
    head_steps : int
        Its steps.
    noise : Augment
        Of training spectra: they have S/N >= 50, those judged have any.
    seed : int
    """

    name = "SpecCLIP-like"
    TRIALS = (
        {},
        {"width": 16, "epochs": 30},
        {"width": 16, "epochs": 30, "contrast": 1.0},
        {"width": 16, "epochs": 30, "contrast": 1.0, "decode": 0.0},
        {"width": 16, "epochs": 30, "dropout": 0.3},
        {"width": 16, "epochs": 30, "rate": 4e-3},
        {"width": 16, "epochs": 30, "size": 256},
        {"width": 16, "epochs": 50},
    )

    def __init__(self, xp=None, epochs=20, batch=128, size=128, width=32, shared=64,
                 temperature=0.07, decode=1.0, contrast=0.1, rate=2e-3, decay=1e-2, dropout=0.1,
                 dust=0.03, copies=6, head_steps=1500, noise=Augment(), seed=SEED):  # noqa: B008
        self.xp, self.epochs, self.batch, self.size = xp, epochs, batch, size
        self.width, self.shared, self.temperature = width, shared, temperature
        self.decode, self.contrast, self.rate = decode, contrast, rate
        self.decay, self.dropout, self.dust = decay, dropout, dust
        self.copies, self.head_steps, self.noise, self.seed = copies, head_steps, noise, seed

    def fit(self, spectra, labels, validation=None):
        """Align the encoders, freeze them, learn labels from either embedding.

        Parameters
        ----------
        spectra : object
            Training rows with `obsid`, `flux`, `ivar`, `good`.
        labels : ndarray (n, 4)
        validation : tuple, optional
            Not used: nothing is stopped early.

        Returns
        -------
        SpecClip

        Raises
        ------
        BadInputError
            If fewer than 30 training spectra have an XP spectrum and [Fe/H].
        """
        make_deterministic(self.seed, torch.get_num_threads())
        xp = self._xp().of(spectra.obsid)
        pairs = np.flatnonzero(xp.there & np.isfinite(labels[:, _FE_H]))
        if len(pairs) < 30:
            raise BadInputError(f"{self.name} needs 30 training spectra with XP spectra, got "
                                f"{len(pairs)}: give xp= those of the training stars")
        flux, ivar, good = (np.asarray(a) for a in (spectra.flux, spectra.ivar, spectra.good))
        xp = XpSpectra(*(array[pairs] for array in vars(xp).values()))
        self.scaler_ = LabelScaler().fit(labels)
        self.model_ = self._align(flux[pairs], ivar[pairs], good[pairs], xp, labels[pairs, _FE_H])
        self.heads_ = (self._head(self._lamost_copies(flux, ivar, good), labels),
                       self._head(self._xp_copies(xp), labels[pairs]))  # fmt: skip
        return self

    def _xp(self):
        """Give the XP spectra, read if need be."""
        if self.xp is None:
            raise BadInputError(f"{self.name} is trained on pairs: give xp= the XP spectra")
        return self.xp if isinstance(self.xp, XpSpectra) else read_xp(self.xp)

    def _vary_xp(self, ln_flux, error, random):
        """Add noise and dust to ln(flux) of training XP spectra."""
        worse = random.exponential(1.0, (len(ln_flux), 1)) * error
        dust = self.dust * random.standard_normal((len(ln_flux), 1)) * extinction()
        return torch.from_numpy((ln_flux + worse * random.standard_normal(ln_flux.shape)
                                 + dust - dust.mean(axis=1, keepdims=True)).astype(np.float32))

    def _align(self, flux, ivar, good, xp, fe_h):
        """Train encoders and decoders; return them frozen."""
        random = rng("methods specclip", self.seed)
        ln_flux, error = log_flux(xp)
        model = Pair(flux, good, ln_flux, self.size, self.width, self.shared, self.temperature,
                     self.dropout)
        mean = model.lamost.mean.numpy()
        clean = (model.lamost_parts.scores(torch.from_numpy(
                     np.where(good, flux - 1, mean).astype(np.float32))),
                 model.xp_parts.scores(torch.from_numpy(ln_flux.astype(np.float32))))  # fmt: skip
        batches = [part for _ in range(self.epochs) for part in self._draw(fe_h, random)]
        star = torch.from_numpy(np.asarray(xp.star, dtype=np.int64))

        def loss(step):
            rows = batches[step]
            seen = augment(flux[rows], ivar[rows], good[rows], random, self.noise)
            lamost = model.lamost(to_input(*seen))
            other = model.xp(self._vary_xp(ln_flux[rows], error[rows], random))
            return (self.contrast * model.contrast(lamost, other, star[rows])
                    + self.decode * model.decoding((lamost, other), [c[rows] for c in clean]))

        model.train()
        descend(loss, model.parameters(), len(batches), self.rate, self.decay)
        return model.eval().requires_grad_(False)

    def _draw(self, fe_h, random):
        """Batches of one epoch, balanced in [Fe/H]."""
        rows = random.permutation(balanced_draw(fe_h, random))
        return np.array_split(rows, math.ceil(len(rows) / self.batch))

    def _lamost_copies(self, flux, ivar, good):
        """Embeddings (copies, n, size) of noisy copies of the training spectra."""
        random = rng("methods specclip copies", self.seed)
        return np.stack([_in_parts(
            lambda part: self._encode(*augment(flux[part], ivar[part], good[part], random,
                                               self.noise)), len(flux))
            for _ in range(self.copies)])

    def _xp_copies(self, xp):
        """Do the same with XP spectra."""
        random = rng("methods specclip xp copies", self.seed)
        ln_flux, error = log_flux(xp)
        return np.stack([self.model_.xp(self._vary_xp(ln_flux, error, random)).numpy()
                         for _ in range(self.copies)])

    def _head(self, embedding, labels):
        """Train a dense network from embeddings (copies, n, size) to standardised labels (n, 4)."""
        random = rng("methods specclip head", self.seed)
        torch.manual_seed(self.seed)
        x = torch.from_numpy(embedding)
        centre, spread = x.mean(dim=(0, 1)), x.std(dim=(0, 1))
        x = (x - centre) / spread
        target = torch.from_numpy(self.scaler_.transform(labels).astype(np.float32))
        known = np.isfinite(labels[:, _FE_H])
        weight = np.where(known, bin_weights(np.where(known, labels[:, _FE_H], 0)), 0)
        weight = torch.from_numpy(weight.astype(np.float32))
        head = dense(self.size, len(LABELS), 256, 0.2)

        def loss(step):
            rows = random.integers(len(labels), size=256)
            return masked_mse(head(x[random.integers(len(x), size=256), rows]), target[rows],
                              weight[rows])

        descend(loss, head.parameters(), self.head_steps, 3e-3, 1e-2)
        return centre, spread, head.eval().requires_grad_(False)

    def _encode(self, flux, good):
        """Embeddings (n, size) of LAMOST spectra, as an array."""
        return self.model_.lamost(to_input(flux, good)).numpy()

    def labels(self, embedding, survey):
        """Labels (n, 4) in K and dex of embeddings of survey 0 (LAMOST) or 1 (XP)."""
        centre, spread, network = self.heads_[survey]
        scaled = network((torch.from_numpy(embedding) - centre) / spread)
        return self.scaler_.inverse(scaled.numpy())

    def embed(self, spectra):
        """Embed LAMOST spectra: ndarray (n, size)."""
        flux, good = np.asarray(spectra.flux), np.asarray(spectra.good)
        return _in_parts(lambda part: self._encode(flux[part], good[part]), len(flux))

    def embed_xp(self, xp):
        """Embed XP spectra: ndarray (n, size), NaN where there is none."""
        out = np.full((len(xp), self.size), np.nan, dtype=np.float32)
        ln_flux = torch.from_numpy(log_flux(xp)[0].astype(np.float32)[xp.there])
        out[xp.there] = self.model_.xp(ln_flux).numpy()
        return out

    def shared_space(self, embedding, survey):
        """Bring embeddings (n, size) of survey 0 (LAMOST) or 1 (XP) to the common space."""
        return self.model_.align(torch.from_numpy(embedding), survey).numpy()

    def predict(self, spectra):
        """Labels of LAMOST spectra, without errors."""
        return Prediction(self.labels(self.embed(spectra), 0))

    def predict_xp(self, xp):
        """Labels from XP spectra alone, without errors; NaN where there is none."""
        return Prediction(self.labels(self.embed_xp(xp), 1))

    def translate(self, embedding):
        """Normalised LAMOST flux (n, 5001) from embeddings of either survey."""
        scores = self.model_.decode[0](torch.from_numpy(embedding))
        return 1 + self.model_.lamost_parts.spectra(scores).numpy()

    @property
    def n_parameters(self):
        """Numbers learned: encoders, decoders and both label networks."""
        modules = (self.model_, *(head[2] for head in self.heads_))
        return sum(p.numel() for module in modules for p in module.parameters())


def _in_parts(compute, n, size=256):
    """Compute rows some at a time and join them."""
    return np.concatenate([compute(slice(k, k + size)) for k in range(0, n, size)])
