"""Fixtures of the model tests: one thread, and norms and rotary angles in full float64."""

import full_precision
import pytest
import torch

from cqil.engine.gang import Gang


@pytest.fixture(autouse=True, scope="module")
def single_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def full_float64():
    with full_precision.full_float64():
        yield


@pytest.fixture(scope="session")
def two_ranks():
    with Gang(2) as gang:
        yield gang


@pytest.fixture(scope="session")
def four_ranks():
    with Gang(4) as gang:
        yield gang
