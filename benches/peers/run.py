#!/usr/bin/env python3
"""Loads the same CSV files with Wharf and its peers, in turn, and writes docs/benchmarks.md.

    python3 -m venv /some/venv && /some/venv/bin/pip install -r benches/peers/requirements.txt
    cargo build --release
    /some/venv/bin/python benches/peers/run.py --data /some/directory

Every figure is of a whole process as the operating system accounts for it: wall seconds, user and
system CPU seconds, and the peak memory of the process. Rounds go A B C A B C, so that a drifting
machine drifts for all; the table gives medians with their least and greatest values.
"""

import argparse
import json
import os
import pathlib
import random
import shutil
import statistics
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent

COLUMNS = [
    ("l_orderkey", "BIGINT"), ("l_partkey", "BIGINT"), ("l_suppkey", "BIGINT"),
    ("l_linenumber", "INT4"), ("l_quantity", "DECIMAL(15,2)"),
    ("l_extendedprice", "DECIMAL(15,2)"), ("l_discount", "DECIMAL(15,2)"),
    ("l_tax", "DECIMAL(15,2)"), ("l_returnflag", "VARCHAR(1)"), ("l_linestatus", "VARCHAR(1)"),
    ("l_shipdate", "DATE"), ("l_commitdate", "DATE"), ("l_receiptdate", "DATE"),
    ("l_shipinstruct", "VARCHAR(25)"), ("l_shipmode", "VARCHAR(10)"), ("l_comment", "VARCHAR(44)"),
]
KEY = "l_orderkey, l_linenumber"

QUERIES = {
    "COUNT(*)": "SELECT count(*) FROM lineitem",
    "Q1": """SELECT l_returnflag, l_linestatus, sum(l_quantity), sum(l_extendedprice),
        sum(l_extendedprice * (1 - l_discount)), sum(l_extendedprice * (1 - l_discount) * (1 + l_tax)),
        avg(l_quantity), avg(l_extendedprice), avg(l_discount), count(*) FROM lineitem
        WHERE l_shipdate <= DATE '1998-09-02' GROUP BY l_returnflag, l_linestatus
        ORDER BY l_returnflag, l_linestatus""",
    "Q6": """SELECT sum(l_extendedprice * l_discount) FROM lineitem
        WHERE l_shipdate >= DATE '1994-01-01' AND l_shipdate < DATE '1995-01-01'
        AND l_discount BETWEEN 0.05 AND 0.07 AND l_quantity < 24""",
    "key lookup": "SELECT * FROM lineitem WHERE l_orderkey = 3000001 AND l_linenumber = 1",
}


def table_sql(extra=""):
    """Returns the element list that Wharf, DuckDB and PostgreSQL all read."""
    columns = ", ".join(f"{name} {kind} NOT NULL" for name, kind in COLUMNS)
    return f"{columns}{extra}"


def measure(command, environment=None):
    """Runs a command; returns wall, CPU seconds and peak MiB."""
    started = time.perf_counter()
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    message = process.stderr.read()
    _, status, usage = os.wait4(process.pid, 0)
    wall = time.perf_counter() - started
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        sys.exit(f"{command[0]} failed: {message.decode(errors='replace')[-2000:]}")
    return {"wall": wall, "cpu": usage.ru_utime + usage.ru_stime, "peak": usage.ru_maxrss / 1024}


def size_of(path):
    path = pathlib.Path(path)
    if path.is_file():
        return path.stat().st_size
    return sum(file.stat().st_size for file in path.rglob("*") if file.is_file())


def remove(path):
    path = pathlib.Path(path)
    if path.is_dir():
        shutil.rmtree(path)
    elif path.exists():
        path.unlink()


class Subject:
    """A way to load the table: a name, a command, and where the result lies."""

    def __init__(self, name, command, result, prepare=None):
        self.name, self.command, self.result, self.prepare = name, command, result, prepare
        self.runs = []

    def run(self):
        for path in self.result:
            remove(path)
        if self.prepare:
            self.prepare()
        os.sync()
        self.runs.append(measure(self.command))
        self.size = sum(size_of(path) for path in self.result)

    def median(self, figure):
        return statistics.median(run[figure] for run in self.runs)

    def spread(self, figure):
        values = [run[figure] for run in self.runs]
        return min(values), max(values)


