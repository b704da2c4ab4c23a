"""The page as a reader's browser shows it: on a phone and on a desk, light and dark, offline."""

from __future__ import annotations

import chromium
import pytest

pytestmark = pytest.mark.skipif(
    chromium.browser_path() is None, reason="no Chromium on PATH (Debian: apt-get install chromium)"
)


@pytest.mark.parametrize(("size", "dark"), [(chromium.PHONE, False), (chromium.DESK, True)])
def test_page_fits_fetches_nothing_and_names_its_figures(html, tmp_path, size, dark):
    observed, console = chromium.observe(html, tmp_path, size, dark)
    assert observed["width"] == size[0]
    assert observed["overflow"] == 0
    assert observed["wide"] == observed["fetched"] == observed["dangling"] == console == []
    assert observed["silent"] == 0
    assert observed["drawings"] == html.count("<svg")
    assert observed["scrolled"] > 0 or size == chromium.DESK


def test_the_reader_s_scheme_is_followed(html, tmp_path):
    light, _ = chromium.observe(html, tmp_path, chromium.PHONE)
    dark, _ = chromium.observe(html, tmp_path, chromium.PHONE, dark=True)
    assert (light["text"], light["ground"]) == ("rgb(27, 31, 36)", "rgb(255, 255, 255)")
    assert (dark["text"], dark["ground"]) == ("rgb(227, 231, 235)", "rgb(20, 24, 28)")


def test_tables_sort_by_a_click_and_keep_their_first_column(html, tmp_path):
    observed, console = chromium.observe(html, tmp_path, chromium.PHONE)
    assert console == []
    ascending, descending = observed["sorted"]
    assert ascending == sorted(ascending)
    assert descending == ascending[::-1]
    assert len(ascending) > 3
    assert observed["unmoved"] == 0


def test_faults_are_found(html, tmp_path):
    faults = (
        '<p style="width: 900px">wide</p><a href="#nowhere">lost</a><div role="img"></div>'
        "<script>console.error('a fault')</script><img alt='x' src='http://example.invalid/x.png'>"
    )
    broken = html.replace("</main>", f"{faults}</main>")
    observed, console = chromium.observe(broken, tmp_path, chromium.PHONE)
    assert observed["overflow"] > 0
    assert observed["wide"]
    assert observed["dangling"] == ["#nowhere"]
    assert observed["silent"] == 1
    assert observed["fetched"] == ["http://example.invalid/x.png"]
    assert any("a fault" in line for line in console)
