"""Each fault that this layer produces has a directed test that is named after it (faults §7.1)."""

from __future__ import annotations

import ast
from pathlib import Path

from brokers.paper.faults.catalogue import FAULTS


def test_each_produced_fault_has_a_test_of_its_name() -> None:
    names = [
        node.name
        for path in Path(__file__).parent.glob("test_faults_*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef)
    ]

    wanted = {fault: f"test_{fault.lower().replace('-', '_')}" for fault in FAULTS}
    assert [fault for fault, name in wanted.items() if not any(n.startswith(name + "_") for n in names)] == []
