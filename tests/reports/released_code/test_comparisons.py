"""The committed comparisons with released code name rules that exist, and are shown."""

import re

import pytest
import yaml

from baselines.registry import methods
from reports.released_code.comparisons import FILE, load_comparisons
from reports.tables.released_code import details, released_code

RELEASED = load_comparisons()


@pytest.mark.parametrize("comparison", RELEASED.comparisons, ids=lambda c: c.rule)
def test_each_is_of_a_rule_of_this_suite_at_full_commits(comparison):
    options = dict(part.split(": ") for part in comparison.rule.split(", "))
    method = methods()[options.pop("method")]
    assert set(options) <= set(method.model_fields)
    for name, value in options.items():
        schema = method.model_json_schema()["properties"][name]
        assert value in schema["enum"]
    assert all(re.fullmatch(r"[0-9a-f]{40}", commit) for commit in comparison.snapshots.values())


def test_the_table_says_how_many_are_equal_and_the_file_what_differs():
    table = released_code(RELEASED)
    by_rule = table.shown.set_index("rule")
    assert by_rule.loc["sleb", "equal cases"] == "600 of 600"
    assert "jiwonsong-dev/SLEB, a197af2, 9d110cc" in set(by_rule["released code"])
    assert len(table.data) == len(table.shown) == len(RELEASED.comparisons)
    assert "search.score: all" in table.data.set_index("rule").loc["sleb", "differs"]
    assert "Equal: 600 of 600 kept sets" in details(RELEASED.comparisons[7])


@pytest.mark.parametrize(
    ("change", "line"),
    [
        ({"agreements": [{"what": "x", "equal": 3, "of": 2}]}, "equal: 3 is more than 2 cases"),
        ({"by": "hearsay"}, "by: "),
        ({"snapshots": {}}, "snapshots: "),
    ],
)
def test_a_wrong_entry_is_one_line(tmp_path, change, line):
    data = yaml.safe_load(FILE.read_text(encoding="utf-8"))
    data["comparisons"][0] |= change
    path = tmp_path / "comparisons.yaml"
    path.write_text(yaml.safe_dump(data))
    with pytest.raises(
        ValueError, match=rf"\Acomparisons.yaml: comparisons.0.[^\n]*{line}[^\n]*\Z"
    ):
        load_comparisons(path)
