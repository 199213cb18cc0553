"""Carbon injected, and what the network makes of it: one row a spectrum and step."""

import json
import zlib
from dataclasses import asdict, dataclass
from functools import partial

import numpy as np
import pandas as pd

from cemp.constants import LABELS, SEED
from cemp.errors import BadInputError
from cemp.inject.ratio import RESOLUTION, carbon_ratio, inject, real_emulator, refusal
from cemp.predict.columns import COLUMNS, SKIPPED, Column, as_table
from cemp.predict.label import label, prepare
from cemp.predict.parts import Job, read_files
from cemp.predict.settings import PredictSettings
from cemp.synthesis.grid import grid_hash

#: Columns of the injection beside those of a prediction, which are those of the spectrum after it.
OWN = {
    "injected": Column("bool", "", "False: the spectrum as it was observed"),
    "c_fe_injected": Column("real", "dex", "[C/Fe] after injection; the star's own if untouched"),
    "raised": Column("real", "dex", "c_fe_injected minus the star's own [C/Fe]"),
    **{f"star_{name}": COLUMNS[name] for name in (*LABELS, "c_fe")},
    "star_snrg": Column("real", "", "S/N in g of the spectrum as observed"),
}
INJECTED = {**{k: COLUMNS[k] for k in ("identifier", "file")}, **OWN, **COLUMNS}


@dataclass(frozen=True)
class InjectSettings:
    """Choices of an injection.

    Parameters
    ----------
    c_fe : tuple of float
        [C/Fe] that each star is raised to, one after the other; a star that has more, or for
        which the grid has no such spectrum, is left out of that step.
    resolution : float
        Resolving power (FWHM) of the observed spectra.
    noise : bool
        Put back the noise that the multiplication takes away.
    seed : int
        Of that noise; a spectrum's draw depends on it, on its identifier and on [C/Fe] only.
    cache : str or None
        Folder of the fitted emulator.
    """

    c_fe: tuple = (0.5, 1.0, 1.5, 2.0)
    resolution: float = RESOLUTION
    noise: bool = True
    seed: int = SEED
    cache: str | None = None

    def __post_init__(self):
        if not self.c_fe or not np.isfinite(np.asarray(self.c_fe, dtype=float)).all():
            raise BadInputError(f"c_fe {self.c_fe}: give one or more [C/Fe] in dex, as 1.0 2.0")
        if self.seed < 0:
            raise BadInputError(f"seed {self.seed}: give a whole number from 0 on")


def generator(seed, identifier, c_fe):
    """Make the random numbers of one spectrum and step, whatever else is injected."""
    return np.random.default_rng([seed, zlib.crc32(str(identifier).encode()), round(c_fe * 1000)
                                  + 10_000])  # fmt: skip


def raise_carbon(spectra, about, stars, how):
    """Inject every step into every spectrum.

    Parameters
    ----------
    spectra : list of cemp.spectrum.Spectrum
    about : list of dict
        ``identifier`` and ``file`` of each.
    stars : pandas.DataFrame
        Labels (`cemp.constants.LABELS`) of each, of the spectrum as observed.
    how : InjectSettings

    Yields
    ------
    number : int
        Of the spectrum.
    c_fe : float
    made : cemp.spectrum.Spectrum or str
        With the carbon injected, or why it was not.
    """
    emulator = real_emulator(how.cache)
    labels = stars[list(LABELS)].to_numpy(dtype=float)
    for k, spectrum in enumerate(spectra):
        why = [refusal(labels[k], c_fe) for c_fe in how.c_fe]
        able = [c_fe for c_fe, reason in zip(how.c_fe, why, strict=True) if not reason]
        rows = np.repeat(labels[k : k + 1], len(able), axis=0)
        ratios = iter(carbon_ratio(emulator, rows, able, how.resolution) if able else [])
        for c_fe, reason in zip(how.c_fe, why, strict=True):
            if reason:
                yield k, c_fe, reason
                continue
            random = generator(how.seed, about[k]["identifier"], c_fe) if how.noise else None
            yield k, c_fe, inject(spectrum, emulator.wave, next(ratios), random)


