"""A conditional generative adversarial network of stellar spectra, to fill rare corners.

Generator and critic see principal components, less what a quadratic in the labels explains of
them, which lets them train in a minute on a thousand spectra: Wasserstein loss with gradient
penalty (Gulrajani et al. 2017, NeurIPS 30), labels as condition, and labels blurred a little, for
a continuous label has hardly two spectra of its own (Ding et al. 2021, ICLR, CcGAN). What it makes
of labels where training has no stars is an extrapolation; `cemp.methods.gan_use` asks whether it
helps.
"""

import numpy as np
import torch
from torch import nn

from cemp.constants import LABELS, SEED, rng
from cemp.methods.base import complete
from cemp.methods.spcanet import Components
from cemp.models.data import Sample, unit_noise
from cemp.models.device import make_deterministic
from cemp.models.loss import bin_weights
from cemp.models.macrn import count_parameters
from cemp.models.quadratic import quadratic
from cemp.models.scaler import LabelScaler
from cemp.sample import balanced_draw

#: Training spectra among which the error array of a made spectrum is drawn: those nearest in Teff.
N_DONOR = 30


class _Generator(nn.Module):
    """Noise and labels to components: a quadratic in the labels, and a network for the rest."""

    def __init__(self, n_latent, n_hidden, coef, size):
        super().__init__()
        self.register_buffer("coef", torch.from_numpy(coef.astype(np.float32)))
        self.register_buffer("size", torch.from_numpy(size.astype(np.float32)))
        self.rest = _dense(n_latent + len(LABELS), n_hidden, coef.shape[1])

    def forward(self, noise, labels):
        """Rest of the components (b, k) in units of its scatter; what the critic judges."""
        return self.rest(torch.cat([noise, labels], dim=1))

    def scores(self, noise, labels, monomials):
        """Components (b, k) of spectra."""
        return monomials @ self.coef + self.size * self(noise, labels)


def _dense(n_in, n_hidden, n_out):
    """Two hidden layers."""
    return nn.Sequential(
        nn.Linear(n_in, n_hidden), nn.LeakyReLU(0.2),
        nn.Linear(n_hidden, n_hidden), nn.LeakyReLU(0.2), nn.Linear(n_hidden, n_out),
    )  # fmt: skip


