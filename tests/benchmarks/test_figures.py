"""Figures fall short where what they are about did not happen."""

from __future__ import annotations

from urllib.parse import parse_qsl

import pytest
from twilio.request_validator import RequestValidator

from notifications.sandbox.credentials import TWILIO_AUTH_TOKEN
from tests.benchmarks import broadcast, callbacks, login_codes, push_rivals, single
from tests.benchmarks.__main__ import scenario_of
from tests.benchmarks.deployment import Sent
from tests.benchmarks.judging import compare
from tests.benchmarks.load import Order, Seen, accepted, body, phone, request
from tests.benchmarks.registry import FIGURES, SCENARIOS
from tests.benchmarks.usage import quarter_growth
from tests.ground.figures import FellShort


def sent(due: list[str], came: list[str]) -> Sent:
    return Sent("b", "n", len(due), len(came), 0.1, 0.2, 1.0, 2.0, 10.0, {"sink": 0.1}, compare(due, came))


def test_a_broadcast_is_exact_by_the_sink_the_rows_and_both_computations() -> None:
    due = ["a", "b", "c"]
    assert broadcast.exact_figure(sent(due, due), 3, [], 3).passed
    assert not broadcast.exact_figure(sent(due, ["a", "b"]), 3, [], 3).passed
    assert not broadcast.exact_figure(sent(due, [*due, "a"]), 3, [], 3).passed
    assert not broadcast.exact_figure(sent(due, due), 2, [], 3).passed
    assert not broadcast.exact_figure(sent(due, due), 3, [], 4).passed


def test_memory_that_keeps_growing_is_not_flat() -> None:
    assert quarter_growth([50, 100, 100, 101, 100]) == 0
    assert quarter_growth([50, 60, 70, 80, 90]) == 30
    assert quarter_growth([]) == 0


def seen(number: int, due: float, status: int = 202) -> Seen:
    return Seen(due, due, due + 0.05, status, number)


def test_a_code_counts_from_when_it_was_due_to_when_the_provider_had_it() -> None:
    codes = [seen(1, 9.0), seen(2, 10.0), seen(3, 11.0), seen(4, 12.1)]
    taken = {phone(2): 10.25, phone(3): 11.5}
    assert login_codes.latencies(codes, taken, (10.0, 12.0)) == [0.25, 0.5]


@pytest.mark.parametrize("code", [seen(2, 10.0, status=503), seen(9, 10.0)])
def test_a_code_that_was_refused_or_never_came_is_not_left_out(code: Seen) -> None:
    with pytest.raises(FellShort, match="1 of 1 codes"):
        login_codes.latencies([code], {phone(2): 10.1}, (9.0, 12.0))


def test_an_answer_other_than_202_is_no_acceptance() -> None:
    assert len(single.answered([seen(1, 1.0), seen(2, 1.0)])) == 2
    with pytest.raises(FellShort, match="429"):
        single.answered([seen(1, 1.0), seen(2, 1.0, status=429)])


def test_a_batch_is_accepted_when_each_item_is() -> None:
    assert accepted("batch", 200, b'{"results": [{"status": 202}, {"status": 202}]}') == 202
    assert accepted("batch", 200, b'{"results": [{"status": 202}, {"status": 400}]}') == 400
    assert accepted("batch", 200, b'{"results": []}') == 0
    assert accepted("batch", 503, b"") == 503
    assert accepted("single", 202, b"not read") == 202


def test_requests_never_repeat_a_key_or_a_number() -> None:
    order = Order("http://x", "batch", users=("1", "2"), items=3)
    keys = [item["idempotency_key"] for number in (1, 2) for item in body(order, number)["items"]]  # type: ignore[attr-defined]
    assert len(set(keys)) == 6
    assert len({phone(number) for number in (1, 2, 10, 999_999, 1_000_000)}) == 5


def test_rivals_are_compared_round_by_round_and_the_faster_bare_client_counts() -> None:
    theirs = {
        "bare aiohttp": [4_000.0, 2_000.0, 4_000.0],
        "bare pyreqwest": [5_000.0, 2_500.0, 5_000.0],
        "RQ": [100.0, 50.0, 100.0],
        "Celery": [250.0, 125.0, 250.0],
    }
    made = {figure.name: figure for figure in push_rivals.figures([2_000.0, 1_000.0, 2_000.0], theirs, {})}
    assert {name: figure.value for name, figure in made.items()} == {
        "share_of_bare_client": 0.4,
        "vs_rq_job_each": 20.0,
        "vs_celery": 8.0,
    }
    assert made["share_of_bare_client"].detail["against"] == "bare pyreqwest"
    assert all(figure.passed for figure in made.values())


def test_a_callback_carries_twilios_signature() -> None:
    order = Order("http://127.0.0.1:8000", "callback", users=("a.1", "b.1"))
    where, raw, headers = request(order, 3)
    form = dict(parse_qsl(raw.decode()))
    assert where.endswith("carillon_id=b.1")
    assert RequestValidator(TWILIO_AUTH_TOKEN).validate(order.url + where, form, headers["X-Twilio-Signature"])
    assert request(order, 5)[1] != raw


def test_the_slowest_burst_counts_and_latencies_are_compared_round_by_round() -> None:
    latencies = {"ours": [[0.02] * 9, [0.08] * 9, [0.02] * 9], "bare": [[0.01] * 9, [0.02] * 9, [0.01] * 9]}
    made = {figure.name: figure for figure in callbacks.figures([2.0, 11.0, 3.0], latencies, [200.0, 100.0, 300.0])}
    assert (made["webhook_burst_s"].value, made["webhook_burst_s"].passed) == (11.0, False)
    assert (made["webhook_p99_vs_bare_view"].value, made["webhook_p99_vs_bare_view"].passed) == (2.0, True)
    assert made["webhook_p99_vs_bare_view"].detail["open_load_per_s"] == 100.0


def test_only_takes_a_scenarios_name_or_a_figures() -> None:
    assert scenario_of("otp_p99_s") == "login_codes"
    assert scenario_of("rivals") == "rivals"
    assert scenario_of("no-such") == "no-such"
    assert set(FIGURES) == set(SCENARIOS)
