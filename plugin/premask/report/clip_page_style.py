"""How a page of clips looks and behaves, on top of what all pages share."""

from __future__ import annotations

STYLE = """
.clips { display: grid; gap: 1.5rem; margin-top: 2rem; }
.clip { background: var(--panel); border: 1px solid var(--line); border-radius: .75rem;
  padding: 1.25rem; min-width: 0; }
.clip > video, .clip > img { display: block; height: 25rem; max-width: 100%; object-fit: contain;
  margin: .9rem 0; border-radius: .4rem; background: none; }
.timeline { position: relative; margin: 1rem 0 1.5rem; }
.row { display: grid; grid-template-columns: minmax(5rem, 11rem) 1fr 4rem; gap: .8rem;
  align-items: center; min-height: 1.9rem; font-size: .87rem; }
.row .name { overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
.row .count { color: var(--quiet); text-align: right; }
.lane { position: relative; height: 1.35rem; background: var(--ground); border-radius: .25rem; }
.lane svg { position: absolute; inset: 0; width: 100%; height: 100%; border-radius: .25rem; }
.lane b { position: absolute; bottom: -.15rem; width: .6rem; height: .6rem; margin-left: -.3rem;
  rotate: 45deg; background: var(--ink); border: 2px solid var(--panel); }
.axis .lane { background: none; }
.axis i { position: absolute; bottom: 0; padding-left: .25rem; border-left: 1px solid var(--line);
  color: var(--quiet); font-style: normal; line-height: 1.1; }
.seekable .lane { cursor: pointer; }
.now { position: absolute; top: 0; bottom: 0; width: 2px; margin-left: -1px;
  background: var(--accent); pointer-events: none; }
.strip { margin: 1.1rem 0 0; }
.strip h4 { margin: 0 0 .4rem; font-size: .9rem; font-weight: 600; overflow-wrap: anywhere; }
.strip ol { display: flex; flex-wrap: wrap; gap: .5rem; margin: 0; padding: 0; list-style: none; }
.strip li { width: 8rem; }
.strip img { display: block; width: 8rem; height: 8rem; border-radius: .35rem; }
.strip p { font-size: .8rem; color: var(--quiet); line-height: 1.35; margin-top: .2rem; }
.strip p i { font-style: normal; }
.strip p i::before { content: "\\25C6\\00A0"; color: var(--ink); margin-left: .4rem; }
.strip .seekable { cursor: pointer; }
.strip .low p b { color: var(--alarm); }
.sought li { list-style: none; }
.sought { display: flex; flex-wrap: wrap; gap: .2rem 1.2rem; margin: .5rem 0 0; font-size: .87rem; }
@media print { .clip { break-inside: avoid; } }
"""

SCRIPT = """
for (const clip of document.querySelectorAll(".clip")) {
  const film = clip.querySelector("video");
  const timeline = clip.querySelector(".timeline");
  const seconds = timeline ? Number(timeline.dataset.seconds) : 0;
  if (!film || !seconds) continue;
  timeline.classList.add("seekable");
  const lane = timeline.querySelector(".axis .lane");
  const now = timeline.appendChild(document.createElement("span"));
  now.className = "now";
  const move = () => {
    const left = lane.offsetLeft + lane.offsetWidth * Math.min(1, film.currentTime / seconds);
    now.style.left = `${left}px`;
  };
  const follow = () => { move(); if (!film.paused) requestAnimationFrame(follow); };
  film.addEventListener("play", follow);
  film.addEventListener("timeupdate", move);
  film.addEventListener("seeked", move);
  addEventListener("resize", move);
  timeline.addEventListener("click", event => {
    const box = lane.getBoundingClientRect();
    if (event.clientX < box.left || event.clientX > box.right) return;
    film.currentTime = seconds * (event.clientX - box.left) / box.width;
  });
  for (const frame of clip.querySelectorAll("[data-at]")) {
    frame.classList.add("seekable");
    frame.addEventListener("click", () => { film.currentTime = Number(frame.dataset.at); });
  }
  move();
}
"""