def wharf(options, name, files, extra="", memory=None, arguments=()):
    database = options.work / f"wharf-{name}"
    temp = options.work / f"wharf-temp-{name}"
    data = ", ".join(f"'{file}'" for file in files)
    statement = (
        f"IMPORT TABLE lineitem ({table_sql(f', PRIMARY KEY ({KEY}){extra}')}) CSV DATA ({data}) "
        f"WITH temp = '{temp}', header = 'skip'"
    )
    command = [str(options.wharf), "--no-init", str(database), *arguments]
    if memory:
        command += ["--memory", memory]
    command += ["-e", "SET CLUSTER SETTING experimental.importcsv.enabled = true", "-e", statement]
    return Subject(f"Wharf, {name}", command, [database])


def python(code):
    return [sys.executable, "-c", code]


def duckdb(options, name, file, key=""):
    database = options.work / f"duckdb-{name.replace(' ', '-')}.db"
    code = (
        f"import duckdb; c = duckdb.connect({str(database)!r}); c.execute('SET threads = 2');"
        f"c.execute({f'CREATE TABLE lineitem ({table_sql(key)})'!r});"
        f"c.execute({f'COPY lineitem FROM {chr(39)}{file}{chr(39)} (HEADER true)'!r});"
        "c.execute('CHECKPOINT'); c.close()"
    )
    return Subject(f"DuckDB, {name}", python(code), [database, pathlib.Path(f"{database}.wal")])


def chdb(options, name, file):
    database = options.work / f"chdb-{name}"
    kinds = {"BIGINT": "Int64", "INT4": "Int32", "DECIMAL(15,2)": "Decimal(15,2)", "DATE": "Date"}
    columns = ", ".join(f"{column} {kinds.get(kind, 'String')}" for column, kind in COLUMNS)
    structure = columns.replace("'", "")
    code = (
        f"from chdb import session; s = session.Session({str(database)!r});"
        f"s.query({f'CREATE DATABASE IF NOT EXISTS d'!r});"
        f"s.query({f'CREATE TABLE d.lineitem ({columns}) ENGINE = MergeTree ORDER BY ({KEY})'!r});"
        f"s.query({f'INSERT INTO d.lineitem SELECT * FROM file({chr(39)}{file}{chr(39)}, CSVWithNames, {chr(39)}{structure}{chr(39)})'!r});"
        "s.close()"
    )
    return Subject(f"ClickHouse, {name}", python(code), [database])


def sqlite(options, file):
    database = options.work / "sqlite.db"
    columns = ", ".join(f"{column}" for column, _ in COLUMNS)
    holes = ", ".join("?" for _ in COLUMNS)
    code = (
        f"import csv, sqlite3; c = sqlite3.connect({str(database)!r});"
        f"c.execute({f'CREATE TABLE lineitem ({columns}, PRIMARY KEY ({KEY}))'!r});"
        f"r = csv.reader(open({str(file)!r}, newline='')); next(r);"
        f"c.executemany({f'INSERT INTO lineitem VALUES ({holes})'!r}, r); c.commit()"
    )
    return Subject("SQLite, key", python(code), [database])


def polars(options, file):
    result = options.work / "polars.parquet"
    code = (
        "import polars as pl;"
        f"pl.read_csv({str(file)!r}, try_parse_dates=True).write_parquet({str(result)!r}, compression='zstd', compression_level=1)"
    )
    return Subject("polars to Parquet, no key", python(code), [result])