def recover(spectra, vectors, about, settings, how, stars=None, observe=None):
    """Label spectra as they are and with carbon injected.

    Parameters
    ----------
    spectra, vectors, about : list
        As `cemp.predict.parts.read_files` gives them.
    settings : PredictSettings
    how : InjectSettings
    stars : pandas.DataFrame, optional
        Labels that the ratios are made for; those that the network reads from the untouched
        spectra by default.
    observe : callable, optional
        ``observe(spectrum, random)`` gives the spectrum that is labelled, after the injection: for
        spectra that stand for the star rather than for an observation of it.

    Returns
    -------
    rows, refused : pandas.DataFrame
        Columns `INJECTED`: each star untouched, then its steps; and columns `SKIPPED` of the steps
        that could not be made.
    """
    read = label(vectors, about, settings)
    stars = read if stars is None else stars.assign(c_fe=stars["c_h"] - stars["fe_h"])
    untouched = zip(range(len(spectra)), stars["c_fe"], spectra, strict=True)
    steps = [(*one, False) for one in untouched]
    steps += [(*one, True) for one in raise_carbon(spectra, about, stars, how)]
    made, marks, refused = [], [], []
    for k, c_fe, new, injected in steps:
        row = {name: about[k][name] for name in ("identifier", "file")}
        if isinstance(new, str):
            refused.append(row | {"kind": "not injected", "reason": new})
            continue
        if observe is not None:
            new = observe(new, generator(how.seed + 1, row["identifier"], c_fe))
        vector, told = prepare(partial(_same, new), settings)
        if vector is None:
            refused.append(told | row)
        else:
            made.append((vector, told | row))
            marks.append((k, c_fe, injected))
    return _rows(made, marks, read, stars, settings), as_table(refused, SKIPPED)


def _same(spectrum):
    """Return what is given: `prepare` asks a reader for the spectrum."""
    return spectrum


def _rows(made, marks, read, stars, settings):
    """Join the labels of all versions with what was injected; untouched first, star by star."""
    if not made:
        return as_table([], INJECTED)
    table = label([vector for vector, _ in made], [row for _, row in made], settings)
    number, c_fe, injected = (np.array(column) for column in zip(*marks, strict=True))
    own = stars[[*LABELS, "c_fe"]].iloc[number].reset_index(drop=True).add_prefix("star_")
    table = table.assign(injected=injected, c_fe_injected=c_fe,
                         raised=c_fe - own["star_c_fe"], **own,
                         star_snrg=read["snrg"].to_numpy()[number])  # fmt: skip
    order = np.lexsort((c_fe, injected, number))
    return as_table(table.iloc[order].reset_index(drop=True), INJECTED)


def inject_files(files, settings, how):
    """Inject carbon into the spectra of some files.

    Parameters
    ----------
    files : list of str
    settings : PredictSettings
    how : InjectSettings

    Returns
    -------
    rows, skipped : pandas.DataFrame
        Columns `INJECTED` and `SKIPPED`; a step that could not be made is of kind
        ``not injected``.
    """
    spectra, vectors, about, skipped = read_files(files, settings)
    if not spectra:
        return as_table([], INJECTED), skipped
    rows, refused = recover(spectra, vectors, about, settings, how)
    return rows, pd.concat([skipped, refused], ignore_index=True)


def make_job(how):
    """Make the job that `cemp.predict.run.predict_to_file` does over any number of files.

    Parameters
    ----------
    how : InjectSettings

    Returns
    -------
    cemp.predict.parts.Job
    """
    choices = {name: value for name, value in asdict(how).items() if name != "cache"}
    mark = json.dumps(choices | {"grid": grid_hash()})
    return Job(partial(inject_files, how=how), INJECTED, "INJECTED", mark)


def inject_spectra(spectra, how=InjectSettings(), settings=None, stars=None,  # noqa: B008
                   observe=None, names=None):  # fmt: skip
    """Inject carbon into spectra in memory.

    Parameters
    ----------
    spectra : list of cemp.spectrum.Spectrum
    how : InjectSettings
    settings : PredictSettings, optional
    stars, observe
        As for `recover`.
    names : sequence of str, optional
        Identifiers.

    Returns
    -------
    rows, refused : pandas.DataFrame
        As for `recover`; ``refused`` holds the spectra that cannot be labelled at all, too.

    Raises
    ------
    BadInputError
        If no spectrum can be labelled.
    """
    settings = settings or PredictSettings()
    both = [prepare(partial(_same, s), settings) for s in spectra]
    used = [k for k, (vector, _) in enumerate(both) if vector is not None]
    if not used:
        why = both[0][1]["reason"] if both else "the list is empty"
        raise BadInputError(f"no spectrum to inject carbon into: {why}")
    about = [both[k][1] | {"file": spectra[k].path} for k in range(len(both))]
    for row, name in zip(about, names if names is not None else [], strict=False):
        row["identifier"] = str(name)
    rows, refused = recover([spectra[k] for k in used], [both[k][0] for k in used],
                            [about[k] for k in used], settings, how,
                            None if stars is None else stars.iloc[used].reset_index(drop=True),
                            observe)  # fmt: skip
    lost = as_table([about[k] for k in range(len(both)) if k not in set(used)], SKIPPED)
    return rows, pd.concat([lost, refused], ignore_index=True)
