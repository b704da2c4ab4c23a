"""Texts of generation tasks: the engine's answers equal `generate` of the reference model."""

import json
from dataclasses import replace

import pytest
import torch
from transformers import AutoTokenizer, LlamaForCausalLM

from benchmarks.accuracy.text_generation import (
    answer_text,
    encode_prompt,
    generate_answers,
    load_variant_engine,
    measure_generation,
)
from benchmarks.config.generation_tasks import GENERATION_TASKS
from benchmarks.models.load_model import load_planned
from benchmarks.models.prepare_model import prepare_model
from benchmarks.models.variants import read_variant, write_variant
from benchmarks.results.result_schema import read_result, write_result
from benchmarks.results.text_metrics import score_text
from benchmarks.runtime.device import Runtime
from cqil import kept_layers_plan
from cqil.edits.weight_edit import LayerMerge
from cqil.plan.schedule import Schedule

CPU = Runtime(device="cpu", dtype="float32", threads=1, seed=0)
NEW = 10
SOURCES = ["Deux.", "Une phrase un peu plus longue.", "La troisième, elle aussi.", "Quatre !"]
VARIANTS = {
    "dense": {"method": "dense"},
    "pairs": {"method": "uniform", "group_size": 2, "start": 1, "end": 3, "bypass": 1},
    "removed": {"method": "random", "depth": 3, "seed": 0},
    "skip": {"method": "unified", "rule": "even", "depth": 2},
    "falling": {"method": "skipdecode", "max_depth": 4, "min_depth": 2, "tokens": 4},
}


@pytest.fixture(scope="module")
def variants(tiny_llama, tmp_path_factory):
    folder = tmp_path_factory.mktemp("variants")
    prepare_model(str(tiny_llama), None, folder)
    for name, options in VARIANTS.items():
        write_variant(name, options, folder / "manifest.json", None, None, folder / name)
    return {name: read_variant(folder / name) for name in VARIANTS}


@pytest.fixture(scope="module")
def tokenizer(tiny_llama):
    return AutoTokenizer.from_pretrained(tiny_llama)


@pytest.fixture
def task(monkeypatch):
    """`fr-en` with short answers that nothing stops, known as such."""
    short = GENERATION_TASKS["fr-en"].model_copy(
        update={"max_new_tokens": NEW, "stop": [], "shots": 1}
    )
    monkeypatch.setitem(GENERATION_TASKS, "fr-en", short)
    return short


@pytest.fixture
def pairs(tmp_path):
    rows = [
        {"sha256": f"{n:064}", "part": "evaluation", "source": source, "reference": f"Two {n}."}
        for n, source in enumerate(SOURCES)
    ]
    rows.append({"sha256": "f", "part": "examples", "source": "Oui.", "reference": "Yes."})
    path = tmp_path / "fr-en.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def measured(variants, name, pairs, **changed):
    options = {"documents": None, "batch": 3} | changed
    return measure_generation(variants[name], "fr-en", pairs, **options, runtime=CPU)


def prompt_of(tokenizer, source):
    ask = "Translate this French sentence into English.\n\n{}\n\n"
    return tokenizer(f"{ask.format('Oui.')}Yes.\n\n{ask.format(source)}")["input_ids"]


def generated(model, ids_BT):
    """New tokens. The mask is given, since Transformers would take "!", token 0, for a pad."""
    mask_BT = torch.ones_like(ids_BT)
    out_BT = model.generate(
        ids_BT, attention_mask=mask_BT, max_new_tokens=NEW, do_sample=False, pad_token_id=0
    )
    return out_BT[0, ids_BT.shape[1] :].tolist()


@pytest.mark.parametrize("name", ["dense", "pairs", "removed", "skip"])
def test_batched_answers_are_those_of_generate(variants, tokenizer, task, pairs, name):
    reference = load_planned(variants[name], "cpu", "float32")
    result = measured(variants, name, pairs)
    answers = []
    for source in SOURCES:
        ids_BT = torch.tensor([prompt_of(tokenizer, source)])
        answers.append(generated(reference, ids_BT))
    assert [sample.tokens for sample in result.samples] == answers
    assert len(set(map(tuple, answers))) > 1
    for row, sample in enumerate(result.samples):
        assert sample.text == answer_text(tokenizer, answers[row], [])
        assert sample.reference == f"Two {row}."
        scores = score_text(task, sample.text, sample.reference)
        assert (sample.bleu, sample.chrf, sample.rougeL) == (scores["bleu"], scores["chrf"], None)


def test_dense_answers_are_those_of_transformers(variants, tokenizer, task, pairs, tiny_llama):
    dense = LlamaForCausalLM.from_pretrained(tiny_llama)
    ids_BT = torch.tensor([prompt_of(tokenizer, SOURCES[0])])
    first = measured(variants, "dense", pairs, documents=1).samples[0]
    assert first.tokens == generated(dense, ids_BT)


