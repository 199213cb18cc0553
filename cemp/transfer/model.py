"""The sky model: an ensemble of networks that labels real stars and tells its errors."""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from cemp.constants import LABELS
from cemp.errors import BadInputError
from cemp.models.io import load_model
from cemp.models.predict import predict_with_covariance
from cemp.transfer.windows import readable
from cemp.transfer.zeropoint import ZeroPoint

#: Weights that come with the package (see ``MODEL_CARD.md`` there).
SHIPPED = Path(__file__).resolve().parent.parent / "data" / "sky"


@dataclass(frozen=True)
class SkyModel:
    """Networks trained on randomised synthetic spectra, averaged.

    Parameters
    ----------
    members : tuple of cemp.models.macrn.Macrn
        Each with a covariance, in evaluation mode.
    ignored : tuple of (float, float)
        Windows [Angstrom] that they were trained without.
    zero_point : cemp.transfer.zeropoint.ZeroPoint or None
        What the labels are corrected by.
    n_spectra : int
        Synthetic spectra each member was trained on; 0 if unknown.
    """

    members: tuple
    ignored: tuple = ()
    zero_point: ZeroPoint | None = None
    n_spectra: int = 0

    @classmethod
    def load(cls, folder=SHIPPED):
        """Read the members of an ensemble.

        Parameters
        ----------
        folder : str or pathlib.Path
            Holds ``member-K/macrn.pt`` and ``macrn.json``; the shipped weights by default.

        Returns
        -------
        SkyModel

        Raises
        ------
        BadInputError
            If there is no member, or one predicts no covariance.
        """
        folders = sorted(path.parent for path in Path(folder).glob("member-*/macrn.json"))
        if not folders:
            raise BadInputError(
                f"no sky model in {folder}: train one with `make sky` and name its folder "
                "(build/sky), or check the package out again if its own is missing"
            )
        members = tuple(load_model(path) for path in folders)
        for path, member in zip(folders, members, strict=True):
            if not member.config.covariance:
                raise BadInputError(f"{path}: predicts no covariance, so it is no sky model")
        records = [json.loads((path / "macrn.json").read_text()) for path in folders]
        ignored = {tuple(w) for record in records for w in record.get("ignored", ())}
        n_spectra = max(int(record.get("n_spectra", 0)) for record in records)
        return cls(members, tuple(sorted(ignored)), ZeroPoint.load(folder), n_spectra)

    def predict(self, flux, good, batch=128, raw=False):
        """Predict labels with their errors.

        Parameters
        ----------
        flux : ndarray (n, 5001)
            Normalised rest-frame flux, as `cemp.preprocess` makes it.
        good : ndarray (n, 5001) of bool
            True where a pixel can be used; what the model ignores is left out here.
        batch : int
            Spectra at a time.
        raw : bool
            Leave the zero points off.

        Returns
        -------
        labels : ndarray (n, 4)
            Mean of the members: teff [K], logg [dex], fe_h [dex], c_h [dex].
        covariance : ndarray (n, 4, 4)
            Mean of the members' own covariances plus that of their labels about their mean
            (Lakshminarayanan et al. 2017, NeurIPS 30, eq. for a mixture of Gaussians).
        spread : ndarray (n, 4)
            Standard deviation between the members: large where training never was. Zero if
            there is one member only.
        """
        good = np.asarray(good, dtype=bool) & readable(self.ignored)
        made = [predict_with_covariance(m, flux, good, batch) for m in self.members]
        each = np.array([labels for labels, _ in made])  # (member, n, 4)
        labels = each.mean(axis=0)
        offset = each - labels
        between = np.einsum("mni,mnj->nij", offset, offset) / len(made)
        covariance = np.mean([own for _, own in made], axis=0) + between
        if self.zero_point is not None and not raw:
            labels = self.zero_point.apply(labels, covariance)
        return labels, covariance, np.sqrt(np.einsum("nii->ni", between))


def c_fe_error(covariance):
    """Compute the error of [C/Fe] = [C/H] - [Fe/H] with the covariance of the two.

    Parameters
    ----------
    covariance : ndarray (n, 4, 4)

    Returns
    -------
    ndarray (n,)
        [dex].
    """
    i, j = LABELS.index("fe_h"), LABELS.index("c_h")
    variance = covariance[:, i, i] + covariance[:, j, j] - 2 * covariance[:, i, j]
    return np.sqrt(np.clip(variance, 0, None))
