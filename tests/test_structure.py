"""What a reader may rely on in this codebase, held by reading its source."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from notifications.enums import Reason, State
from notifications.rules.standing import STANDING_FIELDS

ROOT = Path(__file__).resolve().parent.parent
APP = ROOT / "notifications"
FILES = sorted(path for path in APP.rglob("*.py") if "migrations" not in path.parts)
# What is seeded for load tests was never under way: it is written at its end, and taken away, by SQL of its own.
SEEDS = {APP / "models/seeding.py"}
STATEMENTS = {APP / f"models/{name}.py" for name in ("delivery_queries", "standing_sql", "insert_sql")}
MAY_WRITE = {APP / "flows/record.py"} | STATEMENTS | SEEDS
WRITES = {
    "apply", "bulk_create", "bulk_update", "create", "get_or_create", "insert_planned", "raw", "save",
    "update", "update_or_create",
}  # fmt: skip
WRITTEN_BY_SQL = re.compile(r"\b(UPDATE|INSERT INTO|DELETE FROM)\s+\"?carillon_delivery\b\"?", re.IGNORECASE)
FILE_LINES, FUNCTION_LINES = 300, 50
Function = ast.FunctionDef | ast.AsyncFunctionDef
# Named by a base class outside of this codebase, which documents them.
INHERITED = {"Meta", "init_poolmanager"}
# The seed's snippets: one screen each.
ONE_SCREEN = {"accept.py": "accept", "deliver.py": "deliver", "broadcast.py": "plan_page"}


def state_writes(source: str) -> Iterator[str]:
    """Yield what in a source writes a delivery's state by another way than `flows.record`."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and WRITTEN_BY_SQL.search(node.value):
            yield f"line {node.lineno}: SQL"
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
            continue
        called, names = node.func.attr, {word.arg for word in node.keywords}
        if called == "update" and names & set(STANDING_FIELDS):
            yield f"line {node.lineno}: update({', '.join(sorted(map(str, names)))})"
        elif called in WRITES and root_of(node.func) == "Delivery":
            yield f"line {node.lineno}: Delivery ... {called}()"


def root_of(node: ast.expr) -> str:
    """Return the name that a chain of attributes and calls begins with."""
    while not isinstance(node, ast.Name):
        if isinstance(node, ast.Call):
            node = node.func
        elif isinstance(node, ast.Attribute | ast.Subscript):
            node = node.value
        else:
            return ""
    return node.id


def undocumented(source: str) -> Iterator[str]:
    """Yield the public functions, methods and classes without a docstring; an override inherits its base's."""
    tree = ast.parse(source)
    if not ast.get_docstring(tree):
        yield "the file"
    pending = list(tree.body)
    while pending:
        node = pending.pop()
        if not isinstance(node, Function | ast.ClassDef) or node.name.startswith("_"):
            continue
        if node.name not in INHERITED and not ast.get_docstring(node) and not _is_setter(node):
            yield f"line {node.lineno}: {node.name}"
        if isinstance(node, ast.ClassDef) and node.name != "Meta":
            pending += node.body


def _is_setter(node: Function | ast.ClassDef) -> bool:
    return any(isinstance(item, ast.Attribute) and item.attr == "setter" for item in node.decorator_list)


def test_only_record_writes_a_deliverys_state() -> None:
    found = {
        str(path.relative_to(ROOT)): list(state_writes(path.read_text())) for path in FILES if path not in MAY_WRITE
    }
    assert {name: lines for name, lines in found.items() if lines} == {}


def test_nothing_but_seed_load_uses_the_sql_that_seeds() -> None:
    using = {
        path.name for path in FILES if re.search(r"models\.seeding import|models import .*seeding", path.read_text())
    }
    assert using == {"seed.py", "seed_people.py"}


def test_record_is_who_uses_those_statements() -> None:
    assert "Delivery.objects.apply(" in (APP / "flows/record.py").read_text()
    assert "Delivery.objects.insert_planned(" in (APP / "flows/record.py").read_text()


