"""Every method of the comparison by its key, imported when it is first asked for."""

from dataclasses import dataclass, field
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING

import pandas as pd

from cemp.errors import BadInputError
from cemp.paths import Paths

if TYPE_CHECKING:  # never run: tells the workflow which modules a comparison rests on
    from cemp.methods import (  # noqa: F401
        adapters,
        cnn,
        fill,
        lines,
        slam,
        spcanet,
        specclip,
        template,
        tuned,
        uncertain,
    )


@dataclass(frozen=True)
class Place:
    """What a method may need besides training spectra.

    Parameters
    ----------
    paths : cemp.paths.Paths
        The profile.
    spectra_dir : str
        Folder of the survey's FITS files, for methods that read native pixels.
    """

    paths: Paths
    spectra_dir: str = ""

    @property
    def folder(self):
        """Folder of MACRN as 03_training left it."""
        return self.paths.build / "03"

    @property
    def catalogue(self):
        """Folder of the tables of spectra and of labels."""
        return self.paths.build / "01"

    @property
    def observations(self):
        """Table of spectra, with their files."""
        return pd.read_parquet(self.paths.build / "01" / "observations.parquet",
                               columns=["obsid", "path"])

    @property
    def xp(self):
        """Mock Gaia XP spectra of the mock's stars."""
        from cemp.methods.specclip.mock_xp import load_mock_xp

        return load_mock_xp(self.paths)


@dataclass(frozen=True)
class Entry:
    """One method.

    Parameters
    ----------
    where : str
        ``module:Class``.
    what : str
        How it gets from a spectrum to labels, in a few words.
    source : str
        The paper that describes it.
    needs : tuple of str
        Constructor arguments that are taken from a `Place`, each ``argument`` or
        ``argument=attribute``.
    quick : dict
        Settings with which it runs in seconds, to show that it runs.
    reads : tuple of str
        Attributes of `Place` whose files decide its result.
    seconds : float
        Fit and prediction of the demo on one core, roughly: the longest is started first.
    tuned : bool
        Whether its settings were chosen by `cemp.methods.tune`.
    keep : bool
        Whether the fitted method is kept, because more is asked of it than labels.
    task : bool
        Whether it is no method but a function of job and data that makes tables.
    """

    where: str
    what: str
    source: str
    needs: tuple = ()
    quick: dict = field(default_factory=dict)
    reads: tuple = ()
    seconds: float = 30.0
    tuned: bool = True
    keep: bool = False
    task: bool = False

    @property
    def module(self):
        """Dotted name of the module."""
        return self.where.partition(":")[0]

    def load(self):
        """Import the class."""
        return getattr(import_module(self.module), self.where.partition(":")[2])

    @property
    def name(self):
        """Name of the method as tables and figures call it."""
        return self.load().name


