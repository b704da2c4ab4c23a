"""Results that are made up for one claim."""

from functools import partial

import pytest
from judged_claims import made_up_run


@pytest.fixture
def results(tmp_path):
    """Fills a folder with dense and variants, each with a loss in nats a token; returns it."""
    return partial(made_up_run, tmp_path)
