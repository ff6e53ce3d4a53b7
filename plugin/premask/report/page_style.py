"""How the report looks and behaves: its style and its script, which the page carries inline."""

from __future__ import annotations

STYLE = """
:root {
  color-scheme: light dark;
  --ground: #f5f5f3; --panel: #fff; --ink: #1d1d1f; --quiet: #66666b; --line: #e3e3df;
  --bar: #d9dde6; --accent: #2455c3; --alarm: #b3261e; --alarm-ground: #fdf0ee;
}
@media (prefers-color-scheme: dark) {
  :root {
    --ground: #161618; --panel: #1f1f22; --ink: #ececee; --quiet: #a0a0a6; --line: #34343a;
    --bar: #3a4152; --accent: #8fb0ff; --alarm: #ff9d94; --alarm-ground: #33201f;
  }
}
* { box-sizing: border-box; }
body {
  margin: 0 auto; padding: 2.5rem clamp(1rem, 4vw, 3.5rem) 4rem; max-width: 104rem;
  background: var(--ground); color: var(--ink); font: 15px/1.5 system-ui, sans-serif;
  font-variant-numeric: tabular-nums;
}
h1, h2, h3, p, dl, dd, ul { margin: 0; padding: 0; }
h1 { font-size: 1.9rem; line-height: 1.2; letter-spacing: -.02em; overflow-wrap: anywhere; }
h2 { font-size: 1.1rem; margin: 2.5rem 0 .75rem; }
h3 { font-size: 1rem; overflow-wrap: anywhere; }
ul { list-style: none; }
button { font: inherit; color: inherit; background: none; border: 0; padding: 0; cursor: pointer; }
:focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; }
.quiet, dt, caption, th { color: var(--quiet); font-weight: 400; }
.quiet { font-size: .87rem; }
.facts { display: flex; flex-wrap: wrap; gap: .25rem 2rem; margin-top: .6rem; }
.facts div { display: flex; gap: .5rem; }
.facts dd { overflow-wrap: anywhere; white-space: pre-wrap; }
.numbers { display: flex; flex-wrap: wrap; gap: 1rem 3rem; margin-top: 2rem; }
.numbers div { display: flex; flex-direction: column-reverse; }
.numbers dd { font-size: 2rem; line-height: 1.15; letter-spacing: -.02em; }
.labels {
  display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 20rem), 1fr));
  gap: .15rem 2rem; max-height: 22rem; overflow: auto; margin-top: .5rem; padding: .2rem;
}
.labels button {
  display: grid; grid-template-columns: .75rem minmax(4rem, 9rem) 1fr 3.5rem; gap: .7rem;
  align-items: center; width: 100%; padding: .25rem .4rem; border-radius: .4rem; text-align: left;
}
.labels button:hover { background: var(--line); }
.labels [aria-pressed=true] { background: var(--panel); box-shadow: inset 0 0 0 2px var(--accent); }
.labels .name { overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
.labels .count { text-align: right; }
.bar { height: .5rem; }
.bar i { display: block; height: 100%; min-width: 2px; border-radius: .25rem;
  background: var(--bar); }
.swatch { display: inline-block; width: .75rem; height: .75rem; border-radius: .2rem; }
.shown { display: flex; align-items: baseline; gap: 1rem; margin: 2rem 0 .75rem;
  min-height: 1.5rem; }
.pages { display: flex; flex-wrap: wrap; gap: .25rem .8rem; margin: 1.5rem 0; }
.pages a { color: var(--accent); }
.pages [aria-current] { color: inherit; font-weight: 700; text-decoration: none; }
.shown [aria-pressed=true] { font-weight: 700; text-decoration: none; }
.shown button { color: var(--accent); text-decoration: underline; }
.images {
  display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 34rem), 1fr));
  gap: 1.25rem; align-items: start;
}
.image {
  background: var(--panel); border: 1px solid var(--line); border-radius: .75rem;
  padding: 1rem; min-width: 0; content-visibility: auto; contain-intrinsic-size: auto 30rem;
}
.pictures { display: flex; flex-wrap: wrap; gap: .6rem; margin: .75rem 0; }
.pictures button { flex: 1 1 12rem; cursor: zoom-in; line-height: 0; text-align: left; }
img { max-width: 100%; max-height: 30rem; width: auto; height: auto; border-radius: .35rem; }
summary { cursor: pointer; color: var(--quiet); font-size: .87rem; }
.scroll { overflow: auto; max-height: 30rem; }
table { border-collapse: collapse; width: 100%; font-size: .87rem; margin-top: .4rem; }
th, td { text-align: left; padding: .3rem .8rem .3rem 0; border-top: 1px solid var(--line); }
thead th { position: sticky; top: 0; background: var(--panel); border-top: 0; }
td { vertical-align: top; }
th, td { white-space: nowrap; }
td.words { white-space: normal; overflow-wrap: anywhere; min-width: 6rem; }
th.number, td.number { text-align: right; }
tr.other { opacity: .35; }
.confusion td {
  background: color-mix(in srgb, var(--accent) calc(70% * var(--share, 0)), transparent);
  padding: .3rem .5rem;
}
.confusion th, .confusion td { border: 1px solid var(--line); padding: .3rem .5rem; }
figure { flex: 1 1 12rem; margin: 0; min-width: 0; }
figcaption { color: var(--quiet); font-size: .87rem; }
.legend { display: flex; flex-wrap: wrap; gap: .3rem 1.5rem; margin-top: 1rem; }
.failures li {
  padding: .75rem 1rem; margin-bottom: .5rem; border-radius: .5rem; overflow-wrap: anywhere;
  background: var(--alarm-ground); border-left: 3px solid var(--alarm);
}
dialog { border: 0; padding: 0; background: none; max-width: 96vw; max-height: 96vh; }
dialog::backdrop { background: rgb(0 0 0 / .8); }
dialog button { cursor: zoom-out; line-height: 0; }
dialog img { width: min(96vw, 80rem); max-height: 94vh; object-fit: contain; }
[hidden] { display: none !important; }
@media print { .labels, .scroll { max-height: none; } .image { break-inside: avoid; } }
"""

