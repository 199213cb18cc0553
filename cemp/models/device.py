"""The fastest device there is, and the same numbers each time."""

import os

import torch

#: cuBLAS gives reproducible sums only with a fixed workspace.
CUBLAS_WORKSPACE = ":4096:8"


def choose_device(name="auto"):
    """Choose where tensors live.

    Parameters
    ----------
    name : str
        ``"auto"`` takes CUDA, else Apple's MPS, else the CPU; any other name is passed on.

    Returns
    -------
    torch.device
    """
    if name != "auto":
        return torch.device(name)
    if torch.cuda.is_available():
        return torch.device("cuda")
    if torch.backends.mps.is_available():
        return torch.device("mps")
    return torch.device("cpu")


def make_deterministic(seed, threads=None):
    """Seed torch and ask for reproducible algorithms.

    Parameters
    ----------
    seed : int
        Seed of initial weights and dropout.
    threads : int, optional
        CPU threads; the last digits of sums depend on their number, so fix it to compare runs.

    Notes
    -----
    On the CPU two runs agree bit by bit. CUDA has no reproducible form of a few operations;
    torch then warns and goes on.
    """
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", CUBLAS_WORKSPACE)
    if threads:
        torch.set_num_threads(threads)
    torch.use_deterministic_algorithms(True, warn_only=True)
    # it would fill new tensors with NaN to show who reads before writing: nobody here, for time
    torch.utils.deterministic.fill_uninitialized_memory = False
    torch.backends.cudnn.benchmark = False
    torch.manual_seed(seed)