@pytest.mark.parametrize(
    "source",
    [
        pytest.param("Delivery.objects.filter(pk=1).update(state='sent')", id="update"),
        pytest.param("rows.update(due_at=now)", id="update of a queryset by another name"),
        pytest.param("Delivery.objects.apply([change])", id="apply"),
        pytest.param("Delivery.objects.bulk_create(rows)", id="bulk_create"),
        pytest.param("Delivery(id=1).save()", id="save"),
        pytest.param("Delivery.objects.filter(pk=1)[0].save()", id="save of what was read"),
        pytest.param("cursor.execute('UPDATE carillon_delivery SET state = %s')", id="SQL"),
        pytest.param("cursor.execute(f'''insert into \"carillon_delivery\" values ({x})''')", id="SQL in an f-string"),
    ],
)
def test_the_scanner_finds_a_writer(source: str) -> None:
    assert list(state_writes(source))


@pytest.mark.parametrize(
    "source",
    [
        pytest.param("Delivery.objects.filter(pk=1).first()", id="reading"),
        pytest.param("Device.objects.filter(pk=1).update(is_active=False)", id="another model"),
        pytest.param("values.update({'state': 1})", id="a dict"),
        pytest.param("SQL = 'UPDATE carillon_deliveryevent SET x = 1'", id="another table"),
    ],
)
def test_the_scanner_lets_the_rest_pass(source: str) -> None:
    assert not list(state_writes(source))


@pytest.mark.parametrize("name", ONE_SCREEN)
def test_the_main_functions_fit_one_screen(name: str) -> None:
    tree = ast.parse((APP / "flows" / name).read_text())
    found = next(node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == ONE_SCREEN[name])
    assert found.end_lineno
    assert found.end_lineno - found.lineno < FUNCTION_LINES


def test_the_largest_file_and_function_are_within_the_limits() -> None:
    sources = {path: path.read_text() for path in [*FILES, *sorted((ROOT / "project").rglob("*.py"))]}
    lines = {str(path.relative_to(ROOT)): len(source.splitlines()) for path, source in sources.items()}
    assert {name: count for name, count in lines.items() if count > FILE_LINES} == {}
    functions = {
        f"{path.relative_to(ROOT)}:{node.lineno}": (node.end_lineno or 0) - node.lineno + 1
        for path, source in sources.items()
        for node in ast.walk(ast.parse(source))
        if isinstance(node, Function)
    }
    assert {name: count for name, count in functions.items() if count > FUNCTION_LINES} == {}


def test_nothing_is_left_to_be_done_in_a_comment() -> None:
    words = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b")
    suffixes = {".py", ".html", ".js", ".css", ".txt", ".toml"}
    found = [
        str(path.relative_to(ROOT))
        for path in sorted(APP.rglob("*"))
        if path.suffix in suffixes and "static" not in path.parts and words.search(path.read_text())
    ]
    assert found == []


def test_everything_public_says_what_it_promises() -> None:
    found = {str(path.relative_to(ROOT)): list(undocumented(path.read_text())) for path in FILES if path.stat().st_size}
    assert {name: lines for name, lines in found.items() if lines} == {}


def test_the_scanner_finds_what_is_undocumented() -> None:
    source = '"""A file."""\nclass A:\n    """A class."""\n    def b(self): ...\n    def _c(self): ...\ndef d(): ...\n'
    assert sorted(undocumented(source)) == ["line 4: b", "line 6: d"]
    assert list(undocumented("x = 1")) == ["the file"]


@cache
def used_words() -> set[str]:
    """Return the states and reasons that the sources name."""
    found = (re.findall(r"\b(?:State|Reason)\.\w+", path.read_text()) for path in FILES if path.name != "enums.py")
    return {word for words in found for word in words}


@pytest.mark.parametrize("word", [*State, *(reason for reason in Reason if reason)], ids=repr)
def test_every_state_and_reason_is_used(word: State | Reason) -> None:
    name = f"{type(word).__name__}.{word.name}"
    assert name in used_words()
