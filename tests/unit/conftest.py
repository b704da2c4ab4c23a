"""Made-up results for tests of the report; imported only where they are used."""

import pytest


@pytest.fixture
def folder(tmp_path):
    """A whole results folder, small and made up."""
    from made_up import fill

    return fill(tmp_path)


@pytest.fixture(scope="module")
def html(tmp_path_factory):
    """Its page."""
    from made_up import fill

    from reports.page import write_report

    folder = fill(tmp_path_factory.mktemp("results"))
    return write_report(folder, folder / "out").read_text()