SCRIPT = """
const all = selector => [...document.querySelectorAll(selector)];
const chosen = new Set();
const reset = document.querySelector("#reset");
let only = "";
const inOrder = all(".image");
function show() {
  const visible = label => !chosen.size || chosen.has(label);
  for (const image of inOrder)
    image.hidden = only === "failed" || (only === "empty" && image.dataset.labels !== "")
      || !image.dataset.labels.split(" ").some(visible);
  const sure = image => Number(image.dataset.least);
  document.querySelector(".images").append(
    ...(only === "unsure" ? [...inOrder].sort((a, b) => sure(a) - sure(b)) : inOrder));
  for (const button of all("[data-only]"))
    button.setAttribute("aria-pressed", button.dataset.only === only);
  for (const row of all("tr[data-label]"))
    row.classList.toggle("other", !visible(row.dataset.label));
  for (const button of all(".labels button"))
    button.setAttribute("aria-pressed", chosen.has(button.dataset.label));
  // What failed has no picture. It is shown where nothing narrower is asked for.
  const failures = document.querySelector("#failures");
  if (failures) failures.hidden = chosen.size > 0 || only === "empty";
  const shown = all(only === "failed" ? ".failures li" : ".image:not([hidden])").length;
  document.querySelector("#shown").textContent = shown === 1 ? "1 image" : `${shown} images`;
  reset.hidden = !chosen.size && !only;
}
for (const button of all(".labels button"))
  button.addEventListener("click", () => {
    const label = button.dataset.label;
    chosen.delete(label) || chosen.add(label);
    // Images that have a label are neither empty nor failed.
    if (only !== "unsure") only = "";
    show();
  });
for (const button of all("[data-only]"))
  button.addEventListener("click", () => {
    only = only === button.dataset.only ? "" : button.dataset.only;
    if (only !== "unsure") chosen.clear();
    show();
  });
reset.addEventListener("click", () => { chosen.clear(); only = ""; show(); });
const zoom = document.querySelector("dialog");
for (const button of all(".pictures button"))
  button.addEventListener("click", () => {
    const image = button.querySelector("img");
    Object.assign(zoom.querySelector("img"), { src: image.src, alt: image.alt });
    zoom.showModal();
  });
zoom.addEventListener("click", () => zoom.close());
"""
