"""The report's section on written texts: corpus scores, paired differences, what is not there."""

import numpy as np
import pytest
import sacrebleu
from made_up_results import VARIANTS, MadeUpRun
from rendered_page import rendered_page

from benchmarks.config.generation_tasks import GENERATION_TASKS
from benchmarks.results.result_schema import GenerationResult, GenerationSample, write_result
from benchmarks.results.text_metrics import score_text
from cqil.plan import kept_layers_plan
from cqil.plan.schedule import Schedule
from reports.data.load_results import load_results
from reports.estimates.text_scores import generations
from reports.tables.text_scores import generation_table

REFERENCES = [f"the cat number {n} sat on the mat over there today" for n in range(8)]
WORSE = [r.replace("the mat", "a dog") if n % 2 else r for n, r in enumerate(REFERENCES)]
FALLING = Schedule(
    (kept_layers_plan(6, range(6), prompt_dense=True), VARIANTS["skipping"].plan), (0, 2)
)


def result(name, task, texts, schedule=None):
    samples = [
        GenerationSample(
            document=f"{n}",
            text=text,
            reference=reference,
            tokens=[len(word) for word in text.split()],
            **score_text(GENERATION_TASKS[task], text, reference),
        )
        for n, (text, reference) in enumerate(zip(texts, REFERENCES, strict=True))
    ]
    return GenerationResult(
        **MadeUpRun().result_fields(name),
        workload={},
        task=task,
        task_version=1,
        schedule=schedule,
        samples=samples,
    )


@pytest.fixture
def written(tmp_path):
    """A run where dense writes as the references say but for one word, and all others worse."""
    tasks = {"fr-en": 8, "aclsum": 8}
    folder = MadeUpRun(generation_tasks=tasks).fill(tmp_path)
    dense = [text.replace("today", "now") for text in REFERENCES]
    for task in tasks:
        for name in VARIANTS:
            texts = dense if name == "dense" else WORSE
            schedule = FALLING.to_dict() if name == "skipping" else None
            path = folder / "generation" / task / f"{name}.json"
            write_result(path, result(name, task, texts, schedule))
    return folder


def rows(folder):
    return generations(load_results(folder)).set_index(["task", "variant"])


def test_bleu_is_the_corpus_score_and_its_difference_is_paired(written):
    scores = rows(written)
    bleu = {}
    for name, texts in (("dense", [r.replace("today", "now") for r in REFERENCES]),
                        ("pairs", WORSE)):  # fmt: skip
        bleu[name] = sacrebleu.corpus_bleu(texts, [REFERENCES]).score
        assert scores.loc["fr-en", name]["bleu"].value == pytest.approx(bleu[name])
    gap = scores.loc["fr-en", "pairs"]["bleu_difference"]
    assert gap.value == pytest.approx(bleu["pairs"] - bleu["dense"])
    assert gap.low < gap.value < gap.high
    to_itself = scores.loc["fr-en", "dense"]["bleu_difference"]
    assert (to_itself.value, to_itself.low, to_itself.high) == (0, 0, 0)


def test_means_are_over_documents(written):
    scores = rows(written).loc["aclsum", "pairs"]
    expected = [
        score_text(GENERATION_TASKS["aclsum"], t, r) for t, r in zip(WORSE, REFERENCES, strict=True)
    ]
    for name in ("rouge1", "rouge2", "rougeL"):
        mean = np.mean([document_scores[name] for document_scores in expected])
        assert scores[name].value == pytest.approx(mean)
    assert np.isnan(scores["bleu"].value)


def test_nearness_to_dense_is_of_texts_not_of_references(written):
    scores = rows(written).loc["fr-en"]
    assert scores.loc["dense"]["near_dense"].value == 100
    assert scores.loc["dense"]["same"].value == 1
    assert scores.loc["pairs"]["near_dense"].value < 95
    assert scores.loc["pairs"]["same"].value == 0


def test_decode_depth_follows_the_schedule(written):
    depths = rows(written).loc["fr-en"]["decode_depth"]
    assert depths["dense"] == 6
    assert depths["removed"] == 4
    steps = len(WORSE[0].split()) - 1
    assert depths["skipping"] == pytest.approx((2 * 6 + (steps - 2) * 4) / steps, rel=0.02)


def test_page_has_the_section_and_the_files(written):
    page = rendered_page(written)
    assert '<section id="generation">' in page
    assert 'href="#generation"' in page
    results = load_results(written)
    table = generation_table(results, generations(results))
    assert written / "out" / "generation.csv" in table.write(written / "out")
    assert (written / "out" / "generation.csv").exists()
    shown = table.shown
    assert list(shown["task"]) == ["fr-en"] * 5 + ["aclsum"] * 5
    assert {"BLEU", "chrF", "ROUGE-L", "BLEU − dense", "near dense"} < set(shown.columns)


def test_scores_that_no_task_has_are_no_columns(written):
    MadeUpRun(generation_tasks={"fr-en": 8}).write_run_record(written)
    results = load_results(written)
    shown = generation_table(results, generations(results)).shown
    assert "BLEU" in shown.columns
    assert not [head for head in shown.columns if head.startswith("ROUGE")]


def test_a_text_that_was_not_written_says_so(written):
    gone = MadeUpRun().result_fields("pairs") | {"status": "failed", "reason": "out of memory"}
    failed = GenerationResult(**gone, workload={}, task="fr-en", task_version=1, samples=[])
    write_result(written / "generation" / "fr-en" / "pairs.json", failed)
    results = load_results(written)
    shown = generation_table(results, generations(results)).shown.set_index(["task", "variant"])
    assert shown.loc[("fr-en", "pairs"), "BLEU"] == "failed"
    assert ["generation/fr-en", "pairs", "failed"] in results.missing.iloc[:, :3].values.tolist()


def test_other_documents_are_refused(written):
    other = result("pairs", "fr-en", WORSE)
    samples = [s.model_copy(update={"document": f"x{s.document}"}) for s in other.samples]
    changed = other.model_copy(update={"samples": samples})
    write_result(written / "generation" / "fr-en" / "pairs.json", changed)
    with pytest.raises(ValueError, match=r"\A[^\n]*pairs\.json: documents differ[^\n]*\Z"):
        load_results(written)


def test_nothing_is_drawn_where_nothing_was_written(folder):
    page = rendered_page(folder)
    assert 'id="generation"' not in page
    assert "#generation" not in page
