"""The same as functions: labels of files, or of arrays, in three lines of a notebook."""

import os
import tempfile
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from cemp.errors import BadInputError
from cemp.predict.label import label, prepare
from cemp.predict.run import predict_to_file, skipped_file
from cemp.predict.settings import PredictSettings
from cemp.readers import ReadOptions
from cemp.readers.dispatch import declared
from cemp.readers.onedim import from_arrays, from_specutils
from cemp.spectrum import Spectrum

#: Parameters of `ReadOptions` that the functions take by their own names.
READ = tuple(ReadOptions.__dataclass_fields__)


def predict_files(paths, weights=None, jobs=1, progress=False, **options):
    """Label spectra in files.

    Parameters
    ----------
    paths : str, pathlib.Path, or a list of them
        Files, folders, patterns, ``@lists``: see `cemp.predict.inputs.find_inputs`.
    weights : str or pathlib.Path, optional
        Folder of a sky model; the weights of the package by default.
    jobs : int
        Processes. More than one needs ``if __name__ == "__main__":`` in a script (not in a
        notebook).
    progress : bool
        Whether to tell on stderr how far it is.
    **options
        Fields of `cemp.readers.ReadOptions` (medium, velocity_kms, unit, resolution, star ...)
        and of `PredictSettings`.

    Returns
    -------
    pandas.DataFrame
        One row a spectrum that could be labelled, in the order of the files, with
        `cemp.predict.columns.COLUMNS`. ``table.attrs["skipped"]`` lists the others: file, kind
        and reason.

    Raises
    ------
    BadInputError
        If nothing can be labelled.

    Examples
    --------
    >>> from cemp.predict import predict_files                            # doctest: +SKIP
    >>> table = predict_files("spectra/")                                 # doctest: +SKIP
    >>> table.query("p_cemp > 0.5")[["identifier", "fe_h", "c_fe"]]       # doctest: +SKIP
    """
    settings = make_settings(weights, **options)
    with tempfile.TemporaryDirectory(prefix="cemp-predict-") as folder:
        out = Path(folder) / "labels.parquet"
        outcome = predict_to_file(paths, out, settings, jobs, progress=progress)
        skipped = pd.read_csv(skipped_file(out), keep_default_na=False).to_dict("records")
        if not outcome.labelled:
            raise BadInputError(_none(skipped))
        table = pd.read_parquet(out)
    table["obsid"] = table["obsid"].astype("Int64")
    table.attrs["skipped"] = skipped
    return table


def _none(skipped):
    """Why no file could be labelled: the first reason."""
    more = f" (and {len(skipped) - 1} more files)" if len(skipped) > 1 else ""
    file, reason = skipped[0]["file"], skipped[0]["reason"]
    first = reason if file in reason else f"{file}: {reason}"
    return f"no spectrum could be labelled: {first}{more}"


def predict_arrays(wave, flux, ivar=None, velocity_kms=None, medium=None, names=None,
                   weights=None, **options):  # fmt: skip
    """Label spectra in memory.

    Parameters
    ----------
    wave : array_like, shape (n_wave,) or (n, n_wave), or list of arrays
        Wavelength [Angstrom], or in `unit`.
    flux : array_like, shape (n_wave,) or (n, n_wave), or list of arrays
        Flux density in any unit; it need not be normalised.
    ivar : array_like, optional
        Inverse variance, as `flux`. Without it the noise is estimated from the spectrum. It masks
        pixels and gives S/N and the error of the G band; errors of labels come from the spectrum.
    velocity_kms : float or array_like, shape (n,)
        Radial velocity [km/s]; 0 for spectra at rest. It must be said: a wrong one makes stars
        look metal-poor.
    medium : {"vacuum", "air"}
        Of the wavelengths; it must be said.
    names : sequence of str, optional
        Identifiers; numbers from 0 on by default.
    weights : str or pathlib.Path, optional
        Folder of a sky model; the weights of the package by default.
    **options
        Fields of `cemp.readers.ReadOptions` (unit, resolution ...) and of `PredictSettings`.

    Returns
    -------
    pandas.DataFrame
        One row a spectrum, in their order, with `cemp.predict.columns.COLUMNS`. A spectrum that
        cannot be used keeps its row: labels NaN, and `reason` says why.

    Raises
    ------
    BadInputError
        If velocity or medium are not said, shapes do not fit, or no spectrum can be used.

    Examples
    --------
    >>> from cemp.predict import predict_arrays                                   # doctest: +SKIP
    >>> table = predict_arrays(wave, flux, ivar, velocity_kms=-120, medium="air")  # doctest: +SKIP
    >>> table.loc[0, ["fe_h", "c_fe", "p_cemp"]]                                   # doctest: +SKIP
    """
    unsaid = [how for how, value in (("velocity_kms=0 for spectra at rest", velocity_kms),
                                     ("medium='vacuum' or 'air'", medium)) if value is None]
    if unsaid:
        raise BadInputError(f"arrays do not say it themselves: give {' and '.join(unsaid)}")
    settings = make_settings(weights, medium=medium, **options)
    rows = _rows(wave, flux, ivar, velocity_kms, names)
    return _label([partial(_make, row, settings.read) for row in rows],
                  [row["name"] for row in rows], settings)  # fmt: skip


