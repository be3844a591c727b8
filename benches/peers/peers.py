"""The peers: how each of them loads the table, and how it is asked.

A peer leaves one database at the path it is given. `load` returns the cost, `ask` the answers.
"""

import contextlib
import csv
import importlib.metadata
import importlib.util
import io
import json
import os
import pathlib
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import workload
from measure import Ended, ProcessFailed, Run, remove, run_process, size_of, wait

INSIDE = pathlib.Path(__file__).resolve().parent / "inside.py"


Queries = dict[str, str]
"""The SQL of each query by its name."""


@dataclass(frozen=True)
class Load:
    """What is to be loaded, and how; Wharf alone knows what follows the key."""

    files: tuple[pathlib.Path, ...]
    key: bool = True
    index: str = ""
    memory: str = ""
    threads: int = 0
    kind: str = "CSV"
    options: str = "header = 'skip'"


@dataclass
class Answer:
    """The answer to one query: what each repetition took, and the rows as text."""

    milliseconds: list[float]
    rows: list[list[str]]


class Peer:
    """A program that loads the table."""

    synced = "yes"
    slow = False

    def missing(self) -> str:
        """Says what is not installed, or nothing."""
        return ""

    def version(self) -> str:
        """Returns name and version."""
        raise NotImplementedError

    def load(self, load: Load, database: pathlib.Path) -> Run:
        """Loads the table into a new database."""
        raise NotImplementedError

    def ask(self, database: pathlib.Path, queries: Queries, repeats: int) -> dict[str, Answer]:
        """Asks each query once, then as often as wanted."""
        raise NotImplementedError

    def close(self) -> None:
        """Ends what still runs."""


class Wharf(Peer):
    """Wharf, through its shell."""

    def __init__(self, binary: pathlib.Path) -> None:
        self.binary = binary

    def missing(self) -> str:
        if not os.access(self.binary, os.X_OK):
            return f"no program at {self.binary}: cargo build --release, or name it with --wharf"
        return ""

    def version(self) -> str:
        return run_process([str(self.binary), "--version"]).output.strip()

    def command(self, database: pathlib.Path, *words: str) -> list[str]:
        """Returns the words of a call of the shell."""
        return [str(self.binary), "--no-init", "--quiet", "--format", "csv", str(database), *words]

    def load(self, load: Load, database: pathlib.Path) -> Run:
        temporary = database.with_name(database.name + ".temp")
        remove(database)
        remove(temporary)
        data = ", ".join(literal(file) for file in load.files)
        index = f", INDEX ({load.index})" if load.index else ""
        words = self.command(database)
        words += ["--memory", load.memory] if load.memory else []
        words += ["--threads", str(load.threads)] if load.threads else []
        words += ["-e", "SET CLUSTER SETTING experimental.importcsv.enabled = true", "-e",
                  f"IMPORT TABLE lineitem ({workload.elements(load.key, index)}) "
                  f"{load.kind} DATA ({data}) WITH temp = {literal(temporary)}"
                  + (f", {load.options}" if load.options else "")]
        os.sync()
        run = run_process(words).run
        run.size = size_of(database)
        remove(temporary)
        return run

    def ask(self, database: pathlib.Path, queries: Queries, repeats: int) -> dict[str, Answer]:
        answers = {}
        for name, sql in queries.items():
            with script("\\t on\n\\timing on\n" + f"{sql};\n" * (repeats + 1)) as path:
                ended = run_process(self.command(database, "-f", path))
            answers[name] = shell_answer(ended, repeats)
        return answers

    def start_up(self, database: pathlib.Path, repeats: int) -> list[float]:
        """Returns the milliseconds of opening a database for one trivial statement."""
        words = self.command(database, "-e", workload.START_UP)
        return [run_process(words).run.wall * 1000 for _ in range(repeats + 1)][1:]


