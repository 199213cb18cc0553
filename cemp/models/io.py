"""A trained network on disk: weights as a state_dict, everything else as readable JSON."""

import hashlib
import io
import json
import platform
from dataclasses import asdict, fields
from pathlib import Path

import numpy as np
import torch

import cemp
from cemp.atomic import atomic_path
from cemp.constants import LABELS, WAVE
from cemp.errors import BadInputError
from cemp.models.macrn import Macrn, MacrnConfig, count_parameters


def wave_hash(wave=WAVE):
    """Fingerprint of a wavelength grid: SHA-256 of its float64 values."""
    return hashlib.sha256(np.ascontiguousarray(wave, dtype="<f8").tobytes()).hexdigest()


def versions():
    """Versions of what the weights depend on."""
    return {
        "cemp": cemp.__version__,
        "python": platform.python_version(),
        "torch": torch.__version__.split("+")[0],
        "numpy": np.__version__,
    }


def save_model(model, folder, **about):
    """Write ``macrn.pt`` and ``macrn.json``.

    Parameters
    ----------
    model : Macrn
        Trained network.
    folder : str or pathlib.Path
    **about
        More to record, JSON-serialisable: seed, training settings, device ...

    Returns
    -------
    dict
        What the JSON file holds.
    """
    folder = Path(folder)
    # through memory: torch writes a file's own (temporary) name into it, so hashes would differ
    buffer = io.BytesIO()
    torch.save({k: v.cpu() for k, v in model.state_dict().items()}, buffer)
    with atomic_path(folder / "macrn.pt") as path:
        path.write_bytes(buffer.getvalue())
    record = {
        "config": asdict(model.config),
        "labels": list(LABELS),
        "label_mean": model.label_mean.tolist(),
        "label_scale": model.label_scale.tolist(),
        "n_parameters": count_parameters(model),
        "wave_sha256": wave_hash(),
        "weights_sha256": hashlib.sha256((folder / "macrn.pt").read_bytes()).hexdigest(),
        "versions": versions(),
        **about,
    }
    with atomic_path(folder / "macrn.json") as path:
        path.write_text(json.dumps(record, indent=1) + "\n")
    return record


def load_model(folder, device="cpu"):
    """Read a trained network.

    Parameters
    ----------
    folder : str or pathlib.Path
        Holds ``macrn.pt`` and ``macrn.json``.
    device : str or torch.device

    Returns
    -------
    Macrn
        In evaluation mode.

    Raises
    ------
    BadInputError
        If a file is missing, or belongs to other weights, another wavelength grid or another
        form of the network.
    """
    folder = Path(folder)
    try:
        record = json.loads((folder / "macrn.json").read_text())
        weights = (folder / "macrn.pt").read_bytes()
    except OSError as error:
        raise BadInputError(f"no trained network in {folder}: run 03_training first") from error
    if record["wave_sha256"] != wave_hash():
        raise BadInputError(f"{folder}/macrn.json is for another wavelength grid: train again")
    if record["weights_sha256"] != hashlib.sha256(weights).hexdigest():
        raise BadInputError(f"{folder}/macrn.pt does not belong to macrn.json: train again")
    # Networks written before these options existed do not mention them.
    config = {"covariance": False, "mask_bins": 0} | record["config"]
    if set(config) != {field.name for field in fields(MacrnConfig)}:
        raise BadInputError(f"{folder}/macrn.json is of another form of the network: train again")
    model = Macrn(MacrnConfig(**{k: _frozen(v) for k, v in config.items()}))
    state = torch.load(folder / "macrn.pt", map_location="cpu", weights_only=True)
    model.load_state_dict(state)
    return model.to(device).eval()


def _frozen(value):
    """JSON knows lists only; the configuration holds tuples."""
    return tuple(value) if isinstance(value, list) else value
