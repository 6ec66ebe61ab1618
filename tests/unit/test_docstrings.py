"""Every exception that a docstring names exists."""

import ast
import builtins
import re
from pathlib import Path

ROOT = Path(__file__).parents[2] / "resumer_daemon"
TREES = {path: ast.parse(path.read_text("utf-8")) for path in sorted(ROOT.rglob("*.py"))}
CLASSES = {
    node.name
    for tree in TREES.values()
    for node in ast.walk(tree)
    if isinstance(node, ast.ClassDef)
}
RAISES = re.compile(r"Raises:\n((?: +.*\n?)+)")
NAME = re.compile(r"^ +([A-Za-z_.]+):", re.MULTILINE)


def raised(tree: ast.Module) -> set[str]:
    """Return the names below `Raises:` in all docstrings of a module."""
    documented = (ast.AsyncFunctionDef, ast.ClassDef, ast.FunctionDef)
    texts = [ast.get_docstring(n) or "" for n in ast.walk(tree) if isinstance(n, documented)]
    parts = [part for text in texts for part in RAISES.findall(text)]
    return {name for part in parts for name in NAME.findall(part)}


def test_each_exception_that_a_docstring_names_exists():
    known = CLASSES | set(dir(builtins))
    unknown = {
        str(path.relative_to(ROOT)): missing
        for path, tree in TREES.items()
        if (missing := {name for name in raised(tree) if "." not in name} - known)
    }
    assert unknown == {}