class Package(Peer):
    """A peer that is a Python package: each load is a process of its own."""

    def __init__(self, engine: str, name: str, package: str, synced: str) -> None:
        self.engine, self.name, self.package, self.synced = engine, name, package, synced

    def missing(self) -> str:
        if importlib.util.find_spec(self.engine) is None:
            return f"no Python package {self.engine}: pip install -r benches/peers/requirements.txt"
        return ""

    def version(self) -> str:
        return f"{self.name} {importlib.metadata.version(self.package)}"

    def load(self, load: Load, database: pathlib.Path) -> Run:
        log = database.with_name(database.name + ".wal")
        remove(database)
        remove(log)
        [file] = load.files
        os.sync()
        ended = run_process([sys.executable, str(INSIDE), self.engine, "load", str(database),
                             str(file), str(int(load.key))])
        finished = time.perf_counter()
        run, start = ended.run, json.loads(ended.output)
        # The child's clock is ours, so the time before it began to load can be told.
        run.start_wall = max(0.0, run.wall - (finished - start["wall"]))
        run.start_cpu = start["cpu"]
        run.size = size_of(database) + size_of(log)
        return run

    def ask(self, database: pathlib.Path, queries: Queries, repeats: int) -> dict[str, Answer]:
        return ask_inside(self.engine, database, queries, repeats)


class Sqlite(Peer):
    """SQLite: loaded by `.import` of its shell, with the settings it has by itself."""

    slow = True

    def missing(self) -> str:
        return "" if shutil.which("sqlite3") else "no program sqlite3: it comes with SQLite"

    def version(self) -> str:
        return "SQLite " + run_process(["sqlite3", "--version"]).output.split()[0]

    def load(self, load: Load, database: pathlib.Path) -> Run:
        remove(database)
        [file] = load.files
        os.sync()
        ended = run_process(["sqlite3", str(database),
                             f"CREATE TABLE lineitem ({workload.elements(load.key)})",
                             f'.import --csv --skip 1 "{file}" lineitem'])
        ended.run.size = size_of(database)
        return ended.run

    def ask(self, database: pathlib.Path, queries: Queries, repeats: int) -> dict[str, Answer]:
        return ask_inside("sqlite", database, queries, repeats)


class Postgres(Peer):
    """PostgreSQL: a private cluster, which runs during a load or a set of queries only.

    The CPU seconds are those of the server with all its processes and of the client; the peak is
    that of the largest of them, shared memory included.
    """

    slow = True
    SETTINGS = {
        "listen_addresses": "", "shared_buffers": "1GB", "max_wal_size": "8GB",
        "wal_level": "minimal", "max_wal_senders": "0",
    }

    def __init__(self) -> None:
        self.server: subprocess.Popen[bytes] | None = None
        self.socket = pathlib.Path()
        self.binaries = postgres_binaries()
        # The server refuses to be run by root.
        self.user = None if os.getuid() else unprivileged_user()

    def missing(self) -> str:
        if not (self.binaries / "initdb").exists():
            return "no initdb in /usr/lib/postgresql/*/bin or PATH: it comes with its server"
        if not os.getuid() and not self.user:
            return "run by root, and there is neither a user postgres nor nobody to run the server"
        return ""

    def version(self) -> str:
        text = run_process([str(self.binaries / "postgres"), "--version"]).output
        return f"PostgreSQL {text.split()[2]}"

    def settings(self) -> dict[str, Any]:
        """Returns how a process of the server is started: by whom, and where."""
        if not self.user:
            return {"cwd": "/"}
        return {"user": self.user.pw_uid, "group": self.user.pw_gid, "extra_groups": [], "cwd": "/"}

    def directory(self, path: pathlib.Path) -> None:
        """Makes a directory for the server's user."""
        path.mkdir(parents=True, exist_ok=True)
        path.chmod(0o700)
        if self.user:
            os.chown(path, self.user.pw_uid, self.user.pw_gid)

    def start(self, cluster: pathlib.Path) -> None:
        """Starts the server and waits until it answers."""
        # The path of a socket may have about 100 bytes, so it cannot lie in the work directory.
        self.socket = pathlib.Path(tempfile.mkdtemp(prefix="peers-"))
        self.directory(self.socket)
        words = [str(self.binaries / "postgres"), "-D", str(cluster), "-k", str(self.socket)]
        for name, value in self.SETTINGS.items():
            words += ["-c", f"{name}={value}"]
        log = cluster.with_name(cluster.name + ".log")
        with open(log, "wb") as file:
            self.server = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=file,
                                           stderr=file, **self.settings())
        for _ in range(600):
            try:
                self.client("-c", "SELECT 1")
                return
            except ProcessFailed:
                if self.server.poll() is not None:
                    break
                time.sleep(0.1)
        self.server.kill()
        self.server.wait()
        self.server = None
        remove(self.socket)
        raise ProcessFailed(f"the server does not start: {log.read_text()[-500:]}")

    def stop(self) -> Run:
        """Stops the server, if it runs; returns what it and all its processes cost."""
        if not self.server:
            return Run(0.0, 0.0, 0.0)
        self.server.send_signal(signal.SIGINT)
        run, _ = wait(self.server, time.perf_counter())
        self.server = None
        remove(self.socket)
        return run

    def client(self, *words: str) -> Ended:
        """Runs psql."""
        return run_process([str(self.binaries / "psql"), "-X", "-q", "-h", str(self.socket), "-U",
                            "postgres", "-v", "ON_ERROR_STOP=1", *words])

    def load(self, load: Load, database: pathlib.Path) -> Run:
        remove(database)
        self.directory(database)
        run_process([str(self.binaries / "initdb"), "-D", str(database), "-U", "postgres", "-A",
                     "trust", "--encoding=UTF8", "--locale=C"], **self.settings())
        self.start(database)
        [file] = load.files
        # A table made in the same transaction needs no log: it is synced at the commit.
        text = (f"BEGIN;\nCREATE TABLE lineitem ({workload.elements(load.key)});\n"
                f"\\copy lineitem FROM {literal(file)} WITH (FORMAT csv, HEADER true)\n"
                "COMMIT;\nCHECKPOINT;\n")
        os.sync()
        try:
            with script(text) as path:
                run = self.client("-f", path).run
            size = self.client("-A", "-t", "-c", "SELECT pg_total_relation_size('lineitem')").output
        finally:
            server = self.stop()
        run.cpu += server.cpu
        run.peak = max(run.peak, server.peak)
        run.size = int(size)
        return run

    def ask(self, database: pathlib.Path, queries: Queries, repeats: int) -> dict[str, Answer]:
        self.start(database)
        try:
            self.client("-c", "VACUUM ANALYZE lineitem")
            answers = {}
            for name, sql in queries.items():
                with script("\\timing on\n" + f"{sql};\n" * (repeats + 1)) as path:
                    ended = self.client("--csv", "-t", "-f", path)
                answers[name] = shell_answer(ended, repeats)
            return answers
        finally:
            self.stop()

    def close(self) -> None:
        self.stop()


