"""Say what this machine has and lacks for the paper, and how long the default run will take.

Uses the standard library alone, so that it runs before any environment exists.
"""

import importlib.metadata
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent

#: Free disk [GB] for the environment (CPU build of torch) and the demo run.
DISK_GB = 6.0

#: Memory [GiB] of the default run.
MEMORY_GIB = 8.0
#: Notebooks that wait for each other and take longest.
CHAIN = ("00", "01", "02", "03", "08")


def lock(text):
    r"""Read the packages of a lock file that hold for this Python and platform.

    Parameters
    ----------
    text : str
        Lines ``name==version``, with a marker after ``;`` where a package is not for all.

    Returns
    -------
    dict of str to str
        Versions of the packages without a marker.

    Examples
    --------
    >>> lock("numpy==2.4.6\nappnope==0.1.4 ; sys_platform == 'darwin'")
    {'numpy': '2.4.6'}
    """
    pairs = (line.split("==") for line in text.splitlines() if re.match(r"[\w.-]+==[^;]*$", line))
    return {name.strip(): version.strip() for name, version in pairs}


def check_python():
    """Look at the interpreter.

    Returns
    -------
    good : bool
    text : str
    """
    good = sys.version_info >= (3, 11)
    said = ".".join(map(str, sys.version_info[:3]))
    return good, f"Python {said}" + ("" if good else "; 3.11 or newer is needed (BASE_PYTHON=...)")


def check_packages():
    """Compare the installed packages with the lock.

    Returns
    -------
    good : bool
    text : str
    """
    wanted, wrong = lock((ROOT / "requirements.lock").read_text()), []
    for name, version in wanted.items():
        try:
            found = importlib.metadata.version(name).split("+")[0]
        except importlib.metadata.PackageNotFoundError:
            found = "missing"
        if found != version:
            wrong.append(f"{name} {found} (lock: {version})")
    if not wrong:
        return True, f"all {len(wanted)} locked packages"
    more = f" and {len(wrong) - 5} more" if len(wrong) > 5 else ""
    return False, f"packages differ: {', '.join(wrong[:5])}{more}; `make env` installs them"


def check_tex():
    """Look for TeX and for the packages that the document class needs.

    Returns
    -------
    good : bool
    text : str
    """
    if not shutil.which("latexmk"):
        return False, "no latexmk: all but the PDF will be made; `make tex` installs TeX on Debian"
    wanted = ("revtex4-2.cls", "siunitx.sty", "cm-super-ts1.enc")
    missing = [name for name in wanted if not subprocess.run(
        ["kpsewhich", name], capture_output=True, text=True, check=False).stdout.strip()]
    if missing:
        return False, f"TeX lacks {', '.join(missing)}; `make tex` installs them on Debian"
    return True, "TeX with latexmk"


def check_disk():
    """Look at the free disk.

    Returns
    -------
    good : bool
    text : str
    """
    free = shutil.disk_usage(ROOT).free / 1e9
    return free > DISK_GB, (f"{free:.0f} GB of disk free ({DISK_GB:.0f} needed; several more if "
                            "torch comes with CUDA)")


def check_memory():
    """Look at the memory.

    Returns
    -------
    good : bool
    text : str
    """
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return total > MEMORY_GIB - 0.5, f"{total:.1f} GiB of memory ({MEMORY_GIB:.0f} advised)"


def expected_minutes(reference, cores=2):
    """Minutes of all stages on a machine like that where the committed numbers were made.

    Two notebooks run at a time, but none before what it reads (`CHAIN`).

    Parameters
    ----------
    reference : pathlib.Path
        ``tests/reference/headline.json``.
    cores : int
        One, or more.

    Returns
    -------
    float or None
        None if nothing is recorded.
    """
    if not reference.is_file():
        return None
    stages = json.loads(reference.read_text()).get("stages", {})
    seconds = {name: stage["seconds"] for name, stage in stages.items()}
    chain = sum(taken for name, taken in seconds.items() if name[:2] in CHAIN)
    return max(sum(seconds.values()) / min(cores, 2), chain) / 60 or None


def time_line():
    """Say how long to wait.

    Returns
    -------
    str
    """
    cores = os.cpu_count() or 1
    minutes = expected_minutes(ROOT / "tests" / "reference" / "headline.json", cores)
    if minutes is None:
        return f"{cores} cores; `make all` takes 15 to 25 minutes on two"
    return (f"{cores} cores; expect `make all` to take about {minutes:.0f} min, "
            "and the installation before the first time")


def main():
    """Print the findings; the status says whether `make all` can run (TeX is optional)."""
    checks = {"python": check_python(), "packages": check_packages(), "disk": check_disk(),
              "memory": check_memory(), "tex": check_tex()}
    for good, text in checks.values():
        print(f"  {'ok  ' if good else 'LOOK'}  {text}")
    print(f"  time  {time_line()}")
    return 0 if checks["python"][0] and checks["disk"][0] else 1


if __name__ == "__main__":
    sys.exit(main())