def postgres(options, file):
    """PostgreSQL runs as a server of its own; its COPY is timed from the client's side."""
    binaries = sorted(pathlib.Path("/usr/lib/postgresql").glob("*/bin")) if pathlib.Path("/usr/lib/postgresql").exists() else []
    if not binaries or not (binaries[-1] / "initdb").exists():
        print("PostgreSQL is left out: its server is not installed", file=sys.stderr)
        return None
    cluster, socket = options.work / "postgres", options.work / "postgres-socket"
    socket.mkdir(exist_ok=True)
    as_user = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"] if os.getuid() == 0 else []

    def prepare():
        stop()
        remove(cluster)
        for path in (cluster, socket):
            path.mkdir(exist_ok=True)
            path.chmod(0o777)
            if os.getuid() == 0:
                os.chown(path, 65534, 65534)
        run = lambda *words: subprocess.run([*as_user, *words], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        run(str(binaries[-1] / "initdb"), "-D", str(cluster), "-U", "postgres")
        settings = f"-c shared_buffers=1GB -c max_wal_size=8GB -c wal_level=minimal -c max_wal_senders=0 -c listen_addresses= -k {socket}"
        run(str(binaries[-1] / "pg_ctl"), "-D", str(cluster), "-w", "-l", str(cluster / "log"), "-o", settings, "start")

    def stop():
        if (cluster / "postmaster.pid").exists():
            subprocess.run([*as_user, str(binaries[-1] / "pg_ctl"), "-D", str(cluster), "-m", "fast", "stop"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    script = (
        f"BEGIN; CREATE TABLE lineitem ({table_sql(f', PRIMARY KEY ({KEY})')});\n"
        f"\\copy lineitem FROM '{file}' WITH (FORMAT csv, HEADER true)\nCOMMIT; CHECKPOINT;\n"
    )
    path = options.work / "postgres.sql"
    path.write_text(script)
    subject = Subject("PostgreSQL, key", ["psql", "-q", "-h", str(socket), "-U", "postgres", "-v", "ON_ERROR_STOP=1", "-f", str(path)], [], prepare)
    subject.stop = stop
    subject.cluster = cluster
    return subject


def make_data(options):
    """Makes the data files that are missing."""
    options.data.mkdir(parents=True, exist_ok=True)
    plain = options.data / "lineitem.csv"
    if not plain.exists():
        tool = pathlib.Path(sys.executable).parent / "tpchgen-cli"
        subprocess.run([str(tool), "csv", "-s", str(options.scale), "--tables=lineitem,orders", f"--output-dir={options.data}"], check=True)
    shuffled = options.data / "lineitem-shuffled.csv"
    parts = options.data / "parts"
    if not shuffled.exists() or not parts.exists():
        with open(plain, "rb") as file:
            head = file.readline()
            lines = file.readlines()
        parts.mkdir(exist_ok=True)
        step = -(-len(lines) // 100)
        for number in range(100):
            with open(parts / f"lineitem-{number:03}.csv", "wb") as part:
                part.write(head)
                part.writelines(lines[number * step:(number + 1) * step])
        random.Random(1).shuffle(lines)
        with open(shuffled, "wb") as file:
            file.write(head)
            file.writelines(lines)
    return plain, shuffled, sorted(parts.glob("*.csv"))


def subjects(options):
    plain, shuffled, parts = make_data(options)
    key = f", PRIMARY KEY ({KEY})"
    chosen = [wharf(options, "key", [plain])]
    if "duckdb" in options.peers:
        chosen += [duckdb(options, "key", plain, key), duckdb(options, "no key", plain)]
    if "chdb" in options.peers:
        chosen.append(chdb(options, "no uniqueness", plain))
    if "polars" in options.peers:
        chosen.append(polars(options, plain))
    if "sqlite" in options.peers:
        chosen.append(sqlite(options, plain))
    if "postgres" in options.peers:
        chosen.append(postgres(options, plain))
    chosen += [
        wharf(options, "100 files", parts),
        wharf(options, "one index more", [plain], ", INDEX (l_partkey)"),
        wharf(options, "shuffled", [shuffled], memory="256MiB"),
    ]
    if "duckdb" in options.peers:
        chosen.append(duckdb(options, "shuffled key", shuffled, key))
    if "chdb" in options.peers:
        chosen.append(chdb(options, "shuffled", shuffled))
    return [subject for subject in chosen if subject]


def query_times(options):
    """Returns the median milliseconds of each query after the load, by engine."""
    times = {"Wharf": {}, "DuckDB": {}}
    script = options.work / "queries.sql"
    rounds = 9
    for name, query in QUERIES.items():
        script.write_text("\\timing on\n" + f"{query};\n" * rounds)
        shown = subprocess.run([str(options.wharf), "--no-init", "--format", "csv", str(options.work / "wharf-key"), "-f", str(script)], check=True, capture_output=True, text=True)
        found = [float(line.split()[1]) for line in (shown.stdout + shown.stderr).splitlines() if line.startswith("Time:")]
        times["Wharf"][name] = statistics.median(found[2:])
    if "duckdb" in options.peers:
        code = (
            "import duckdb, json, statistics, sys, time\n"
            f"c = duckdb.connect({str(options.work / 'duckdb-no-key.db')!r}); c.execute('SET threads = 2')\n"
            "out = {}\n"
            f"for name, query in {QUERIES!r}.items():\n"
            "    found = []\n"
            f"    for _ in range({rounds}):\n"
            "        t = time.perf_counter(); c.execute(query).fetchall(); found.append((time.perf_counter() - t) * 1000)\n"
            "    out[name] = statistics.median(found[2:])\n"
            "print(json.dumps(out))"
        )
        shown = subprocess.run(python(code), check=True, capture_output=True, text=True)
        times["DuckDB"] = json.loads(shown.stdout)
    return times


def write_report(options, chosen, times):
    rows = []
    for subject in chosen:
        low, high = subject.spread("wall")
        rows.append(
            f"| {subject.name} | {subject.median('wall'):.2f} ({low:.2f} to {high:.2f}) | {subject.median('cpu'):.2f} "
            f"| {subject.median('peak'):.0f} | {subject.size / 1e6:.0f} |"
        )
    lines = [
        f"Load of lineitem.csv at scale factor {options.scale}, {len(chosen[0].runs)} rounds, {os.cpu_count()} cores:",
        "",
        "| what | wall s, median (least to greatest) | CPU s | peak MiB | database MB |",
        "|---|---|---|---|---|",
        *rows,
        "",
        "Queries after the load, median milliseconds (DuckDB without key, in its process; Wharf in its shell):",
        "",
        "| query | Wharf | DuckDB | ratio |",
        "|---|---|---|---|",
    ]
    for name, mine in times["Wharf"].items():
        other = times["DuckDB"].get(name)
        ratio = f"{mine / other:.2f}" if other else "-"
        lines.append(f"| {name} | {mine:.2f} | {f'{other:.2f}' if other else '-'} | {ratio} |")
    text = "\n".join(lines) + "\n"
    print(text)
    if options.report:
        page = options.report.read_text()
        before, rest = page.split("<!-- peers -->\n", 1)
        after = rest.split("<!-- /peers -->\n", 1)[1]
        options.report.write_text(f"{before}<!-- peers -->\n{text}<!-- /peers -->\n{after}")
    if options.plot:
        plot(options, chosen)


def plot(options, chosen):
    import matplotlib

    matplotlib.use("svg")
    import matplotlib.pyplot as plots

    figure, axes = plots.subplots(figsize=(8, 0.4 * len(chosen) + 1))
    names = [subject.name for subject in chosen][::-1]
    walls = [subject.median("wall") for subject in chosen][::-1]
    colors = ["#1f6f8b" if name.startswith("Wharf") else "#b0b0b0" for name in names]
    axes.barh(names, walls, color=colors)
    axes.bar_label(axes.containers[0], fmt="%.2f s", padding=3)
    axes.set_xlabel("wall seconds, median; less is better")
    axes.set_title(f"Import of TPC-H lineitem, scale factor {options.scale}")
    axes.spines[["top", "right"]].set_visible(False)
    figure.tight_layout()
    figure.savefig(options.plot)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=pathlib.Path, required=True, help="where the data files are, or are made")
    parser.add_argument("--work", type=pathlib.Path, help="where databases are made (default: DATA/work)")
    parser.add_argument("--wharf", type=pathlib.Path, default=ROOT / "target/release/wharf")
    parser.add_argument("--scale", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--peers", default="duckdb,chdb,polars,sqlite,postgres", help="comma-separated; empty for none")
    parser.add_argument("--only", help="only subjects whose name holds this text")
    parser.add_argument("--report", type=pathlib.Path, help="the page to write into, between its peers marks")
    parser.add_argument("--plot", type=pathlib.Path, help="the SVG file to draw")
    options = parser.parse_args()
    options.peers = [peer for peer in options.peers.split(",") if peer]
    options.work = (options.work or options.data / "work").resolve()
    options.work.mkdir(parents=True, exist_ok=True)
    options.data = options.data.resolve()
    chosen = subjects(options)
    if options.only:
        chosen = [subject for subject in chosen if options.only in subject.name]
    for number in range(options.rounds + 1):
        for subject in chosen:
            subject.run()
            if number == 0:
                subject.runs.clear()  # the first round warms the page cache
            if hasattr(subject, "stop"):
                subject.size = size_of(subject.cluster)
                subject.stop()
            print(f"round {number}: {subject.name}", file=sys.stderr)
    times = query_times(options) if not options.only else {"Wharf": {}, "DuckDB": {}}
    write_report(options, chosen, times)


if __name__ == "__main__":
    main()
