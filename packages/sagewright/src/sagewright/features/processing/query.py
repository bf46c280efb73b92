"""The process that answers one query: a request as JSON on standard input, an answer as JSON on standard output.

{"do": "names", "query"} is answered {"names": [[part, …], …]}, the tables that the query names.
{"do": "answer", "query", "catalog", "schema", "tables": [{"path": [catalog, schema, table], "format", "files"}], "folder", "parts",
"form", "ending"} writes the files ``folder/part-<n>.<ending>`` and is answered {"rows": n}. Either may be answered {"problem": text}.

The engine reaches no file outside ``folder``, no network and no extension, whatever the query says.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import duckdb

MEMORY, THREADS = "2GB", 2
"""As much as a query may take of this machine; what is more goes to disk."""

_PART = re.compile(r'"((?:[^"]|"")*)"|([^."]+)')
_READERS = {"csv": "read_csv", "parquet": "read_parquet", "json": "read_json"}


def main() -> None:
    """Answers one request."""
    request = json.load(sys.stdin)
    try:
        answer: dict[str, Any] = {"names": names(request["query"])} if request["do"] == "names" else {"rows": write(request)}
    except duckdb.Error as problem:
        answer = {"problem": str(problem).partition("\n")[0]}
    json.dump(answer, sys.stdout)


def names(query: str) -> list[list[str]]:
    """The tables that a query names, as the parts of their names. Raises duckdb.Error for what is no single SELECT."""
    with duckdb.connect() as connection:
        statements = connection.extract_statements(query)
        if len(statements) != 1 or statements[0].type != duckdb.StatementType.SELECT:
            raise duckdb.InvalidInputException("QueryString must be one SELECT statement.")
        found = connection.get_table_names(query, qualified=True)
    return sorted(_parts(re.sub(r' AS ("(?:[^"]|"")*"|\S+)$', "", name)) for name in found)


def write(request: Mapping[str, Any]) -> int:
    """The number of rows; with several parts each gets every n-th row."""
    folder, parts = Path(request["folder"]), request["parts"]
    with duckdb.connect() as connection:
        _show(connection, request)
        _shut(connection, folder)
        connection.sql(request["query"].rstrip().rstrip(";")).create("memory.main.answer")
        for part in range(parts):
            file = folder / f"part-{part:05}.{request['ending']}"
            rows = f"SELECT * FROM memory.main.answer WHERE rowid % {parts} = {part} ORDER BY rowid"
            connection.execute(f"COPY ({rows}) TO {_text(str(file))} ({request['form']})")
        counted = connection.execute("SELECT count(*) FROM memory.main.answer").fetchone()
    return int(counted[0]) if counted else 0


def _show(connection: duckdb.DuckDBPyConnection, request: Mapping[str, Any]) -> None:
    """Every table as a view on its files, at its own name."""
    places = {(table["path"][0], table["path"][1]) for table in request["tables"]} | {(request["catalog"], request["schema"])}
    for catalog in {catalog for catalog, _ in places}:
        connection.execute(f"ATTACH ':memory:' AS {_name(catalog)}")
    for catalog, schema in places:
        connection.execute(f"CREATE SCHEMA IF NOT EXISTS {_path((catalog, schema))}")
    for table in request["tables"]:
        files = ", ".join(_text(file) for file in table["files"])
        connection.execute(f"CREATE VIEW {_path(table['path'])} AS SELECT * FROM {_READERS[table['format']]}([{files}])")
    connection.execute(f"USE {_path((request['catalog'], request['schema']))}")


def _shut(connection: duckdb.DuckDBPyConnection, folder: Path) -> None:
    """From here on the query is a stranger's."""
    connection.execute(f"SET temp_directory = {_text(str(folder / 'spilled'))}")
    connection.execute(f"SET allowed_directories = [{_text(str(folder))}]")
    connection.execute(f"SET memory_limit = {_text(MEMORY)}")
    connection.execute(f"SET threads = {THREADS}")
    connection.execute("SET enable_external_access = false")
    connection.execute("SET lock_configuration = true")


def _parts(name: str) -> list[str]:
    return [quoted.replace('""', '"') or plain for quoted, plain in _PART.findall(name)]


def _path(path: Sequence[str]) -> str:
    return ".".join(map(_name, path))


def _name(name: str) -> str:
    escaped = name.replace('"', '""')
    return f'"{escaped}"'


def _text(text: str) -> str:
    escaped = text.replace("'", "''")
    return f"'{escaped}'"


if __name__ == "__main__":
    main()
