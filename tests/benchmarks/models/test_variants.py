"""Manifests of variants: plans come back as written, and evidence reaches them."""

from benchmarks.models.variants import read_variant, write_variant
from benchmarks.results.files import read_json, write_json
from cqil import dense_plan, kept_layers_plan, uniform_plan


def test_variants_come_back_as_written(manifest, variants):
    plans = {name: variant.plan for name, variant in variants.items()}
    assert plans == {
        "dense": dense_plan(4),
        "pairs": uniform_plan(4, 1, 3, 2, bypass=1),
        "skip": kept_layers_plan(4, [0, 3], prompt_dense=True),
    }
    assert [v.method for v in variants.values()] == ["dense", "uniform", "unified"]
    assert all(v.manifest == read_json(manifest) for v in variants.values())


def test_evidence_reaches_the_plan(manifest, tmp_path):
    write_json(tmp_path / "search.json", {"start": 1})
    options = {"method": "uniform", "group_size": 2, "depth": 3}
    out = tmp_path / "searched.json"
    write_variant("searched", options, manifest, None, tmp_path / "search.json", out)
    assert read_variant(out).plan == uniform_plan(4, 1, 3, 2)
    assert read_json(out)["search"] == {"start": 1}
