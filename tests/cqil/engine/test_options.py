"""Options that a device, or another option, rules out: each is refused in one line."""

import re

import pytest
from tiny_models import tiny_dense

from cqil import dense_plan, uniform_plan
from cqil.engine import Engine
from cqil.engine.options import EngineOptions
from cqil.engine.parallel.layout import Layout
from cqil.plan.early_exit_rule import EarlyExitRule

RULE = EarlyExitRule("saturation", 0.9)


def test_graphs_need_cuda():
    with pytest.raises(
        ValueError, match=r"\Amode: 'cuda_graph' needs a CUDA device, not cpu[^\n]*\Z"
    ):
        Engine.from_dense(tiny_dense(2), dense_plan(2), options=EngineOptions(mode="cuda_graph"))


def test_unknown_mode():
    with pytest.raises(ValueError, match=r"\Amode: 'fast' is unknown; use one of eager, [^\n]*\Z"):
        Engine.from_dense(
            tiny_dense(2), uniform_plan(2, 0, 2, 2), options=EngineOptions(mode="fast")
        )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"mode": "fast"}, "mode: 'fast' is unknown; use one of eager, cuda_graph, compiled"),
        ({"mode": "cuda_graph"}, "mode: 'cuda_graph' needs a CUDA device, not cpu; use eager"),
        (
            {"communicator": "ring"},
            "communicator: 'ring' is unknown; use one of default, star, symm_mem, none",
        ),
        (
            {"communicator": "symm_mem"},
            "communicator: 'symm_mem' needs CUDA devices, not cpu; use default",
        ),
        (
            {"early_exit": RULE, "layout": Layout(tensor_parallel_size=2)},
            "early_exit: the stages that run are known only at run time, which 2 ranks in mode "
            "eager do not support; use one rank and mode eager",
        ),
        (
            {"early_exit": RULE, "mode": "compiled"},
            "early_exit: the stages that run are known only at run time, which 1 ranks in mode "
            "compiled do not support; use one rank and mode eager",
        ),
    ],
)
def test_refused_options(options, message):
    match = rf"\A{re.escape(message)}\Z"
    with pytest.raises(ValueError, match=match):
        EngineOptions(**options).check("cpu")
    with pytest.raises(ValueError, match=match):
        Engine.from_dense(tiny_dense(2), dense_plan(2), options=EngineOptions(**options))


@pytest.mark.parametrize("options", [{"mode": "cuda_graph"}, {"communicator": "symm_mem"}])
def test_options_of_cuda_devices_pass_there(options):
    EngineOptions(**options).check("cuda")


@pytest.mark.parametrize("mode", ["fast", "cuda_graph"])
def test_a_later_mode_is_checked(mode):
    engine = Engine.from_dense(tiny_dense(2), dense_plan(2))
    with pytest.raises(ValueError, match=rf"\Amode: '{mode}' [^\n]*\Z"):
        engine.set_mode(mode)
    assert engine.mode == "eager"


def test_early_exit_rules_out_a_later_mode():
    engine = Engine.from_dense(tiny_dense(2), dense_plan(2), options=EngineOptions(early_exit=RULE))
    with pytest.raises(ValueError, match=r"\Aearly_exit: [^\n]*mode compiled[^\n]*\Z"):
        engine.set_mode("compiled")
    assert engine.mode == "eager"


def test_rotary_positions_that_follow_the_length_run_eagerly_alone():
    dense = tiny_dense(2)
    dense.config.rope_parameters = {"rope_type": "dynamic", "rope_theta": 100.0, "factor": 2.0}
    engine = Engine.from_dense(dense, dense_plan(2))
    with pytest.raises(ValueError, match=r"\Amode: 'compiled', but rope_type dynamic[^\n]*\Z"):
        engine.set_mode("compiled")
    with pytest.raises(ValueError, match=r"\Amode: 'compiled', but rope_type dynamic[^\n]*\Z"):
        Engine.from_dense(dense, dense_plan(2), options=EngineOptions(mode="compiled"))
