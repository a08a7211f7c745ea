"""Public functions of three or more arguments document each; ruff's D417 checks the names."""

import ast

from tests.conftest import ROOT

SEE = "; see `"
"""An implementation may point at the documentation of the protocol that it follows."""


def documented_functions():
    for path in sorted((ROOT / "urbanseg").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.FunctionDef) and not node.name.startswith("_"):
                given = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
                count = sum(each.arg not in {"self", "cls"} for each in given)
                if count >= 3 and (text := ast.get_docstring(node)):
                    yield f"{path.relative_to(ROOT)}:{node.name}", text


def test_three_or_more_arguments_are_documented():
    found = list(documented_functions())
    assert len(found) > 150
    assert [name for name, text in found if "\nArgs:\n" not in text and SEE not in text] == []