class GanSpectra:
    """Spectra for given labels, made by a generator that a critic cannot tell from real ones.

    Parameters
    ----------
    n_components : int
        Principal components of the training spectra.
    n_latent : int
        Random numbers that a spectrum is made from besides its labels: nitrogen, resolution,
        the continuum's errors.
    n_hidden : int
        Units of each hidden layer of both networks.
    steps : int
        Of the generator.
    critic_steps : int
        Of the critic for each of the generator.
    batch : int
    penalty : float
        Weight of the gradient penalty.
    learning_rate : float
    blur : float
        Standard deviation by which condition labels are blurred [scatter of the labels].
    seed : int

    Attributes
    ----------
    components_ : cemp.methods.spcanet.Components
    scaler_ : cemp.models.scaler.LabelScaler
    generator_ : torch.nn.Module
    history_ : list of float
        The critic's estimate of the distance of made from real spectra, every 50 steps.
    """

    def __init__(self, n_components=40, n_latent=16, n_hidden=128, steps=1500, critic_steps=3,
                 batch=64, penalty=10.0, learning_rate=1e-3, blur=0.05, seed=SEED):  # fmt: skip
        self.n_components, self.n_latent, self.n_hidden = n_components, n_latent, n_hidden
        self.steps, self.critic_steps, self.batch = steps, critic_steps, batch
        self.penalty, self.learning_rate = penalty, learning_rate
        self.blur, self.seed = blur, seed

    def fit(self, spectra, labels):
        """Train generator and critic.

        Parameters
        ----------
        spectra : object
            With arrays ``flux``, ``ivar``, ``good`` (n, n_pix).
        labels : ndarray (n, 4)
            Rows with a missing label are left out.

        Returns
        -------
        GanSpectra
            Itself.
        """
        make_deterministic(self.seed, 1)
        random = rng("methods gan", self.seed)
        rows = np.flatnonzero(complete(labels, 50, "the GAN"))
        labels = np.asarray(labels, dtype=float)[rows]
        fe_h = labels[:, LABELS.index("fe_h")]
        self.components_ = Components(self.n_components)
        draw = rows[balanced_draw(fe_h, random)]
        self.components_.fit(spectra.flux[draw], spectra.good[draw])
        scores = self.components_.transform(spectra.flux[rows], spectra.good[rows])
        self.scaler_ = LabelScaler().fit(labels)
        self._donors = spectra.ivar[rows] * spectra.good[rows], labels[:, LABELS.index("teff")]
        share = bin_weights(fe_h, 0.25) / len(rows)
        self._train(scores, self.scaler_.transform(labels), share, random)
        return self

    def _train(self, scores, x, share, random):
        """Play the game; rare metallicities are drawn as often as common ones."""
        coef, rest = _quadratic_part(scores, x, share)
        size = np.sqrt(np.average(rest**2, axis=0, weights=share))
        self.generator_ = _Generator(self.n_latent, self.n_hidden, coef, size)
        self.critic_ = _dense(scores.shape[1] + len(LABELS), self.n_hidden, 1)
        players = [torch.optim.Adam(net.parameters(), self.learning_rate, betas=(0.0, 0.9))
                   for net in (self.generator_, self.critic_)]  # fmt: skip
        # slower towards the end: both would else circle about the solution
        slower = [torch.optim.lr_scheduler.LambdaLR(p, lambda step: 1 - step / self.steps)
                  for p in players]  # fmt: skip
        real, self.history_ = torch.from_numpy((rest / size).astype(np.float32)), []
        mean = [p.detach().clone() for p in self.generator_.parameters()]
        for step in range(self.steps):
            for _ in range(self.critic_steps):
                rows, labels = self._condition(x, share, random)
                made = self.generator_(self._noise(random), labels).detach()
                gap = self._critic_step(players[1], real[rows], made, labels, random)
            _, labels = self._condition(x, share, random)
            made = self.generator_(self._noise(random), labels)
            loss = -self.critic_(torch.cat([made, labels], dim=1)).mean()
            players[0].zero_grad()
            loss.backward()
            players[0].step()
            for one in slower:
                one.step()
            decay = min(0.995, (1 + step) / (10 + step))
            for average, now in zip(mean, self.generator_.parameters(), strict=True):
                average.lerp_(now.detach(), 1 - decay)
            if step % 50 == 0:
                self.history_.append(gap)
        for average, now in zip(mean, self.generator_.parameters(), strict=True):
            now.data.copy_(average)

    def _condition(self, x, share, random):
        """Rows of a batch, and their labels blurred."""
        rows = random.choice(len(x), self.batch, p=share)
        blurred = x[rows] + self.blur * random.standard_normal((self.batch, x.shape[1]))
        return rows, torch.from_numpy(blurred.astype(np.float32))

    def _noise(self, random, n=None):
        shape = (self.batch if n is None else n, self.n_latent)
        return torch.from_numpy(random.standard_normal(shape).astype(np.float32))

    def _critic_step(self, optimizer, real, made, labels, random):
        """One step of the critic; returns the distance that it sees."""
        share = torch.from_numpy(random.random((len(real), 1)).astype(np.float32))
        between = (share * real + (1 - share) * made).requires_grad_()
        score = self.critic_(torch.cat([between, labels], dim=1)).sum()
        slope = torch.autograd.grad(score, between, create_graph=True)[0].norm(dim=1)
        gap = (self.critic_(torch.cat([real, labels], dim=1))
               - self.critic_(torch.cat([made, labels], dim=1))).mean()  # fmt: skip
        loss = -gap + self.penalty * ((slope - 1) ** 2).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return float(gap.detach())

    def noiseless(self, labels, seed=0):
        """Make spectra (n, n_pix) for labels (n, 4), without noise but with all other variety."""
        random = rng("methods gan make", self.seed + seed)
        x = self.scaler_.transform(labels)
        tensors = [torch.from_numpy(a.astype(np.float32)) for a in (x, quadratic(x))]
        with torch.inference_mode():
            scores = self.generator_.scores(self._noise(random, len(x)), *tensors).numpy()
        c = self.components_
        return 1 + c.mean_ + c.scale_ * ((scores * c.size_) @ c.vectors_)

    def generate(self, labels, seed=0):
        """Make spectra with the errors of real ones.

        Parameters
        ----------
        labels : ndarray (n, 4)
        seed : int
            Another one gives other spectra of the same labels.

        Returns
        -------
        cemp.models.data.Sample
            Errors and lost pixels are those of training spectra of similar Teff; obsid is
            negative, for no star stands behind them.
        """
        random = rng("methods gan errors", self.seed + seed)
        return dress(self.noiseless(labels, seed), labels, *self._donors, random)

    @property
    def n_parameters(self):
        """Weights of the generator and numbers in the components."""
        return count_parameters(self.generator_) + self.components_.vectors_.size


def _quadratic_part(scores, x, share, ridge=1e-4):
    """Coefficients of the components as a quadratic in the labels, and what it leaves."""
    design = quadratic(x)
    weighed = design.T * share
    matrix = weighed @ design + ridge * np.eye(design.shape[1])
    coef = np.linalg.solve(matrix, weighed @ scores)
    return coef, scores - design @ coef


def dress(flux, labels, ivar, teff, random):
    """Give noiseless spectra the errors of real ones, and noise by them.

    Parameters
    ----------
    flux : ndarray (n, n_pix)
    labels : ndarray (n, 4)
    ivar : ndarray (m, n_pix)
        Of real spectra, 0 where a pixel is lost.
    teff : ndarray (m,)
        Of the real spectra [K].
    random : numpy.random.Generator

    Returns
    -------
    cemp.models.data.Sample
    """
    distance = np.abs(labels[:, LABELS.index("teff"), None] - teff)
    near = np.argsort(distance, axis=1, kind="stable")[:, :N_DONOR]
    chosen = near[np.arange(len(flux)), random.integers(near.shape[1], size=len(flux))]
    ivar = ivar[chosen]
    good = ivar > 0
    sigma = np.where(good, 1 / np.sqrt(np.maximum(ivar, 1e-12)), 0)
    noisy = (flux + sigma * unit_noise(len(flux), random)).astype(np.float32)
    return Sample(-1 - np.arange(len(flux)), noisy, ivar.astype(np.float32), good,
                  np.asarray(labels, dtype=float))  # fmt: skip