def test_variants_write_different_texts_from_the_same_first_token(variants, task, pairs):
    dense, skip = (measured(variants, name, pairs).samples for name in ("dense", "skip"))
    assert [s.tokens[0] for s in dense] == [s.tokens[0] for s in skip]
    assert [s.tokens for s in dense] != [s.tokens for s in skip]


def test_schedule_is_what_writes(variants, tokenizer, task, pairs):
    """Four layers, then fewer; a constant schedule of the last plan writes something else."""
    falling = variants["falling"]
    result = measured(variants, "falling", pairs)
    assert Schedule.from_dict(result.schedule) == falling.schedule
    engine = load_variant_engine(falling, "cpu", "float32")
    prompts = [prompt_of(tokenizer, source) for source in SOURCES]
    alone = [generate_answers(engine, tokenizer, [prompt], task)[0] for prompt in prompts]
    assert [sample.tokens for sample in result.samples] == alone
    kept = kept_layers_plan(4, falling.plan.attending_layers, prompt_dense=True)
    least = load_variant_engine(replace(falling, schedule=None, plan=kept), "cpu", "float32")
    assert [generate_answers(least, tokenizer, [prompt], task)[0] for prompt in prompts] != alone


def test_answers_end_with_an_end_token_or_a_stop_string(variants, tokenizer, task):
    engine = load_variant_engine(variants["dense"], "cpu", "float32")
    prompts = [prompt_of(tokenizer, source) for source in SOURCES]
    whole = generate_answers(engine, tokenizer, prompts, task)
    assert {len(answer) for answer in whole} == {NEW}
    end = whole[1][3]
    engine.generation = replace(engine.generation, eos_token_ids=(end,))
    for answer, cut in zip(whole, generate_answers(engine, tokenizer, prompts, task), strict=True):
        assert cut == answer[: answer.index(end) + 1 if end in answer else NEW]
    engine.config.eos_token_id = None
    text = tokenizer.decode(whole[2])
    stop = text.lstrip()[4]
    stopped = task.model_copy(update={"stop": [stop]})
    answer = generate_answers(engine, tokenizer, prompts, stopped)[2]
    assert answer == whole[2][: len(answer)]
    assert len(answer) < NEW
    assert answer_text(tokenizer, answer, [stop]) == text.lstrip().split(stop)[0].rstrip()


def test_chat_template_is_used_where_there_is_one(tokenizer, task, tiny_llama):
    shown = [{"source": "Oui.", "reference": "Yes."}]
    plain = encode_prompt(tokenizer, task, shown, "Non.")
    assert plain == prompt_of(tokenizer, "Non.")
    chatty = AutoTokenizer.from_pretrained(tiny_llama)
    chatty.chat_template = (
        "{% for m in messages %}[{{ m.role }}]{{ m.content }}{% endfor %}"
        "{% if add_generation_prompt %}[assistant]{% endif %}"
    )
    ask = "Translate this French sentence into English.\n\n"
    text = f"[user]{ask}Oui.[assistant]Yes.[user]{ask}Non.[assistant]"
    assert tokenizer.decode(encode_prompt(chatty, task, shown, "Non.")) == text


def test_result_is_whole_on_disk(variants, task, pairs, tmp_path):
    result = measured(variants, "pairs", pairs, documents=2)
    write_result(tmp_path / "pairs.json", result)
    assert read_result(tmp_path / "pairs.json") == result
    assert (result.task, result.task_version, result.schedule) == ("fr-en", 1, None)
    assert [sample.document for sample in result.samples] == ["0" * 16] * 2


def test_prompt_that_does_not_fit_is_refused(variants, monkeypatch, pairs):
    long = GENERATION_TASKS["fr-en"].model_copy(update={"max_new_tokens": 5000})
    monkeypatch.setitem(GENERATION_TASKS, "fr-en", long)
    with pytest.raises(ValueError, match=r"\Ageneration\.tasks\.fr-en: [^\n]*5000[^\n]*\Z"):
        measured(variants, "dense", pairs)


def test_merged_layers_write(variants, tokenizer, task):
    """A plan that leaves out a layer writes something else once the others have taken it in."""
    removed = variants["removed"]
    (gone,) = set(range(4)) - set(removed.plan.attending_layers)
    merge = LayerMerge(into=gone - 1, taken=(gone,), rule="paper")
    merged = load_variant_engine(replace(removed, edits=(merge,)), "cpu", "float32")
    plain = load_variant_engine(removed, "cpu", "float32")
    prompts = [prompt_of(tokenizer, source) for source in SOURCES]
    assert generate_answers(merged, tokenizer, prompts, task) != generate_answers(
        plain, tokenizer, prompts, task
    )
