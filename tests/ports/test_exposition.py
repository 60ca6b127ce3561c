"""What is written for Prometheus is what its own parser reads."""

from __future__ import annotations

from prometheus_client.parser import text_string_to_metric_families

from sgnus.adapters.exposition import Figure, Kind, exposition


def test_what_is_written_is_read_again_with_its_kind_its_label_and_its_words() -> None:
    figures = [
        Figure("sgnus_things", Kind.COUNTER, "Things that\nhappened.", {"a": 1, 'b"\\': 2}, "what"),
        Figure("sgnus_room_bytes", Kind.GAUGE, "Room.", {"": 0.5}),
    ]
    text = exposition(figures).decode()
    families = {family.name: family for family in text_string_to_metric_families(text)}
    things, room = families["sgnus_things"], families["sgnus_room_bytes"]
    assert (things.type, things.documentation) == ("counter", "Things that\nhappened.")
    assert [(one.name, one.labels, one.value) for one in things.samples] == [
        ("sgnus_things_total", {"what": "a"}, 1.0),
        ("sgnus_things_total", {"what": 'b"\\'}, 2.0),
    ]
    assert (room.type, [(one.labels, one.value) for one in room.samples]) == ("gauge", [({}, 0.5)])
    assert families["process_open_fds"].samples[0].value > 0
    assert families["process_resident_memory_bytes"].samples[0].value > 0


def test_nothing_of_what_libraries_count_is_told() -> None:
    names = {family.name for family in text_string_to_metric_families(exposition([]).decode())}
    assert names and all(name.startswith("process_") for name in names)