#: In the order of tables: generative, regression on features, networks.
METHODS = {
    "template": Entry(
        "cemp.methods.template:TemplateMatching", "chi-square of a synthetic library", "this paper",
        needs=("spectra_dir", "observations"), quick={"refine": False}, seconds=400),
    "cannon": Entry(
        "cemp.methods.adapters:TheCannon", "quadratic model of each pixel, inverted",
        "Ness et al. 2015", quick={"n_starts": 16}, seconds=16),
    "slam": Entry(
        "cemp.methods.slam:Slam", "support vectors for each pixel, inverted",
        "Zhang et al. 2020", quick={"n_starts": 16, "n_check": 10}, seconds=250),
    "forest": Entry(
        "cemp.methods.lines:LineIndexForest", "line indices, random forest", "Breiman 2001",
        quick={"n_trees": 30, "n_copies": 2}, seconds=22),
    "svm": Entry(
        "cemp.methods.lines:LineIndexSvm", "line indices, support vectors",
        "Smola & Schölkopf 2004", quick={"n_copies": 1}, seconds=11),
    "spcanet": Entry(
        "cemp.methods.spcanet:SpcaNet", "principal components, dense network",
        "Wang et al. 2020", quick={"epochs": 3}, seconds=21),
    "cnn": Entry(
        "cemp.methods.cnn:Cnn", "convolutional network, end to end", "what some call SLAM",
        quick={"epochs": 1}, seconds=90),
    "specclip": Entry(
        "cemp.methods.specclip:SpecClip", "embedding aligned with Gaia XP spectra",
        "Zhao et al. 2025", needs=("xp",), quick={"epochs": 2, "head_steps": 50}, seconds=150,
        keep=True),
    "macrn": Entry(
        "cemp.methods.adapters:MacrnMethod", "MACRN as the paper trains it", "this paper",
        needs=("folder",), reads=("folder",), seconds=10, tuned=False),
    "tuned": Entry(
        "cemp.methods.tuned:TunedMacrnMethod", "MACRN at its best, with a covariance",
        "this paper", needs=("catalogue",), quick={"epochs": 1}, seconds=70),
    "informed": Entry(
        "cemp.methods.informed:InformedMacrnMethod", "tuned MACRN, shown the library's spectra too",
        "this paper", needs=("catalogue",), quick={"epochs": 1, "n_library": 60}, seconds=190),
    "hetero": Entry(
        "cemp.methods.uncertain:HeteroscedasticMacrn", "MACRN that predicts a covariance",
        "this paper", quick={"epochs": 1}, seconds=130),
    "dropout": Entry(
        "cemp.methods.uncertain:DropoutMacrn", "MACRN asked with units dropped",
        "Gal & Ghahramani 2016", needs=("folder",), reads=("folder",), quick={"passes": 4},
        seconds=8),
    "ensemble": Entry(
        "cemp.methods.uncertain:EnsembleMacrn", "several tuned MACRN, with covariances",
        "Lakshminarayanan et al. 2017", needs=("catalogue",), quick={"epochs": 1, "members": 2},
        seconds=200),
}  # fmt: skip

#: What is asked besides labels, and takes long enough to run beside the methods.
TASKS = {
    "gan": Entry("cemp.methods.fill:fill_corners", "GAN", "Goodfellow et al. 2014", seconds=300,
                 task=True),
}


def entry(key):
    """Look a method or a task up.

    Parameters
    ----------
    key : str

    Returns
    -------
    Entry

    Raises
    ------
    BadInputError
        If there is no such method.
    """
    if key not in METHODS | TASKS:
        raise BadInputError(f"no method '{key}'; there are: {', '.join(METHODS | TASKS)}")
    return (METHODS | TASKS)[key]


def available(keys=None):
    """List the methods whose modules are installed, in the order of tables.

    Parameters
    ----------
    keys : sequence of str, optional
        Some of `METHODS`; all of them if left out.

    Returns
    -------
    list of str
    """
    asked = list(METHODS) if keys is None else list(keys)
    return [key for key in asked if _installed(entry(key))]


def _installed(about):
    """Tell whether a method's module is there and has its class."""
    return find_spec(about.module) is not None and hasattr(
        import_module(about.module), about.where.partition(":")[2])


def make(key, place, quick=False, **settings):
    """Construct a method.

    Parameters
    ----------
    key : str
        Of `METHODS`.
    place : Place
    quick : bool
        With the settings that only show that it runs.
    **settings
        Constructor arguments in place of the defaults.

    Returns
    -------
    cemp.methods.base.Method
    """
    about = entry(key)
    given = {}
    for need in about.needs:
        argument, _, attribute = need.partition("=")
        given[argument] = getattr(place, attribute or argument)
    return about.load()(**{**given, **(about.quick if quick else {}), **settings})


def trials(key):
    """List the settings that tuning tries.

    Parameters
    ----------
    key : str

    Returns
    -------
    tuple of dict
        Constructor arguments of each trial: ``TRIALS`` of the class, or else of its module.
    """
    about = entry(key)
    found = getattr(about.load(), "TRIALS", None)
    found = found or getattr(import_module(about.module), "TRIALS", ({},))
    return tuple(found)
