"""A page in a real browser: headless Chromium, offline, at the size and in the scheme asked for.

Nothing but a Chromium on PATH is needed: a probe is written into a copy of the page, and what it
finds comes back as the text of an element of the dumped DOM.
"""

from __future__ import annotations

import html
import json
import re
import shutil
import subprocess

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
PHONE, DESK = (390, 844), (1280, 900)
# Chromium's own window cannot be narrower than 500 pixels: a frame is as narrow as it is told.
FRAME = """<!DOCTYPE html><meta name="color-scheme" content="light dark">
<style>body{{margin:0}}iframe{{border:0;width:{width}px;height:{height}px}}</style>
<iframe id="page"></iframe><pre id="found"></pre>
<script>
const page = document.getElementById("page"), errors = [];
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
  const colour = getComputedStyle(inside.body);
  document.getElementById("found").textContent = JSON.stringify({{
    overflow: root.scrollWidth - root.clientWidth, wide, fetched, dangling, silent,
    scrolled: scrolled.length, drawings: inside.querySelectorAll(".drawing svg").length,
    width: page.contentWindow.innerWidth, text: colour.color, ground: colour.backgroundColor,
  }});
}};
</script>"""


def browser():
    """None where there is none."""
    return next(filter(None, map(shutil.which, BROWSERS)), None)


def ask(folder, page, size, dark=False):
    """What the probe found, and what the browser's console said."""
    width, height = size
    framed = folder / f"framed-{width}-{dark}.html"
    text = json.dumps(page).replace("</", "<\\/")
    framed.write_text(FRAME.format(width=width, height=height, page=text))
    said = run(
        folder, dark, "--dump-dom", "--virtual-time-budget=5000", "--enable-logging=stderr",
        f"--window-size={max(width, 600)},{height}", framed.as_uri(),
    )  # fmt: skip
    found = re.search(r'<pre id="found">(.*?)</pre>', said.stdout, re.DOTALL)
    assert found, said.stderr
    return json.loads(html.unescape(found[1])), re.findall(r"CONSOLE.*", said.stderr)


def run(folder, dark, *arguments):
    command = [
        browser(), "--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars",
        "--disable-dev-shm-usage", "--host-resolver-rules=MAP * ~NOTFOUND",
        f"--user-data-dir={folder / 'profile'}",
        f"--blink-settings=preferredColorScheme={0 if dark else 1}",
    ]  # fmt: skip
    return subprocess.run(
        [*command, *arguments], capture_output=True, text=True, timeout=240, check=True
    )
