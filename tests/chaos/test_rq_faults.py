"""Each of RQ's own faults, brought about once with a few messages."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.chaos.rq_faults import run
from tests.ground.figures import Run


@pytest.mark.long
def test_every_fault_of_rq_fires_and_no_message_is_lost_or_repeated(tmp_path: Path) -> None:
    (figure,) = run(Run(tmp_path / "run", 7, quick=True))
    assert figure.passed, figure.detail
