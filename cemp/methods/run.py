"""Fit every method once and apply it once, each in a process and on a core of its own.

Each method leaves ``predictions.parquet`` and ``record.json`` in a folder of its own; one whose
data, settings and code are those of the record is not fitted again.
"""

import resource
import sys
import time
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context

import numpy as np
import pandas as pd
import torch

from cemp.errors import BadInputError
from cemp.methods import registry
from cemp.methods.base import Prediction
from cemp.methods.jobs import fingerprint, load_data
from cemp.methods.products import keep, read_record, to_table
from cemp.preprocess import workers


def predict_rows(method, store, obsids, chunk=1000):
    """Predict stored spectra, a chunk in memory at a time.

    Parameters
    ----------
    method : cemp.methods.base.Method
        Fitted.
    store : cemp.vectors.VectorStore
    obsids : ndarray (m,)
    chunk : int

    Returns
    -------
    cemp.methods.base.Prediction
    seconds : float
        CPU time, reading of vectors left out.
    report : pandas.DataFrame or None
        What the method says about each spectrum in its ``report_``.
    """
    parts, reports, seconds = [], [], 0.0
    for start in range(0, len(obsids), chunk):
        vectors = store.read(obsids[start : start + chunk])
        begun = time.process_time()
        parts.append(method.predict(vectors))
        seconds += time.process_time() - begun
        reports.append(getattr(method, "report_", None))
    report = None if reports[0] is None else pd.concat(reports, ignore_index=True)
    labels = np.concatenate([part.labels for part in parts])
    errors = [part.covariance for part in parts]
    covariance = None if errors[0] is None else np.concatenate(errors)
    return Prediction(labels, covariance), seconds, report


def _peak_bytes():
    """Peak memory of this process [byte]; Linux counts in kB, macOS in byte."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return int(peak if sys.platform == "darwin" else 1024 * peak)


def fit_one(job, mark=""):
    """Fit one method, apply it and keep both predictions and record.

    Parameters
    ----------
    job : Job
    mark : str
        Fingerprint of the job.

    Returns
    -------
    dict
        The record: ``fit_s``, ``predict_s`` [CPU seconds], ``wall_s``, ``spectra_per_s``,
        ``n_parameters``, ``peak_bytes``, ``n_train``, ``n_judged``, ``n_failed`` and the
        settings.
    """
    torch.set_num_threads(1)
    start, data = time.perf_counter(), load_data(job)
    if registry.entry(job.key).task:
        return _run_task(job, data, mark)
    method = registry.make(job.key, job.place, job.quick, **job.settings)
    begun = time.process_time()
    method.fit(data.train, data.train.labels, (data.validation, data.validation.labels))
    fit_s = time.process_time() - begun
    prediction, predict_s, report = predict_rows(method, data.store, data.judged)
    elsewhere = getattr(method, "fit_seconds_", 0.0)  # trained by an earlier notebook or method
    record = {
        "key": job.key, "name": method.name, "without": job.without, "quick": job.quick,
        "fit_s": float(elsewhere) if elsewhere > 2 * fit_s else fit_s,
        "predict_s": predict_s, "wall_s": time.perf_counter() - start,
        "spectra_per_s": len(data.judged) / max(predict_s, 1e-9),
        "n_parameters": int(method.n_parameters), "peak_bytes": _peak_bytes(),
        "n_train": len(data.train), "n_judged": len(data.judged),
        "n_failed": int((~np.isfinite(prediction.labels).all(axis=1)).sum()),
        "settings": job.settings, "fingerprint": mark,
    }  # fmt: skip
    tables = {"predictions": to_table(data.judged, prediction), "report": report}
    keep(job, tables, record, method)
    return record


def _run_task(job, data, mark):
    """Run what is no method, and keep its tables."""
    begun, about = time.process_time(), registry.entry(job.key)
    tables = about.load()(job, data)
    record = {"key": job.key, "name": about.what, "without": "", "quick": job.quick,
              "fit_s": time.process_time() - begun, "spectra_per_s": np.nan,
              "peak_bytes": _peak_bytes(), "settings": {}, "fingerprint": mark}  # fmt: skip
    keep(job, tables, record)
    return record


def _call(task):
    return fit_one(*task)


def run_jobs(jobs, n_jobs=2, tell=print):
    """Run all jobs that are not done yet, the longest first.

    Parameters
    ----------
    jobs : sequence of Job
    n_jobs : int
        Processes at a time, one thread each.
    tell : callable
        Gets a line of progress for each job.

    Returns
    -------
    dict of str to dict
        Record of each job by its name, in the order of `jobs`.

    Raises
    ------
    BadInputError
        If a process dies; what has ended stays.
    """
    order, tasks = sorted(jobs, key=lambda job: -registry.entry(job.key).seconds), []
    loaded = {}
    for job in order:
        rows = (job.without, job.search, job.snrg_min)
        loaded[rows] = loaded[rows] if rows in loaded else load_data(job)
        mark = fingerprint(job, loaded[rows])
        if read_record(job).get("fingerprint") == mark:
            tell(f"{job.name}: as before, not fitted again")
        else:
            tasks.append((job, mark))
    loaded.clear()
    for done, record in enumerate(_in_processes(_call, tasks, n_jobs), 1):
        tell(f"{_line(record)} ({done} of {len(tasks)})")
    return {job.name: read_record(job) for job in jobs}


def _line(record):
    """Say in a line what a job took."""
    without = f" without {record['without']}" if record["without"] else ""
    rate = f", {record['spectra_per_s']:,.0f} spectra/s" if "predict_s" in record else ""
    return (f"{record['name']}{without}: {record['fit_s']:.0f} s{rate}, "
            f"{record['peak_bytes'] / 2**30:.1f} GiB")  # fmt: skip


def _in_processes(function, tasks, n_jobs):
    """Yield results as they come; every task has a fresh process, so memory is its own.

    Those that only show that they run share processes: starting one takes longer than they do.
    """
    if not tasks:
        return
    context = get_context("forkserver")
    # torch and pandas take five seconds to import: once, and not once for every method
    context.set_forkserver_preload([__name__])
    with workers._one_thread():
        pool = ProcessPoolExecutor(
            min(n_jobs, len(tasks)), mp_context=context,
            initializer=workers._start_worker,
            max_tasks_per_child=None if all(job.quick for job, _ in tasks) else 1,
        )  # fmt: skip
        try:
            for future in as_completed([pool.submit(function, task) for task in tasks]):
                yield future.result()
        except BrokenProcessPool as error:
            raise BadInputError(
                "a method's process died (killed, or out of memory: one process at a time needs "
                "less); run again, finished methods are kept"
            ) from error
        finally:
            pool.shutdown(wait=True, cancel_futures=True)
