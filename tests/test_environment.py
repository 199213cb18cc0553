"""One environment, written twice: conda's file and pip's lock hold the same versions."""

import ast
import importlib.metadata
import re
import sys
import tomllib

import nbformat
import pytest
import yaml

from cemp.paths import ROOT
from cemp.workflow.doctor import lock

#: Names that differ between conda-forge, PyPI and the import.
PYPI = {"pytorch": "torch", "pyyaml": "pyyaml"}
IMPORTS = {"yaml": "pyyaml", "sklearn": "scikit_learn", "PIL": "pillow"}


def canonical(name):
    return re.sub(r"[-_.]+", "-", name).lower()


def lock_lines():
    lines = (ROOT / "requirements.lock").read_text().splitlines()
    return [line for line in lines if line and not line.startswith("#")]


def lock_versions():
    return {canonical(name): version
            for name, version in lock("\n".join(lock_lines())).items()}


def conda_versions():
    pins = []
    for entry in yaml.safe_load((ROOT / "environment.yml").read_text())["dependencies"]:
        pins += entry["pip"] if isinstance(entry, dict) else [entry]
    exact = [re.fullmatch(r"([\w-]+)={1,2}([\w.]+)", pin) for pin in pins]
    return {canonical(PYPI.get(m[1], m[1])): m[2] for m in exact if m}


def test_lock_pins_every_package_to_a_public_version():
    for line in lock_lines():
        assert re.fullmatch(r"[\w.-]+==[\w.]+( ; .+)?", line), f"not a plain pin: {line}"


def test_conda_and_pip_hold_the_same_versions():
    locked = lock_versions()
    differ = {name: (version, locked.get(name)) for name, version in conda_versions().items()
              if locked.get(name) != version}
    assert not differ, f"environment.yml and requirements.lock differ: {differ}"


def test_conda_file_pins_all_it_names_but_python_make_and_pip():
    entries = yaml.safe_load((ROOT / "environment.yml").read_text())["dependencies"]
    loose = {re.split("[<>=]", e)[0] for e in entries if isinstance(e, str)
             and not re.search(r"[^<>]=\d", e)}
    assert loose <= {"python", "make", "pip"}


def test_both_start_at_the_same_python():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["requires-python"] == ">=3.11"
    assert "python>=3.11" in (ROOT / "environment.yml").read_text()


def imported_packages():
    """Third-party packages that the package and the notebooks import."""
    sources = [path.read_text() for path in (ROOT / "cemp").rglob("*.py")]
    for path in (ROOT / "notebooks").glob("[0-9][0-9]_*.ipynb"):
        cells = nbformat.read(path, as_version=4).cells
        sources += [cell.source for cell in cells if cell.cell_type == "code"]
    names = set()
    for source in sources:
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.Import):
                names |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                names.add(node.module.split(".")[0])
    return names - set(sys.stdlib_module_names) - {"cemp"}


def grid_packages():
    """Packages that only the synthesis imports, pinned for its own environment."""
    pinned = (ROOT / "cemp" / "synthesis" / "requirements.txt").read_text()
    found = {"pysme": "pysme-astro", "dill": "dill"}
    assert all(f"{package}==" in pinned for package in found.values())
    return set(found)


def optional_packages():
    """Packages that only a real survey's user needs, named in pyproject.toml."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"].values()
    return {re.split("[<>=]", name)[0] for names in extras for name in names}


def test_environment_names_every_imported_package():
    named = {name.replace("-", "_") for name in conda_versions()}
    missing = {n for n in imported_packages() if IMPORTS.get(n, n).lower() not in named}
    missing -= optional_packages()
    missing -= grid_packages()  # `make grid` has an environment of its own
    assert not missing, f"add to environment.yml and requirements.lock: {missing}"


def test_installed_packages_are_the_locked_ones():
    if "torch" not in lock_versions() or sys.prefix == sys.base_prefix:
        pytest.skip("not in an environment of its own")
    for name, version in lock_versions().items():
        assert importlib.metadata.version(name).split("+")[0] == version, name
