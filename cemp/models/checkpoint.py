"""Training that survives a kill: one whole checkpoint an epoch, refused if it is stale."""

import hashlib
import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch

from cemp.atomic import atomic_path
from cemp.models.io import versions

#: The code whose change makes a checkpoint stale.
_SOURCES = ("macrn.py", "scaler.py", "data.py", "loss.py", "train.py")


def fingerprint(config, settings, *samples):
    """Identify a training run by all that its weights depend on.

    Parameters
    ----------
    config : MacrnConfig
    settings : TrainSettings
    *samples : Sample
        Their identifiers, pixels and labels all count.

    Returns
    -------
    str
        SHA-256 of settings, data, versions and the model's source code.
    """
    digest = hashlib.sha256()
    digest.update(json.dumps([asdict(config), asdict(settings), versions()]).encode())
    for name in _SOURCES:
        digest.update((Path(__file__).parent / name).read_bytes())
    for sample in samples:
        for array in (sample.obsid, sample.flux, sample.ivar, sample.good, sample.labels):
            digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()


class Checkpoint:
    """The state of a training run after its last whole epoch.

    Parameters
    ----------
    folder : str or pathlib.Path or None
        Where it is kept; None keeps nothing.
    run : str
        Fingerprint of the run.
    """

    def __init__(self, folder, run):
        self.path = None if folder is None else Path(folder) / "last.pt"
        self.run = run

    def save(self, **state):
        """Write the state, whole or not at all; tensors, numbers, lists and dicts only."""
        if self.path is not None:
            with atomic_path(self.path) as path:
                torch.save({"run": self.run, **state}, path)

    def load(self, log):
        """Read the state of this very run.

        Parameters
        ----------
        log : callable
            Told why a checkpoint is not used.

        Returns
        -------
        dict or None
            None if there is none, or if it is of other data, settings, versions or code.
        """
        if self.path is None or not self.path.is_file():
            return None
        try:
            state = torch.load(self.path, map_location="cpu", weights_only=True)
        except Exception as error:  # a damaged file fails in many ways inside torch
            log(f"checkpoint {self.path.name} cannot be read ({error}): starting afresh")
            return None
        if state["run"] != self.run:
            log("checkpoint is of other data, settings or code: starting afresh")
            return None
        log(f"resuming after epoch {len(state['history'])}")
        return state
