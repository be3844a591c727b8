"""Loads and asks the peers that are Python packages: one process per load, one per set of queries.

    inside.py ENGINE load DATABASE FILE KEY      KEY is 1 or 0; prints what starting Python took
    inside.py ENGINE ask DATABASE JSON           {"queries": {name: SQL}, "repeats": N}

`ask` prints {name: {"milliseconds": [...], "rows": [[text, ...], ...]}}; a first, cold run does not
count.
"""

import importlib
import json
import pathlib
import sys
import time
from typing import Any

import workload

PATIENCE = 4.0
"""Seconds after which a query is repeated no more."""


class DuckDb:
    """DuckDB: one file; CHECKPOINT syncs it."""

    package = "duckdb"
    formats = {".csv": "HEADER true", ".ndjson": "FORMAT json", ".parquet": "FORMAT parquet"}

    def __init__(self, package: Any, database: str) -> None:
        self.connection = package.connect(database)

    def load(self, file: str, key: bool) -> None:
        """Makes the table and copies the file into it."""
        self.connection.execute(f"CREATE TABLE lineitem ({workload.elements(key)})")
        options = self.formats[pathlib.Path(file).suffix]
        self.connection.execute(f"COPY lineitem FROM {quoted(file)} ({options})")
        self.connection.execute("CHECKPOINT")
        self.connection.close()

    def ask(self, sql: str) -> list[list[str]]:
        """Returns the rows as text."""
        return texts(self.connection.execute(sql).fetchall())


class ClickHouse:
    """ClickHouse in the process (chdb): a MergeTree sorted by the key, which it does not check."""

    package = "chdb.session"
    kinds = {"BIGINT": "Int64", "INT4": "Int32", "DECIMAL(15,2)": "Decimal(15,2)", "DATE": "Date"}

    def __init__(self, package: Any, database: str) -> None:
        self.session = package.Session(database)

    def load(self, file: str, key: bool) -> None:
        """Makes the table and inserts the file into it."""
        assert key, "a MergeTree is loaded in the order of its key"
        columns = ", ".join(f"{name} {self.kinds.get(kind, 'String')}"
                            for name, kind in workload.COLUMNS)
        self.session.query(f"CREATE TABLE lineitem ({columns}) ENGINE = MergeTree "
                           f"ORDER BY ({workload.KEY})")
        self.session.query(f"INSERT INTO lineitem SELECT * FROM "
                           f"file({quoted(file)}, CSVWithNames, {quoted(columns)})")
        self.session.close()

    def ask(self, sql: str) -> list[list[str]]:
        """Returns the rows as text."""
        shown = str(self.session.query(sql, "JSONCompactStrings"))
        rows: list[list[str]] = json.loads(shown)["data"]
        return rows


class Polars:
    """polars: CSV to one Parquet file, as a stream; no key, no sync."""

    package = "polars"

    def __init__(self, package: Any, database: str) -> None:
        self.polars, self.database = package, database

    def load(self, file: str, key: bool) -> None:
        """Writes the file again as Parquet."""
        assert not key, "polars has no keys"
        kinds = {"BIGINT": self.polars.Int64, "INT4": self.polars.Int32,
                 "DECIMAL(15,2)": self.polars.Decimal(15, 2), "DATE": self.polars.Date}
        schema = {name: kinds.get(kind, self.polars.String) for name, kind in workload.COLUMNS}
        self.polars.scan_csv(file, schema=schema).sink_parquet(
            self.database, compression="zstd", compression_level=1
        )

    def ask(self, sql: str) -> list[list[str]]:
        """Returns the rows as text."""
        context = self.polars.SQLContext(lineitem=self.polars.scan_parquet(self.database))
        return texts(context.execute(sql, eager=True).rows())


class Sqlite:
    """SQLite: asked here, loaded by its own shell, which is faster."""

    package = "sqlite3"

    def __init__(self, package: Any, database: str) -> None:
        self.connection = package.connect(database)

    def load(self, file: str, key: bool) -> None:
        """Is not done here."""
        raise NotImplementedError

    def ask(self, sql: str) -> list[list[str]]:
        """Returns the rows as text; SQLite has no literals of dates."""
        return texts(self.connection.execute(sql.replace("DATE '", "'")).fetchall())


ENGINES: dict[str, Any] = {"duckdb": DuckDb, "chdb": ClickHouse, "polars": Polars, "sqlite": Sqlite}


def quoted(text: str) -> str:
    """Returns a literal of SQL, as DuckDB and ClickHouse both read it."""
    return "'" + text.replace("'", "''") + "'"


def texts(rows: list[tuple[Any, ...]]) -> list[list[str]]:
    """Returns rows as text."""
    return [[str(value) for value in row] for row in rows]


def ask_all(engine: Any, wanted: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Asks every query as often as wanted, and once more before that."""
    answers = {}
    for name, sql in wanted["queries"].items():
        rows = engine.ask(sql)
        times: list[float] = []
        while not times or (len(times) < wanted["repeats"] and sum(times) < PATIENCE * 1000):
            started = time.perf_counter()
            engine.ask(sql)
            times.append((time.perf_counter() - started) * 1000)
        answers[name] = {"milliseconds": times, "rows": rows}
    return answers


def main() -> None:
    """Does what the arguments say."""
    name, verb, database, *rest = sys.argv[1:]
    kind = ENGINES[name]
    package = importlib.import_module(kind.package)
    start = {"wall": time.perf_counter(), "cpu": time.process_time()}
    engine = kind(package, database)
    if verb == "load":
        file, key = rest
        engine.load(file, key == "1")
        print(json.dumps(start))
    else:
        print(json.dumps(ask_all(engine, json.loads(rest[0]))))


if __name__ == "__main__":
    main()
