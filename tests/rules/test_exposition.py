"""Prometheus' text format: what its own parser reads is what was written."""

from __future__ import annotations

from prometheus_client.parser import text_string_to_metric_families

from notifications.rules.exposition import Family, Kind, written


def test_whatever_a_label_holds_is_read_back() -> None:
    family = Family("carillon_x", Kind.GAUGE, 'One \\ thing\nand "another".')
    strange = 'a"b\\c\nd,e}=é'
    family.add(1, provider=strange)
    family.add(0.25)
    (found,) = text_string_to_metric_families(written([family, Family("carillon_none", Kind.GAUGE, "Nothing.")]))
    assert (found.name, found.type, found.documentation) == ("carillon_x", "gauge", 'One \\ thing\nand "another".')
    assert [(sample.labels, sample.value) for sample in found.samples] == [({"provider": strange}, 1.0), ({}, 0.25)]


def test_a_histogram_cumulates_its_buckets() -> None:
    family = Family("carillon_seconds", Kind.HISTOGRAM, "How long.")
    family.add_histogram((0.1, 1.0), (3, 2, 1), 4.5, {"provider": "twilio"})
    family.add_histogram((0.1, 1.0), (1, 0, 0), None, {"provider": "fcm"})
    (found,) = text_string_to_metric_families(written([family]))
    read = {(s.name, s.labels["provider"], s.labels.get("le", "")): s.value for s in found.samples}
    assert [read["carillon_seconds_bucket", "twilio", le] for le in ("0.1", "1", "+Inf")] == [3, 5, 6]
    assert (read["carillon_seconds_sum", "twilio", ""], read["carillon_seconds_count", "twilio", ""]) == (4.5, 6)
    assert ("carillon_seconds_sum", "fcm", "") not in read
    assert found.type == "histogram"
