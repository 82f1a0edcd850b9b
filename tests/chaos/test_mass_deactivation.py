"""A few hundred tokens that are refused for reasons of the account or the payload cost no device."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.chaos.mass_deactivation import run
from tests.ground.figures import Run


@pytest.mark.long
def test_refusals_of_account_and_payload_cost_no_device_and_raise_one_alert(tmp_path: Path) -> None:
    (figure,) = run(Run(tmp_path / "run", 7, quick=True))
    assert figure.passed, figure.detail
