"""The panel to go through a queue of labels: a picture, a verdict by a key, and the next one."""

from __future__ import annotations

import base64
from typing import Any

from fiftyone.operators import types
from fiftyone.operators.panel import Panel, PanelConfig

from ..dataset.plurals import counted
from ..dataset.provenance import ACCEPTED, REJECTED
from ..dataset.queue_queries import LabelAt, QueueState
from ..work.label_queue import label_queues
from ..work.label_review import LabelReview, card_of, fingerprint, progress

_HELP = """
The most doubtful label comes first, from near and in its image. **A** accepts it, **R** rejects it,
**F** opens its sample to be corrected under *Annotate* (closed again, a changed label counts as
accepted), **S** leaves it for later, **Z** takes your last verdict back. Accepted labels are a
person's from then on. Rejected ones are left out of exports, and deleted with *Close the queue*.
"""


class ReviewPanel(Panel):
    """One label at a time. Keys press the buttons: see `assets/review_keys.js`."""

    @property
    def config(self) -> PanelConfig:
        return PanelConfig(
            name="premask_review",
            label="premask review",
            icon="fact_check",
            help_markdown=_HELP,
        )

    def on_load(self, ctx: Any) -> None:
        """Go on where the queue stands, whoever judged what meanwhile."""
        ctx.panel.state.set({"skipped": [], "fixing": None, "has_settings": False})
        self._show(ctx)

    def on_change_dataset(self, ctx: Any) -> None:
        ctx.panel.state.queue = None
        self.on_load(ctx)

    def on_change_current_sample(self, ctx: Any) -> None:
        """Accept a label that was corrected, once its sample is closed."""
        fixing, review = ctx.panel.state.fixing, _review(ctx)
        if not fixing or ctx.current_sample or review is None:
            return
        ctx.panel.state.fixing = None
        label = review.labels.find(fixing["label"])
        if label and fingerprint(ctx.dataset, label) != fixing["was"]:
            self._judge(ctx, label.label_id, ACCEPTED, "Corrected and accepted.")
        else:
            self._show(ctx, "It is as it was.", label=label, review=review)

    def accept(self, ctx: Any) -> None:
        self._judge(ctx, ctx.params["label"], ACCEPTED)

    def reject(self, ctx: Any) -> None:
        self._judge(ctx, ctx.params["label"], REJECTED)

    def fix(self, ctx: Any) -> None:
        """Open the sample, with the label selected, for FiftyOne's own editor."""
        review = _review(ctx)
        label = review.labels.find(ctx.params["label"]) if review else None
        if label is None:
            self._show(ctx, "This label is gone.")
            return
        was = fingerprint(ctx.dataset, label)
        said = "Correct it under *Annotate*, and close the sample."
        ctx.panel.state.set({"fixing": {"label": label.label_id, "was": was}, "said": said})
        chosen = {"label_id": label.label_id, "sample_id": label.sample_id, "field": label.field}
        ctx.ops.set_selected_labels([chosen])
        ctx.ops.open_sample(id=label.sample_id)

    def skip(self, ctx: Any) -> None:
        ctx.panel.state.skipped = [*(ctx.panel.state.skipped or ()), ctx.params["label"]]
        self._show(ctx, "Left for later.")

    def undo(self, ctx: Any) -> None:
        """Show the label again whose verdict is taken back."""
        review = _review(ctx)
        label = review.undo() if review else None
        said = "There is no verdict of yours in this queue."
        if label is not None:
            said = f"Taken back: it was {label.verdict}."
        self._show(ctx, said, label=label, review=review)

    def choose(self, ctx: Any) -> None:
        """Go on with another queue."""
        ctx.panel.state.queue = ctx.params["value"]
        self.on_load(ctx)

    def rename(self, ctx: Any) -> None:
        """Give verdicts in another person's name from now on."""
        ctx.panel.state.reviewer = ctx.params["value"]
        self._show(ctx)

    def toggle(self, ctx: Any) -> None:
        """Show the settings, or hide them."""
        ctx.panel.state.has_settings = not ctx.panel.state.has_settings

    def start(self, ctx: Any) -> None:
        ctx.prompt(f"{self.plugin_name}/review_labels", on_success=self.on_load)

    def close(self, ctx: Any) -> None:
        """Open the form that says what is deleted."""
        params = {"name": ctx.panel.state.queue}
        ctx.prompt(f"{self.plugin_name}/close_review", params=params, on_success=self.on_load)

    def render(self, ctx: Any) -> types.Property:
        panel, state = types.Object(), ctx.panel.state
        if state.queue is None:
            panel.md(
                "### Nothing to review\nQueue up labels, and go through them with keys: the most "
                "doubtful ones first."
            )
            panel.btn("start", label="Review labels", variant="contained", on_click=self.start)
        else:
            # A name of its own: what the state has under the same name would be shown instead.
            panel.md(f"**{state.progress}**\n\n{state.said or ''}", name="headline")
            if state.label:
                panel.md(state.title, name="label_line")
                panel.img("picture", width="100%", alt_text="The label, and its image")
                if state.unseen:
                    panel.view("unseen", types.Error(label=state.unseen))
            self._add_verdicts(panel, state.label)
            self._add_settings(panel, state)
        return types.Property(panel, view=types.GridView(orientation="vertical", gap=2, pad=2))

    def _add_verdicts(self, panel: types.Object, label: str | None) -> None:
        row = panel.h_stack("verdicts", gap=1)
        params = {"label": label}
        if label:
            row.btn(
                "accept", "Accept (A)", variant="contained", on_click=self.accept, params=params
            )
            row.btn(
                "reject", "Reject (R)", variant="contained", on_click=self.reject, params=params
            )
            row.btn("fix", "Fix (F)", variant="outlined", on_click=self.fix, params=params)
            row.btn("skip", "Skip (S)", variant="outlined", on_click=self.skip, params=params)
        row.btn("undo", "Undo (Z)", variant="outlined", on_click=self.undo)

    def _add_settings(self, panel: types.Object, state: Any) -> None:
        row = panel.h_stack("queues", gap=1)
        who = f" ({state.reviewer})" if state.reviewer else ""
        row.btn("settings", f"Reviewer{who}", variant="outlined", on_click=self.toggle)
        row.btn("start", "Another queue", variant="outlined", on_click=self.start)
        row.btn("close", "Close the queue", variant="outlined", on_click=self.close)
        # Only when asked for: FiftyOne 1.22 puts the cursor into the first field of a panel, where
        # keys are letters.
        if not state.has_settings:
            return
        label = "Your name: others are not shown what you have in front of you"
        panel.str("reviewer", label=label, on_change=self.rename)
        if len(state.queues or ()) > 1:
            view = types.DropdownView(label="Queue")
            for name in state.queues:
                view.add_choice(name, label=name)
            panel.enum("queue", view.values(), view=view, on_change=self.choose)

    def _judge(self, ctx: Any, label_id: str, verdict: str, said: str = "") -> None:
        review = _review(ctx)
        outcome = review.judge(label_id, verdict) if review else ""
        self._show(ctx, said or outcome, review=review)

    def _show(
        self,
        ctx: Any,
        said: str = "",
        *,
        label: LabelAt | None = None,
        review: LabelReview | None = None,
    ) -> None:
        """Show how far the queue is, and a label: by default the next one."""
        review = review or _review(ctx)
        if review is None:
            ctx.panel.state.set({"queue": None, "label": None})
            return
        state, upcoming = review.take_next(ctx.panel.state.skipped or ())
        label = label or upcoming
        shown = {
            "queue": review.queue.name,
            "progress": progress(state) + ("" if label else _finished(state)),
            "said": said,
            "label": label.label_id if label else None,
        }
        if label is not None:
            card = card_of(ctx.dataset, label)
            picture = base64.b64encode(card.jpeg).decode()
            ctx.panel.set_data("picture", f"data:image/jpeg;base64,{picture}" if picture else "")
            shown |= {"title": card.title, "unseen": card.error}
        ctx.panel.state.set(shown)


def _review(ctx: Any) -> LabelReview | None:
    """The chosen queue, else the newest; None if there is none."""
    names = [queue.name for queue in label_queues(ctx.dataset)] if ctx.dataset else []
    if not names:
        return None
    if ctx.panel.state.queues != names:
        ctx.panel.state.queues = names
    chosen = ctx.panel.state.queue
    user = getattr(ctx.user, "name", None) or getattr(ctx.user, "email", None) or ""
    reviewer = (ctx.panel.state.reviewer or "").strip() or user
    return LabelReview(ctx.dataset, chosen if chosen in names else names[0], reviewer)


def _finished(state: QueueState) -> str:
    if not state.total:
        return ": this queue is empty"
    if state.pending:
        return f". Others are looking at the last {state.pending:,}"
    rejected = f"; closing the queue deletes {counted(state.rejected, 'rejected label')}"
    return f". Done{rejected if state.rejected else ''}"
