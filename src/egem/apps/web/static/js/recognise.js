// The view in which experts compete while a stroke grows.

import { $ } from "./dom.js";
import { api } from "./api.js";
import { keep, kept } from "./keep.js";
import { Imaginations } from "./imaginations.js";
import { Live } from "./live.js";
import { attempt, complain, say } from "./notice.js";
import { Pad, explainPen } from "./pad.js";
import { Ranking } from "./ranking.js";
import { isDrawing } from "./stroke.js";
import { listen, refresh, state } from "./store.js";
import { showVerdict, showWaiting, verdictWords } from "./verdict.js";

/** Set the view up; `offer(strokes)` takes drawings to the teaching view, `starts` fills an empty view. */
export function setUp({ offer, starts, recognised }) {
  const view = $("#recognise");
  const verdict = $("#verdict");
  const ranking = new Ranking($("#ranking"));
  const imaginations = new Imaginations();
  let turn = 0; // counts drawings, so that no answer is shown with another's ink

  const ready = () => state?.kind === "strokes" && state.classes.length > 0;
  const live = new Live(answered, complain, linked);
  const pad = new Pad($("#recognise-pad"), {
    label: "Draw what is to be recognised",
    begun,
    grown,
    complete,
    erased,
  });
  pad.paint = (...canvas) => imaginations.paint(...canvas);
  explainPen(view);

  function begun() {
    turn++;
    live.forget();
    imaginations.fade();
    if (ready()) showWaiting(verdict, state.classes);
  }

  function grown(stroke) {
    if (ready() && isDrawing(stroke)) live.ask(stroke.toJSON(), false, { turn });
  }

  function complete(stroke) {
    keep("last", stroke.toJSON());
    if (ready()) live.ask(stroke.toJSON(), true, { turn, fresh: true });
  }

  function answered(answer, about) {
    if (about.turn !== turn) return;
    const { done } = answer;
    imaginations.take(answer.ranking, done);
    pad.redraw();
    ranking.show(answer.ranking);
    showVerdict(verdict, answer, done, () => offer([pad.stroke.toJSON()]));
    if (!done) return;
    say(verdictWords(answer));
    if (about.fresh) recognised(answer);
  }

  function linked(there) {
    const banner = $("#connection");
    clearTimeout(linked.timer);
    if (there) {
      if (!banner.hidden) attempt(refresh);
      banner.hidden = true;
    } else
      linked.timer = setTimeout(() => {
        banner.hidden = false;
        banner.textContent = "The server does not answer. The page connects again by itself when it is back.";
      }, 800);
  }

  function erased() {
    turn++;
    live.forget();
    imaginations.clear();
    ranking.clear();
    keep("last", null);
    if (ready()) showWaiting(verdict, state.classes);
  }
  $("#recognise-clear").addEventListener("click", () => pad.erase());

  listen((now, before) => {
    if (!before) live.open();
    const empty = $("#recognise-empty");
    empty.hidden = ready();
    verdict.hidden = !ready();
    if (!ready()) {
      ranking.clear();
      empty.replaceChildren(...starts());
    }
    if (now.version === before?.version) return;
    if (!ready()) return imaginations.clear();
    showWaiting(verdict, now.classes);
    ranking.clear();
    const last = kept("last");
    if (last && !pad.stroke.length) pad.show(last);
    if (pad.settled) live.ask(pad.stroke.toJSON(), true, { turn });
  });
}
