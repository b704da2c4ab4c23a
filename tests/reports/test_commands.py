"""`python -m reports bench`, `cost-model` and `break-even`, on a made-up bench and probe."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest
from made_up_engine_bench import LAYERS, PAIRS, SHAPE, made_up_bench, made_up_probe
from made_up_results import write_json

from cqil.cli.run_app import run_app
from reports.__main__ import app


@pytest.fixture
def run(monkeypatch, capsys, tmp_path):
    """Runs `python -m reports ARGUMENTS` beside a bench and a probe; code, stdout, stderr."""
    write_json(tmp_path / "bench.json", made_up_bench().model_dump())
    write_json(tmp_path / "probe.json", made_up_probe().model_dump())
    (tmp_path / "empty.json").write_text("{}")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("CQIL_DEBUG", raising=False)

    def command(*arguments):
        monkeypatch.setattr(sys, "argv", ["reports", *arguments])
        with pytest.raises(SystemExit) as ended:
            run_app(app)
        return ended.value.code, *capsys.readouterr()

    return command


def cells(text, first):
    """The cells of the Markdown row that begins with `first`."""
    row = next(line for line in text.splitlines() if re.match(rf"\| *{re.escape(first)} *\|", line))
    return [cell.strip() for cell in row.strip("|").split("|")]


# --- bench


def test_bench_is_written_and_printed(run, tmp_path):
    code, out, err = run("bench", "bench.json", "--out", "tables/bench.md")
    text = (tmp_path / "tables" / "bench.md").read_text()
    assert (code, err) == (0, "")
    assert out.strip() == text.strip()
    assert text.startswith("# Engine, smollm2-135m-made-up, 2026-01-01\n")
    assert "4 cores of Imaginary CPU, no GPU; float32; batch 1, prompt 8, 4 decoded" in text
    assert "5 rounds, all systems interleaved" in text


def test_bench_has_a_row_a_system(run):
    _, text, _ = run("bench", "bench.json", "--out", "bench.md")
    # System, plan, depth, ranks, milliseconds, messages, bytes.
    assert cells(text, "engine-dense") == [
        "engine-dense", "dense", str(LAYERS), "1", "20.00 [20.00, 20.00]", "0", "0"
    ]  # fmt: skip
    assert cells(text, "cqil-p2") == [
        "cqil-p2", PAIRS.slug, "22", "2", "45.00 [45.00, 45.00]", "9", str(9 * 64)
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("comparison", "systems", "ratio"),
    [
        (
            "engine over generate of Transformers, dense",
            "transformers-generate / engine-dense",
            "2.00",
        ),
        ("two ranks: pairs over tensor parallel", "tp2 / cqil-p2", "2.00"),
        (
            "two ranks: pairs over tensor parallel, no communication (bound)",
            "tp2-no-communication / cqil-p2-no-communication",
            "0.86",
        ),
    ],
)
def test_bench_compares_systems(run, comparison, systems, ratio):
    _, text, _ = run("bench", "bench.json", "--out", "bench.md")
    assert cells(text, comparison) == [comparison, systems, f"{ratio} [{ratio}, {ratio}]"]


def test_bench_leaves_out_comparisons_of_systems_that_were_not_timed(run):
    _, text, _ = run("bench", "bench.json", "--out", "bench.md")
    assert "fours over dense" not in text
    assert "ladder" not in text


def test_bench_says_where_a_step_on_ranks_goes(run):
    _, text, _ = run("bench", "bench.json", "--out", "bench.md")
    step = text[text.index("## Where a two-rank step goes") :]
    # System, measured, computing, messages, microseconds of one, computing + messages, quotient.
    assert cells(step, "tp2")[1:] == ["90", "30.00 [30.00, 30.00]", "60", "1000", "90", "1"]
    assert cells(step, "cqil-p2")[1:] == ["45", "35.00 [35.00, 35.00]", "9", "1000", "44", "1.02"]


def test_bench_lists_peaks_where_they_were_measured(run):
    _, text, _ = run("bench", "bench.json", "--out", "bench.md")
    memory = text[text.index("## Peak memory") :]
    assert cells(memory, "tp2") == ["tp2", "0", "4", "5", "1.25"]
    assert "cqil-p2" not in memory


def test_a_file_without_a_bench_is_one_line(run, tmp_path):
    code, out, err = run("bench", "empty.json", "--out", "bench.md")
    assert (code, out) == (2, "")
    assert re.fullmatch(
        r"error: empty\.json: holds no bench \([^\n]*\); run make bench again\n", err
    )
    assert not (tmp_path / "bench.md").exists()


# --- cost-model


def test_published_speeds_are_predicted(run, tmp_path):
    code, out, _ = run("cost-model", "published", "--out", "published.md")
    assert code == 0
    assert (tmp_path / "published.md").read_text().strip() == out.strip()
    assert out.startswith("# Cost model against published speeds\n")
    assert "- gpt-fast, tensor parallel, batch 1: 9 of 10 predictions within 10 %" in out
    assert "fitted, does not count" in out


def test_a_bench_is_predicted_from_a_probe(run, tmp_path):
    arguments = ("probe.json", "bench.json", "--out", "measured.md")
    code, out, _ = run("cost-model", "measured", *arguments)
    assert code == 0
    assert (tmp_path / "measured.md").read_text().strip() == out.strip()
    assert "probed on 4 cores of Imaginary CPU, against a bench on 4 cores of Imaginary CPU" in out
    rows = [line for line in out.splitlines() if line.startswith("| this machine")]
    # Of `generate` of Transformers the cost model knows nothing.
    assert [line.split("|")[2].strip() for line in rows] == [
        "engine-dense", "tp2", "tp2-no-communication", "cqil-p2", "cqil-p2-no-communication"
    ]  # fmt: skip
    predicted = {line.split("|")[2].strip(): float(line.split("|")[4].split()[0]) for line in rows}
    # A message costs 1 ms: pairs send 9, tensor parallelism two a layer and one for the head.
    gap = predicted["cqil-p2"] - predicted["cqil-p2-no-communication"]
    assert gap == pytest.approx(9, abs=0.11)
    gap = predicted["tp2"] - predicted["tp2-no-communication"]
    assert gap == pytest.approx(2 * LAYERS + 1, abs=0.11)


def test_the_shape_is_that_of_the_bench_or_the_one_that_is_named(run):
    files = ("probe.json", "bench.json", "--out", "measured.md")
    same = run("cost-model", "measured", *files, "--shape", SHAPE)
    assert same == run("cost-model", "measured", *files)
    code, _, err = run("cost-model", "measured", *files, "--shape", "GPT-2")
    assert code == 2
    assert re.fullmatch(
        r"error: shape: 'GPT-2' is unknown; use one of [^\n]*SmolLM2-135M[^\n]*\n", err
    )


@pytest.mark.parametrize(
    ("probe", "bench", "fault"),
    [
        ("empty.json", "bench.json", "holds no probe"),
        ("probe.json", "empty.json", "holds no bench"),
    ],
)
def test_files_that_hold_something_else_are_one_line(run, tmp_path, probe, bench, fault):
    code, _, err = run("cost-model", "measured", probe, bench, "--out", "measured.md")
    assert code == 2
    assert re.fullmatch(rf"error: empty\.json: {fault} [^\n]*\n", err)
    assert not (tmp_path / "measured.md").exists()


# --- break-even


def test_the_map_marks_measured_machines(run, tmp_path, monkeypatch):
    drawn = []

    def draw(machine, measured):
        from matplotlib.figure import Figure

        drawn.append((machine.name, [one.name for one in measured]))
        return Figure(figsize=(1, 1))

    monkeypatch.setattr("reports.figures.break_even_map.break_even_map", draw)
    arguments = ("--out", "maps/map.png", "--machine", "a100-pcie", "--probe", "probe.json")
    code, out, _ = run("break-even", *arguments)
    assert (code, out.strip()) == (0, "maps/map.png")
    assert drawn == [("a100-pcie", ["probe"])]
    assert (tmp_path / "maps" / "map.png").read_bytes().startswith(b"\x89PNG")


def test_the_map_is_drawn(run, tmp_path):
    code, _, _ = run("break-even", "--out", "map.pdf", "--probe", "probe.json")
    assert code == 0
    assert (tmp_path / "map.pdf").read_bytes().startswith(b"%PDF")


def test_an_unknown_machine_is_one_line(run, tmp_path):
    code, _, err = run("break-even", "--out", "map.png", "--machine", "abacus")
    assert code == 2
    assert re.fullmatch(r"error: machine: 'abacus' is no file and no preset; [^\n]*\n", err)
    assert not (tmp_path / "map.png").exists()


def test_no_command_imports_torch():
    """Every module of the package, so that no command is slow to start."""
    probe = (
        "import pkgutil, sys, reports; "
        "names = [m.name for m in pkgutil.walk_packages(reports.__path__, 'reports.')]; "
        "[__import__(name) for name in names]; "
        "sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", probe], check=False).returncode == 0
