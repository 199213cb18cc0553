"""Put a trained sky model into the package, and write its card.

``python -m cemp.transfer.ship --folder build/sky`` copies the members, their domain and the account
of their training set to ``cemp/data/sky``; ``--card`` writes ``MODEL_CARD.md`` there from these
files and from what notebook 07 measured, so that no result in it is typed by hand.
"""

import argparse
import json
import shutil
from pathlib import Path

from cemp.atomic import atomic_path
from cemp.errors import BadInputError
from cemp.paths import ROOT
from cemp.transfer.model import SHIPPED
from cemp.transfer.zeropoint import FILE as ZERO_POINT

#: What notebook 07 measured on real stars.
MEASURED = ROOT / "paper" / "values" / "07_real_stars.json"
#: Largest size of what is shipped [byte]: a clone should stay small.
MOST_BYTES = 5 * 2**20
UNITS = {"teff": "K", "logg": "dex", "fe_h": "dex", "c_h": "dex"}
NAMES = {"teff": "Teff", "logg": "log g", "fe_h": "[Fe/H]", "c_h": "[C/H]"}
MACROS = {"teff": "Teff", "logg": "Logg", "fe_h": "Feh"}
SAMPLES = {"All": "4000-7000 K", "Poor": "[Fe/H] < -1"}
#: The card's text, with fields for what the records say.
TEMPLATE = SHIPPED.parent / "sky_card.md"



def ship(folder, out=SHIPPED):
    """Copy a trained model to where the package looks for it.

    Parameters
    ----------
    folder : str or pathlib.Path
        Holds ``member-K/macrn.pt`` and ``macrn.json``, and may hold ``domain.npz``,
        ``domain.json``, ``zero_point.json`` and ``trainset/about.json``.
    out : str or pathlib.Path
        Members that the folder has not are removed there.

    Returns
    -------
    int
        Bytes shipped.

    Raises
    ------
    BadInputError
        If there is no member, or all together is too large.
    """
    folder, out = Path(folder), Path(out)
    files = sorted(folder.glob("member-*/macrn.*"))
    if not files:
        raise BadInputError(f"{folder}: no trained member; `make sky` trains them")
    extra = ("domain.npz", "domain.json", ZERO_POINT)
    files += [folder / name for name in extra if (folder / name).is_file()]
    size = sum(path.stat().st_size for path in files)
    if size > MOST_BYTES:
        raise BadInputError(f"{folder}: {size / 2**20:.1f} MiB are too many to ship; train fewer")
    for old in out.glob("member-*"):
        shutil.rmtree(old)
    for path in files:
        target = out / path.relative_to(folder)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, target)
    if (folder / "trainset" / "about.json").is_file():
        shutil.copyfile(folder / "trainset" / "about.json", out / "trainset.json")
    return size


def card(folder=SHIPPED, measured=MEASURED):
    """Compose the model card from the records of training and tests.

    Parameters
    ----------
    folder : str or pathlib.Path
        A shipped model.
    measured : str or pathlib.Path
        Values of notebook 07; left out where the file is missing.

    Returns
    -------
    str
        Markdown.

    Raises
    ------
    BadInputError
        If the folder holds no member.
    """
    records = [json.loads(path.read_text())
               for path in sorted(Path(folder).glob("member-*/macrn.json"))]
    if not records:
        raise BadInputError(f"{folder}: no member whose record could be read")
    about = Path(folder) / "trainset.json"
    grid = json.loads(about.read_text())["grid"] if about.is_file() else "unknown"
    n_train, first = records[0]["n_spectra"], records[0]["settings"]
    values = json.loads(Path(measured).read_text()) if Path(measured).is_file() else {}
    return TEMPLATE.read_text().format(
        members=len(records), parameters=records[0]["n_parameters"], n_train=n_train,
        epochs=first["epochs"], seeds=", ".join(str(r["settings"]["seed"]) for r in records),
        grid=grid[:12], spectra=n_train + 1000, tables=_synthetic(records) + _real(values),
    )  # fmt: skip


def _synthetic(records):
    """Table of the held-out synthetic spectra: mean over the members, each by itself."""
    lines = ["\nHeld-out synthetic spectra of all S/N, mean of the single members:\n",
             "| label | bias | scatter | error over predicted error |", "|---|---|---|---|"]
    for label, unit in UNITS.items():
        parts = [record["validation"][label] for record in records]
        bias, scatter, pull = (sum(p[k] for p in parts) / len(parts)
                               for k in ("bias", "scatter", "pull"))
        d = 0 if unit == "K" else 2
        lines.append(f"| {NAMES[label]} | {bias:+.{d}f} {unit} | {scatter:.{d}f} {unit} | "
                     f"{pull:.2f} |")
    return "\n".join(lines) + "\n"


def _real(values):
    """Table of the MILES stars, both halves as far as they are open."""
    lines = ["\nMILES stars against the literature, median (robust scatter):\n",
             "| half | sample | stars | Teff [K] | log g | [Fe/H] |", "|---|---|---|---|---|---|"]
    for half in ("Dev", "Test"):
        for short, sample in SAMPLES.items():
            at = f"Real{half}{short}"
            if f"{at}N" not in values:
                continue
            cells = []
            for macro, d in zip(MACROS.values(), (0, 2, 2), strict=True):
                bias, scatter = (values[f"{at}{macro}{k}"]["value"] for k in ("Bias", "Scatter"))
                cells.append(f"{bias:+.{d}f} ({scatter:.{d}f})")
            name = "development" if half == "Dev" else "test"
            lines.append(f"| {name} | {sample} | {values[at + 'N']['value']} | "
                         + " | ".join(cells) + " |")
    if len(lines) == 3:
        return ""
    flags = [f"{values[f'Real{k}Outside']['value']} of {values[f'Real{k}N']['value']} {text}"
             for k, text in (("Fgk", "F, G, K stars"), ("M", "M stars"), ("Galaxy", "galaxies"))
             if f"Real{k}N" in values]
    said = f"\nFlagged as outside the training, of real LAMOST spectra: {', '.join(flags)}.\n"
    return "\n".join(lines) + "\n" + (said if flags else "")


def main(arguments=None):
    """Ship a trained model, or write the card of the shipped one."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--folder", type=Path, help="trained model to ship")
    parser.add_argument("--ablation", type=Path, help="holds control/ and no-balmer/: ship these")
    parser.add_argument("--card", action="store_true", help="write MODEL_CARD.md")
    options = parser.parse_args(arguments)
    if options.folder:
        print(f"shipped {ship(options.folder) / 2**20:.2f} MiB to {SHIPPED}")
    for name in ("control", "no-balmer") if options.ablation else ():
        ship(options.ablation / name, SHIPPED / "ablation" / name)
    if options.card:
        with atomic_path(SHIPPED / "MODEL_CARD.md") as path:
            path.write_text(card())


if __name__ == "__main__":
    main()
