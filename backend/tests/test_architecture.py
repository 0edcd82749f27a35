"""The package reads from front to back: a module imports only what comes before it, and none grows too long."""

import ast
from pathlib import Path

import pytest

import channels_databinding

PACKAGE = Path(channels_databinding.__file__).parent
ORDER = [
    "limits",
    "log",
    "protocol",
    "counts",
    "cursor",
    "serializers",
    "hooks",
    "binding",
    "models",
    "nudge",
    "capture.sqlite",
    "capture.postgresql",
    "capture",
    "capture.install",
    "journal",
    "tail",
    "pool",
    "rows",
    "history",
    "past",
    "differ",
    "outbox",
    "guest",
    "sessions",
    "inbox",
    "subscriptions",
    "writes",
    "room",
    "presence",
    "feed",
    "hub",
    "readiness",
    "metrics",
    "membership",
    "connection",
    "demultiplexer",
    "checks",
    "apps",
    "__init__",
]
LINES = 330  # of a module, of any kind
CODE = 3_390  # lines of the package that hold code


def name(path):
    """Return a module's name within the package; `__init__` for the package itself."""
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(parts[:-1] if len(parts) > 1 and parts[-1] == "__init__" else parts)


MODULES = {
    name(path): path
    for path in sorted(PACKAGE.rglob("*.py"))
    if not {"management", "migrations"} & set(path.relative_to(PACKAGE).parts)
}


def imports(module):
    """Return the package's own modules that one imports, wherever in it: in functions and for types too."""
    found = set()
    package = ["channels_databinding", *module.split(".")[: -1 if module != "capture" else None]]
    for node in ast.walk(ast.parse(MODULES[module].read_text())):
        if isinstance(node, ast.Import):
            targets = [alias.name.split(".") for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            base = base + (node.module.split(".") if node.module else [])
            targets = [[*base, alias.name] for alias in node.names]
        else:
            continue
        found |= {own for target in targets if target[0] == "channels_databinding" and (own := _own(target[1:]))}
    return found - {module}


def _own(target):
    """Return the longest beginning of a dotted name that is a module of the package."""
    return next((m for n in range(len(target), 0, -1) if (m := ".".join(target[:n])) in MODULES), None)


def test_every_module_has_its_place():
    assert sorted(MODULES) == sorted(ORDER)


@pytest.mark.parametrize("module", ORDER)
def test_a_module_imports_only_what_comes_before_it(module):
    ahead = imports(module) - set(ORDER[: ORDER.index(module)])

    assert not ahead, f"{module} imports {', '.join(sorted(ahead))}, which comes after it"


def test_the_imports_of_a_module_are_found():
    assert imports("feed") >= {"journal", "subscriptions", "tail"}
    assert imports("capture.install") >= {"binding", "models", "capture"}
    assert imports("apps") >= {"binding", "checks", "capture.install"}
    assert imports("__init__") == {"binding", "demultiplexer"}


@pytest.mark.parametrize("module", ORDER)
def test_a_module_can_be_read_in_one_go(module):
    lines = MODULES[module].read_text().count("\n")

    assert lines <= LINES, f"{module} has {lines} lines. Find the second noun in it"


@pytest.mark.parametrize("module", ORDER)
def test_a_module_says_what_it_is_for(module):
    assert ast.get_docstring(ast.parse(MODULES[module].read_text()))


def lines_of_code(path):
    """Return how many lines hold code: neither blank nor comment nor docstring."""
    source = path.read_text()
    lines = {n for n, line in enumerate(source.splitlines(), 1) if line.strip() and not line.strip().startswith("#")}
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            first = node.body[0] if node.body else None
            if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant):
                lines -= set(range(first.lineno, first.end_lineno + 1))
    return len(lines)


def test_the_package_stays_small():
    assert sum(map(lines_of_code, MODULES.values())) < CODE