@contextlib.contextmanager
def script(text: str) -> Iterator[str]:
    """Gives the path of a file that holds statements, as long as it is needed."""
    with tempfile.NamedTemporaryFile("w", suffix=".sql") as file:
        file.write(text)
        file.flush()
        yield file.name


def literal(value: object) -> str:
    """Returns a string literal of SQL."""
    return "'" + str(value).replace("'", "''") + "'"


def postgres_binaries() -> pathlib.Path:
    """Returns where the newest server of PostgreSQL lies, or a path that is not there."""
    found = list(pathlib.Path("/usr/lib/postgresql").glob("*/bin"))
    if found:
        return max(found, key=lambda path: (len(path.parent.name), path.parent.name))
    return pathlib.Path(shutil.which("initdb") or "/nowhere").resolve().parent


def unprivileged_user() -> pwd.struct_passwd | None:
    """Returns a user who is not root and owns nothing here."""
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    return None


def ask_inside(
    engine: str, database: pathlib.Path, queries: Queries, repeats: int
) -> dict[str, Answer]:
    """Asks an engine in a Python process of its own."""
    wanted = json.dumps({"queries": queries, "repeats": repeats})
    ended = run_process([sys.executable, str(INSIDE), engine, "ask", str(database), wanted])
    return {name: Answer(**found) for name, found in json.loads(ended.output).items()}


def shell_answer(ended: Ended, repeats: int) -> Answer:
    """Reads what a shell printed for one query, asked once more than wanted, with its times on."""
    lines = (ended.output + ended.errors).splitlines()
    times = [float(line.split()[1]) for line in lines if line.startswith("Time: ")]
    shown = [line for line in ended.output.splitlines()
             if not line.startswith(("Time: ", "Timing is "))]
    rows = list(csv.reader(io.StringIO("\n".join(shown))))
    if len(times) != repeats + 1 or len(rows) % (repeats + 1):
        raise ProcessFailed(f"{len(times)} times and {len(rows)} rows for {repeats + 1} queries")
    return Answer(times[1:], rows[:len(rows) // (repeats + 1)])
