"""Tables written row by row: FITS, ECSV, CSV and Parquet, none of them ever whole in memory.

No file holds a date or a random number, so that equal runs give equal bytes.
"""

import csv
import io
import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from astropy.io import fits
from astropy.table import Column as AstropyColumn
from astropy.table import Table

from cemp.errors import BadInputError
from cemp.predict.columns import PANDAS
from cemp.predict.parts import ascii_bytes

#: FITS formats and numpy types of the kinds; text needs its width.
FITS = {"int": ("K", ">i8"), "bool": ("L", "S1"), "real": ("E", ">f4"), "double": ("D", ">f8")}
#: Stands for a missing integer in FITS (keyword TNULL); readers give it back as missing.
NULL = -1
#: Digits after which single and double precision say nothing more.
DIGITS = {"real": "%.9g", "double": "%.17g"}


class FitsWriter:
    """Write tables into one FITS file, each as an extension.

    Parameters
    ----------
    path : pathlib.Path
    """

    def __init__(self, path):
        self.file = open(path, "wb")
        self._block(fits.PrimaryHDU().header.tostring().encode("ascii"))

    def begin(self, name, columns, widths, n, cards):
        """Begin a table.

        Parameters
        ----------
        name : str
            Of the extension.
        columns : dict of str to Column
        widths : dict of str to int
            Bytes of the text columns.
        n : int
            Rows that will follow.
        cards : dict of str to (value, comment)
            Keywords.
        """
        self.columns, self.written, self.n = columns, 0, n
        forms = {k: (f"{max(widths[k], 1)}A", f"S{max(widths[k], 1)}") if c.kind == "text"
                 else FITS[c.kind] for k, c in columns.items()}  # fmt: skip
        self.record = np.dtype([(k, form[1]) for k, form in forms.items()])
        hdu = fits.BinTableHDU.from_columns(
            [fits.Column(k, forms[k][0], unit=_fits_unit(c.unit),
                         null=NULL if c.kind == "int" else None) for k, c in columns.items()],
            nrows=0, name=name)  # fmt: skip
        hdu.header["NAXIS2"] = n
        for number, column in enumerate(columns.values(), start=1):
            dex = " [dex]" if column.unit == "dex" else ""
            hdu.header[f"TCOMM{number}"] = column.what + dex
        for key, (value, comment) in cards.items():
            hdu.header[key] = (value, comment)
        self._block(hdu.header.tostring().encode("ascii"))

    def write(self, table):
        """Write rows of the table that was begun."""
        records = np.zeros(len(table), self.record)
        for name, column in self.columns.items():
            values = table[name]
            if column.kind == "text":
                values = np.array(ascii_bytes(values), dtype=self.record[name])
            elif column.kind == "bool":
                values = np.where(values.to_numpy(), b"T", b"F")
            elif column.kind == "int":
                values = values.fillna(NULL).to_numpy(dtype=np.int64)
            records[name] = values
        self.written += len(table)
        self.file.write(records.tobytes())

    def end(self):
        """End a table: fill its last block."""
        assert self.written == self.n
        self._block(b"", self.written * self.record.itemsize)

    def _block(self, data, before=0):
        """Write bytes and fill the block of 2880 with zeros."""
        self.file.write(data + bytes(-(before + len(data)) % 2880))

    def close(self):
        """Close the file."""
        self.file.close()


class TextWriter:
    """Write one table as CSV, or as ECSV with units, descriptions and provenance.

    Parameters
    ----------
    path : pathlib.Path
    ecsv : bool
        CSV begins with its header line; of a missing value nothing is written in either.
    """

    def __init__(self, path, ecsv):
        self.file, self.ecsv = open(path, "w", newline="", encoding="utf-8"), ecsv

    def begin(self, name, columns, widths, n, cards):
        """Begin the table; parameters as for `FitsWriter.begin`."""
        self.columns = columns
        if self.ecsv:
            self.file.write(_ecsv_head(columns, cards))
        else:
            csv.writer(self.file, lineterminator="\n").writerow(columns)

    def write(self, table):
        """Write rows."""
        out = csv.writer(self.file, lineterminator="\n")
        values = [_cells(table[name], column.kind) for name, column in self.columns.items()]
        out.writerows(zip(*values, strict=True))

    def end(self):
        """End the table."""

    def close(self):
        """Close the file."""
        self.file.close()


class ParquetWriter:
    """Write one table as Parquet, a part a row group; provenance is in the schema's metadata.

    Parameters
    ----------
    path : pathlib.Path
    """

    TYPES = {"text": pa.string(), "int": pa.int64(), "bool": pa.bool_(), "real": pa.float32(),
             "double": pa.float64()}  # fmt: skip

    def __init__(self, path):
        self.path, self.out = path, None

    def begin(self, name, columns, widths, n, cards):
        """Begin the table; parameters as for `FitsWriter.begin`."""
        about = {key: str(value) for key, (value, _) in cards.items()}
        self.schema = pa.schema(
            [pa.field(k, self.TYPES[c.kind], metadata={"unit": c.unit, "description": c.what})
             for k, c in columns.items()], metadata={"cemp": json.dumps(about)})  # fmt: skip
        self.out = pq.ParquetWriter(self.path, self.schema, compression="zstd")

    def write(self, table):
        """Write rows."""
        self.out.write_table(pa.Table.from_pandas(table, self.schema, preserve_index=False)
                             .replace_schema_metadata(self.schema.metadata))

    def end(self):
        """End the table."""

    def close(self):
        """Close the file."""
        if self.out is not None:
            self.out.close()


#: Suffix -> writer.
WRITERS = {
    ".fits": FitsWriter, ".csv": lambda path: TextWriter(path, False),
    ".ecsv": lambda path: TextWriter(path, True), ".parquet": ParquetWriter,
}  # fmt: skip


def check_suffix(path):
    """Refuse a file whose format is not known, before hours of work.

    Parameters
    ----------
    path : pathlib.Path

    Raises
    ------
    BadInputError
    """
    if path.suffix.lower() not in WRITERS:
        raise BadInputError(f"{path}: cannot tell the format; end the name with one of "
                            f"{', '.join(WRITERS)}")
    if path.is_dir():
        raise BadInputError(f"{path}: is a folder; give the name of a file")


def _fits_unit(unit):
    """Give the unit as FITS has it: its standard knows no dex, and readers warn of it."""
    return None if unit in ("", "dex") else unit


def _ecsv_head(columns, cards):
    """Header of an ECSV file, as astropy writes it for an empty table."""
    empty = Table(
        [AstropyColumn(np.zeros(0, "U1" if c.kind == "text" else _numpy(c.kind)), name=k,
                       unit=c.unit or None, description=c.what) for k, c in columns.items()],
        meta={key: value for key, (value, _) in cards.items()},
    )  # fmt: skip
    text = io.StringIO()
    empty.write(text, format="ascii.ecsv", delimiter=",")
    return text.getvalue()


def _numpy(kind):
    """Give the numpy type of a kind that is no text."""
    return {"int": np.int64}.get(kind, PANDAS[kind])


def _cells(values, kind):
    """Texts of a column; empty where a value is missing."""
    if kind in DIGITS:
        return [DIGITS[kind] % v if v == v else "" for v in values.to_numpy()]
    if kind == "int":
        return ["" if missing else str(value)
                for value, missing in zip(values, values.isna(), strict=True)]
    return values.to_list()
