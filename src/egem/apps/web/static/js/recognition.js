// The view that classifies a stroke while it grows.

import { $ } from "./dom.js";
import { api } from "./api.js";
import { load, save } from "./storage.js";
import { Imaginations } from "./imaginations.js";
import { Live } from "./live.js";
import { attempt, showError, announce } from "./notices.js";
import { Pad, explainPen } from "./pad.js";
import { Ranking } from "./ranking.js";
import { isDrawing } from "./stroke.js";
import { listen, refresh, setState, state } from "./state.js";
import { showVerdict, showWaiting, verdictText } from "./verdict.js";

/** Set the view up; `offer(strokes)` passes drawings to training, `starts` fills an empty view. */
export function setUp({ offer, starts, onVerdict }) {
  const view = $("#recognise");
  const verdict = $("#verdict");
  const ranking = new Ranking($("#ranking"));
  const imaginations = new Imaginations();
  let turn = 0; // counts drawings, so that no answer is shown with another drawing

  const ready = () => state?.kind === "strokes" && state.classes.length > 0;
  const live = new Live(onAnswer, showError, onConnection);
  const pad = new Pad($("#recognise-pad"), {
    label: "Draw something to recognise",
    onStart,
    onGrow,
    onFinish,
    onErase,
  });
  pad.paint = (...canvas) => imaginations.paint(...canvas);
  explainPen(view);

  function onStart() {
    turn++;
    live.cancel();
    imaginations.fade();
    if (ready()) showWaiting(verdict, state.classes);
  }

  function onGrow(stroke) {
    if (ready() && isDrawing(stroke)) live.ask(stroke.toJSON(), false, { turn });
  }

  function onFinish(stroke) {
    save("last", stroke.toJSON());
    if (ready()) live.ask(stroke.toJSON(), true, { turn, fresh: true });
  }

  function onAnswer(answer, about) {
    if (about.turn !== turn) return;
    const { done } = answer;
    imaginations.update(answer.ranking, done);
    pad.redraw();
    ranking.show(answer.ranking);
    const stroke = pad.stroke.toJSON();
    showVerdict(verdict, answer, done, {
      train: () => offer([stroke]),
      teach: (label) => attempt(async () => setState(await api.train(label, [stroke]))),
    });
    if (!done) return;
    announce(verdictText(answer));
    if (about.fresh) onVerdict(answer);
  }

  function onConnection(connected) {
    const banner = $("#connection");
    clearTimeout(onConnection.timer);
    if (connected) {
      if (!banner.hidden) attempt(refresh);
      banner.hidden = true;
    } else
      onConnection.timer = setTimeout(() => {
        banner.hidden = false;
        banner.textContent = "The server does not answer. The page reconnects as soon as it is available.";
      }, 800);
  }

  function onErase() {
    turn++;
    live.cancel();
    imaginations.clear();
    ranking.clear();
    save("last", null);
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
    if (before?.busy && !now.busy && now.failure && pad.finished) live.ask(pad.stroke.toJSON(), true, { turn });
    if (now.version === before?.version) return;
    if (!ready()) return imaginations.clear();
    showWaiting(verdict, now.classes);
    ranking.clear();
    const last = load("last");
    if (last && !pad.stroke.length) pad.show(last);
    if (pad.finished) live.ask(pad.stroke.toJSON(), true, { turn });
  });
}
