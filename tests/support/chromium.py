"""A page in headless Chromium: offline, at a given size, in a light or dark colour scheme.

Only a Chromium on PATH is needed. A script looks into the page and writes what it observes into an
element of the surrounding page, which Chromium then prints.
"""

from __future__ import annotations

import html
import json
import re
import shutil
import subprocess

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
PHONE, DESK = (390, 844), (1280, 900)
"""Width and height of a screen, in pixels."""
# Chromium's window cannot be narrower than 500 pixels, but a frame in it can.
FRAME = """<!DOCTYPE html><meta name="color-scheme" content="light dark">
<style>body{{margin:0}}iframe{{border:0;width:{width}px;height:{height}px}}</style>
<iframe id="page"></iframe><pre id="observed"></pre>
<script>
const page = document.getElementById("page");
page.srcdoc = {page};
page.onload = () => {{
  const inside = page.contentDocument, root = inside.documentElement;
  const fetched = page.contentWindow.performance.getEntriesByType("resource").map(e => e.name);
  const wide = [...inside.querySelectorAll("body *")]
    .filter(e => !e.closest(".scroll, .drawing, pre")
    && e.getBoundingClientRect().right > root.clientWidth + 1).map(e => e.outerHTML.slice(0, 80));
  const scrolled = [...inside.querySelectorAll(".scroll")]
    .filter(e => e.scrollWidth > e.clientWidth);
  const dangling = [...inside.querySelectorAll("a[href^='#']")]
    .map(a => a.getAttribute("href")).filter(href => !inside.getElementById(href.slice(1)));
  const silent = [...inside.querySelectorAll("[role=img], img")]
    .filter(e => !(e.getAttribute("aria-label") || e.alt)).length;
  // The table of variants is sorted by perplexity twice, then scrolled to its end.
  const box = inside.querySelector("#table-variants .scroll");
  const heads = box ? [...box.querySelectorAll("thead th")] : [];
  const place = heads.findIndex(head => head.textContent.trim() === "perplexity");
  const column = () => [...box.querySelectorAll("tbody tr")]
    .map(row => parseFloat(row.cells[place].textContent));
  const click = () => {{ heads[place].firstChild.click(); return column(); }};
  const sorted = box ? [click(), click()] : [];
  const first = box && box.querySelector("tbody th");
  const left = () => first.getBoundingClientRect().left - box.getBoundingClientRect().left;
  const before = box ? left() : 0;
  if (box) box.scrollLeft = 10000;
  const unmoved = box ? Math.round(left() - before) : 0;
  const colour = getComputedStyle(inside.body);
  document.getElementById("observed").textContent = JSON.stringify({{
    overflow: root.scrollWidth - root.clientWidth, wide, fetched, dangling, silent,
    scrolled: scrolled.length, drawings: inside.querySelectorAll(".drawing svg").length,
    sorted, unmoved, width: page.contentWindow.innerWidth,
    text: colour.color, ground: colour.backgroundColor,
  }});
}};
</script>"""


def browser_path():
    """Path of Chromium; None where it is not installed."""
    return next(filter(None, map(shutil.which, BROWSERS)), None)


def observe(page, folder, size, dark=False):
    """What the script observes in the page's HTML, and the lines of the browser's console."""
    width, height = size
    framed = folder / f"framed-{width}-{dark}.html"
    text = json.dumps(page).replace("</", "<\\/")
    framed.write_text(FRAME.format(width=width, height=height, page=text))
    done = _run(
        folder, dark, "--dump-dom", "--virtual-time-budget=5000", "--enable-logging=stderr",
        f"--window-size={max(width, 600)},{height}", framed.as_uri(),
    )  # fmt: skip
    observed = re.search(r'<pre id="observed">(.*?)</pre>', done.stdout, re.DOTALL)
    assert observed, done.stderr
    return json.loads(html.unescape(observed[1])), re.findall(r"CONSOLE.*", done.stderr)


def _run(folder, dark, *arguments):
    command = [
        browser_path(), "--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars",
        "--disable-dev-shm-usage", "--host-resolver-rules=MAP * ~NOTFOUND",
        f"--user-data-dir={folder / 'profile'}",
        f"--blink-settings=preferredColorScheme={0 if dark else 1}",
    ]  # fmt: skip
    return subprocess.run(
        [*command, *arguments], capture_output=True, text=True, timeout=240, check=True
    )
