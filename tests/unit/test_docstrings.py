"""Public functions of three or more arguments document each; ruff's D417 checks the names."""

import ast

import pytest

from tests.conftest import ROOT

SEE = "; see `"
"""An implementation may point at the documentation of the protocol that it follows."""


def documented_functions():
    for path in sorted((ROOT / "urbanseg").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef) and not node.name.startswith("_"):
                given = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
                count = sum(each.arg not in {"self", "cls"} for each in given)
                if count >= 3 and (text := ast.get_docstring(node)):
                    yield pytest.param(text, id=f"{path.relative_to(ROOT)}:{node.name}")


FUNCTIONS = list(documented_functions())


def test_the_functions_are_found():
    assert len(FUNCTIONS) > 150


@pytest.mark.parametrize("text", FUNCTIONS)
def test_three_or_more_arguments_are_documented(text):
    assert "\nArgs:\n" in text or SEE in text
