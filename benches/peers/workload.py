"""The table, the questions asked of it, and the files it is loaded from.

Run as a program (`workload.py DIRECTORY SCALE`) it makes the files. That is a process of its own
because it holds all lines in memory, and a process passes its peak memory on to its children.
"""

import os
import pathlib
import random
import shutil
import subprocess
import sys
from dataclasses import dataclass

COLUMNS = [
    ("l_orderkey", "BIGINT"), ("l_partkey", "BIGINT"), ("l_suppkey", "BIGINT"),
    ("l_linenumber", "INT4"), ("l_quantity", "DECIMAL(15,2)"),
    ("l_extendedprice", "DECIMAL(15,2)"), ("l_discount", "DECIMAL(15,2)"),
    ("l_tax", "DECIMAL(15,2)"), ("l_returnflag", "VARCHAR(1)"), ("l_linestatus", "VARCHAR(1)"),
    ("l_shipdate", "DATE"), ("l_commitdate", "DATE"), ("l_receiptdate", "DATE"),
    ("l_shipinstruct", "VARCHAR(25)"), ("l_shipmode", "VARCHAR(10)"), ("l_comment", "VARCHAR(44)"),
]
KEY = "l_orderkey, l_linenumber"

PARTS = 100

CSV_MEGABYTES = 770
"""What lineitem takes as CSV at scale factor 1."""

CHECK = """SELECT count(*), sum(l_orderkey), sum(l_partkey), sum(l_suppkey), sum(l_linenumber),
    sum(l_quantity), sum(l_extendedprice), sum(l_discount), sum(l_tax),
    sum(length(l_returnflag)), sum(length(l_shipinstruct)), sum(length(l_shipmode)),
    sum(length(l_comment)), min(l_shipdate), max(l_shipdate), min(l_commitdate),
    max(l_receiptdate), min(l_comment), max(l_comment) FROM lineitem"""

START_UP = "SELECT 1"


def queries(scale: float) -> dict[str, str]:
    """Returns the questions asked after the load, by name."""
    # Order keys are the numbers whose rest by 32 is below 8; line 1 of each of them exists.
    order = int(3_000_000 * scale) // 32 * 32 + 1
    return {
        "COUNT(*)": "SELECT count(*) FROM lineitem",
        "Q1": """SELECT l_returnflag, l_linestatus, sum(l_quantity), sum(l_extendedprice),
            sum(l_extendedprice * (1 - l_discount)),
            sum(l_extendedprice * (1 - l_discount) * (1 + l_tax)),
            avg(l_quantity), avg(l_extendedprice), avg(l_discount), count(*) FROM lineitem
            WHERE l_shipdate <= DATE '1998-09-02' GROUP BY l_returnflag, l_linestatus
            ORDER BY l_returnflag, l_linestatus""",
        "Q6": """SELECT sum(l_extendedprice * l_discount) FROM lineitem
            WHERE l_shipdate >= DATE '1994-01-01' AND l_shipdate < DATE '1995-01-01'
            AND l_discount BETWEEN 0.05 AND 0.07 AND l_quantity < 24""",
        "key lookup":
            f"SELECT * FROM lineitem WHERE l_orderkey = {order} AND l_linenumber = 1",
    }


def elements(key: bool, more: str = "") -> str:
    """Returns what stands between the parentheses of CREATE TABLE."""
    columns = ", ".join(f"{name} {kind} NOT NULL" for name, kind in COLUMNS)
    return columns + (f", PRIMARY KEY ({KEY})" if key else "") + more


@dataclass(frozen=True)
class Files:
    """The files of one scale factor: the same rows, three times."""

    directory: pathlib.Path

    @property
    def plain(self) -> list[pathlib.Path]:
        """One file in the order of the key."""
        return [self.directory / "lineitem.csv"]

    @property
    def shuffled(self) -> list[pathlib.Path]:
        """One file in no order."""
        return [self.directory / "lineitem-shuffled.csv"]

    @property
    def parts(self) -> list[pathlib.Path]:
        """Many files, in the order of the key."""
        return [self.directory / f"lineitem-{number:03}.csv" for number in range(PARTS)]

    @property
    def twice(self) -> list[pathlib.Path]:
        """A tiny file whose last row repeats the key of the one before."""
        return [self.directory / "twice.csv"]

    def all(self) -> list[pathlib.Path]:
        """Returns all of them."""
        return [*self.plain, *self.shuffled, *self.parts, *self.twice]


def generate(directory: pathlib.Path, scale: float) -> None:
    """Makes lineitem.csv in a directory."""
    beside = pathlib.Path(sys.executable).parent / "tpchgen-cli"
    tool = str(beside) if beside.exists() else shutil.which("tpchgen-cli")
    if not tool:
        sys.exit("tpchgen-cli is not installed: pip install -r benches/peers/requirements.txt")
    words = [tool, "csv", "-s", str(scale), "--tables=lineitem", f"--output-dir={directory}"]
    if subprocess.run(words, check=False).returncode != 0:
        sys.exit("tpchgen-cli could not make lineitem.csv")


def make(directory: pathlib.Path, scale: float) -> None:
    """Makes all files, complete or not at all: they get their directory's name at the end."""
    unfinished = directory.with_name(directory.name + ".unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(parents=True)
    files = Files(unfinished)
    generate(unfinished, scale)
    with open(files.plain[0], "rb") as file:
        head = file.readline()
        lines = file.readlines()
    step = -(-len(lines) // PARTS)
    for number, path in enumerate(files.parts):
        write(path, head, lines[number * step:(number + 1) * step])
    write(files.twice[0], head, [lines[0], lines[1], lines[1]])
    random.Random(1).shuffle(lines)
    write(files.shuffled[0], head, lines)
    os.sync()
    unfinished.rename(directory)


def write(path: pathlib.Path, head: bytes, lines: list[bytes]) -> None:
    """Writes a CSV file with its header."""
    with open(path, "wb") as file:
        file.write(head)
        file.writelines(lines)


if __name__ == "__main__":
    make(pathlib.Path(sys.argv[1]), float(sys.argv[2]))