def predict_spectra(spectra, weights=None, **options):
    """Label spectra in memory that are objects already.

    Parameters
    ----------
    spectra : object, or list of them
        `cemp.spectrum.Spectrum` (as the readers make it), or objects of `specutils` (Spectrum,
        Spectrum1D), for which `medium` must be said.
    weights : str or pathlib.Path, optional
        Folder of a sky model; the weights of the package by default.
    **options
        Fields of `cemp.readers.ReadOptions` (medium, velocity_kms, resolution) and of
        `PredictSettings`.

    Returns
    -------
    pandas.DataFrame
        As for `predict_arrays`.

    Raises
    ------
    BadInputError
        If no spectrum can be used.
    """
    settings = make_settings(weights, **options)
    spectra = list(spectra) if isinstance(spectra, (list, tuple)) else [spectra]
    if not spectra:
        raise BadInputError("no spectrum to label: the list is empty")
    read = [partial(_understand, spectrum, settings.read) for spectrum in spectra]
    return _label(read, None, settings)


def _understand(spectrum, read):
    """Make a `Spectrum` of an object, by what the caller declares."""
    if isinstance(spectrum, Spectrum):
        return declared(spectrum, read)
    return from_specutils(spectrum, velocity_kms=read.velocity_kms, medium=read.medium,
                          resolution=read.resolution)  # fmt: skip


def _label(read, names, settings):
    """Label what callables return; a spectrum that cannot be used keeps its row."""
    made = [prepare(one, settings) for one in read]
    names = names or [row.get("identifier") or str(k) for k, (_, row) in enumerate(made)]
    used = [k for k, (vector, _) in enumerate(made) if vector is not None]
    reasons = [row.get("reason", "") for _, row in made]
    if not used:
        raise BadInputError(f"no spectrum could be labelled: {reasons[0]}")
    about = [made[k][1] | {"file": "", "identifier": names[k]} for k in used]
    table = label([made[k][0] for k in used], about, settings)
    table.index = used
    return table if len(used) == len(made) else _with_lost(table, names, reasons)


def _with_lost(table, names, reasons):
    """Give spectra without labels their rows: nothing known, nothing flagged but the reason."""
    lost = [k for k in range(len(names)) if k not in table.index]
    false = {name: False for name, kind in table.dtypes.items() if kind == np.dtype(bool)}
    text = {name: "" for name, kind in table.dtypes.items() if isinstance(kind, pd.StringDtype)}
    rows = [false | text | {"identifier": names[k], "reason": reasons[k]} for k in lost]
    rows = pd.DataFrame(rows, index=lost).reindex(columns=table.columns).astype(table.dtypes)
    return pd.concat([table, rows]).sort_index()


def make_settings(weights=None, **options):
    """Sort options into what is declared about files and the rest.

    Parameters
    ----------
    weights : str or pathlib.Path, optional
    **options
        Fields of `ReadOptions` and `PredictSettings`.

    Returns
    -------
    PredictSettings

    Raises
    ------
    BadInputError
        If an option is not known.
    """
    own = set(PredictSettings.__dataclass_fields__) - {"weights", "read"}
    unknown = sorted(set(options) - own - set(READ))
    if unknown:
        raise BadInputError(
            f"no option {unknown[0]!r}: use one of {', '.join(sorted([*own, *READ]))}"
        )
    read = ReadOptions(**{key: value for key, value in options.items() if key in READ})
    rest = {key: value for key, value in options.items() if key in own}
    return PredictSettings(weights=None if weights is None else os.fspath(weights), read=read,
                           **rest)  # fmt: skip


def _make(row, read):
    """Make one spectrum of arrays, by the reader's own checks."""
    return from_arrays(row["wave"], row["flux"], row["ivar"], velocity_kms=row["velocity_kms"],
                       medium=read.medium, unit=read.unit, resolution=read.resolution)  # fmt: skip


def _is_one(values):
    """Whether values are those of one spectrum."""
    return len(values) == 0 or np.ndim(values[0]) == 0


def _rows(wave, flux, ivar, velocity_kms, names):
    """Cut the arguments into spectra: dicts of wave, flux, ivar, velocity_kms and name."""
    if _is_one(flux):
        flux, ivar = [flux], None if ivar is None else [ivar]
    n = len(flux)
    waves = [wave] * n if _is_one(wave) else wave
    ivars = [None] * n if ivar is None else ivar
    speeds = np.full(n, velocity_kms) if np.ndim(velocity_kms) == 0 else velocity_kms
    names = [str(k) for k in range(n)] if names is None else [str(name) for name in names]
    lists = {"wave": waves, "flux": flux, "ivar": ivars, "velocity_kms": speeds, "name": names}
    for key, values in lists.items():
        if len(values) != n:
            raise BadInputError(f"{n} spectra in flux, but {len(values)} in {key}: give as many")
    return [dict(zip(lists, row, strict=True)) for row in zip(*lists.values(), strict=True)]
