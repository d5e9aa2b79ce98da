// The view for streams: the pen's, or a recording's, by the kind of the model.

import { $ } from "./dom.js";
import { api } from "./api.js";
import { dash } from "./colours.js";
import { EventList, eventSlot } from "./eventlist.js";
import { takeFiles } from "./files.js";
import { drawLine, drawTag, placeTags } from "./ink.js";
import { announce, attempt, showError } from "./notices.js";
import { Pad, explainPen } from "./pad.js";
import { PenStream } from "./penstream.js";
import { Run } from "./run.js";
import { listen, state } from "./state.js";
import { count, list } from "./text.js";

const MAX_INK = 4000; // points of the stream that stay on the pad
const FLASH = 600; // ms for which a new event glows

/** Set the view up; `starts` fills it without classes. */
export function setUp({ starts }) {
  const view = $("#stream");
  const events = new EventList();
  setUpPen(view, events, starts);
  setUpFile(events);
}

function setUpPen(view, events, starts) {
  let spans = []; // {event, slot, born}
  let ahead = null; // what is under way: {label, probability, line: how it would go on, slot}
  const stream = new PenStream({
    onready: (ready) => ($("#stream-status").textContent = ready ? "" : "Preparing the examples …"),
    onevents: (found) => {
      const born = performance.now();
      spans.push(...found.map((event) => ({ event, slot: eventSlot(event.label), born })));
      events.add(found);
      announce(list(found.map(({ label }) => label)));
      pad.redraw();
    },
    onunderway: (found) => {
      if (!found && !ahead) return;
      ahead = found && { ...found, line: { x: found.channels[0], y: found.channels[1], lifts: [] }, slot: eventSlot(found.label) };
      pad.redraw();
    },
    onerror: showError,
  });
  const pad = new Pad($("#stream-pad"), { label: "Draw a stream", onStart, onGrow, onFinish: () => stream.end(), onErase });
  explainPen(view);
  $("#stream-clear").addEventListener("click", () => pad.erase());
  const ready = () => state?.kind === "strokes" && state.classes.length > 0;

  function onStart() {
    begin();
    if (ready()) stream.begin();
  }

  function onGrow(stroke) {
    if (ready()) stream.add(stroke.x.at(-1), stroke.y.at(-1), stroke.t.at(-1));
    stroke.keep(MAX_INK);
  }

  function onErase() {
    stream.cancel();
    begin();
  }

  function begin() {
    spans = [];
    ahead = null;
    events.begin((event) => part(pad.stroke, event), "s", "Draw known symbols one after the other, with anything between.");
  }

  pad.paint = (context, scale, colours, now) => {
    const drawn = spans.map((span) => ({ ...span, ...range(pad.stroke.t, span.event) })).filter(({ to, from }) => to - from > 1);
    let glows = false;
    for (const { slot, from, to, born } of drawn) {
      const glow = Math.max(1 - (now - born) / FLASH, 0);
      glows ||= glow > 0;
      const colour = colours.experts[slot];
      if (glow) drawLine(context, pad.stroke, scale, { colour, width: 7 + 14 * glow, alpha: 0.35 }, from, to);
      drawLine(context, pad.stroke, scale, { colour, width: 6 }, from, to);
    }
    if (ahead) {
      const { line, slot, probability } = ahead;
      drawLine(context, line, scale, { colour: colours.experts[slot], width: 3.5, alpha: Math.max(probability, 0.3), dash: dash(slot) });
    }
    const tags = drawn.map(({ event, slot, from }) => ({
      text: event.label,
      slot,
      x: pad.stroke.x[from] * scale,
      y: pad.stroke.y[from] * scale - 18,
    }));
    if (ahead) {
      const { label, line, slot } = ahead;
      tags.push({ text: `${label}?`, slot, x: line.x.at(-1) * scale, y: line.y.at(-1) * scale });
    }
    for (const { text, slot, x, y } of placeTags(tags, context.canvas.clientWidth, context.canvas.clientHeight))
      drawTag(context, text, x, y, colours, colours.experts[slot]);
    return glows;
  };

  const visible = () => !view.hidden && ready();
  addEventListener("egem:view", () => (visible() ? stream.open() : stream.close()));
  listen((now, before) => {
    $("#stream-empty").hidden = now.classes.length > 0;
    $("#stream-all").hidden = now.classes.length === 0;
    if (!now.classes.length) $("#stream-empty").replaceChildren(...starts());
    if (now.version === before?.version) return;
    pad.clear();
    stream.cancel();
    if (ready()) begin();
    if (visible()) stream.open();
    else stream.close();
  });
}

function setUpFile(events) {
  let files = null;
  const kind = $("#stream-kind");
  const run = new Run((time) => events.until(time));
  const drop = $("#drop-stream");
  takeFiles(drop, { files: "stream-file", folder: "stream-folder" }, (taken) => {
    files = taken;
    spot();
  });
  kind.addEventListener("change", () => files && spot());

  function spot() {
    return attempt(async () => {
      drop.classList.add("busy");
      $("#spotting").hidden = false;
      try {
        const found = await api.spot(files, { kind: kind.value });
        const unit = found.step && found.step < 1 ? "s" : "";
        events.begin((event) => part(found, event), unit, "Nothing is found here.");
        events.add(found.events);
        run.show(found);
        announce(`${found.name}: ${count(found.events.length, "event")}`);
      } finally {
        drop.classList.remove("busy");
        $("#spotting").hidden = true;
      }
    });
  }

  listen((now, before) => {
    const series = now.kind === "series";
    $("#stream-pen").hidden = series;
    $("#stream-file-part").hidden = !series;
    $("#stream-all").classList.toggle("two", !series);
    $("#stream-lead").textContent = series
      ? "Let a recording run: the events in it are found and named while they happen."
      : "Draw without lifting the pen: symbols are found and named while you draw.";
    if (now.version === before?.version || !series) return;
    run.clear();
    events.begin(null, "", "Drop a recording in which things happen.");
    if (before) files = null;
  });
}

/** The part of a drawing or a recording that an event spans. */
function part(what, event) {
  if (what.series) {
    const { n_timepoints: n, channels } = what.series;
    const scale = (channels[0].length - 1) / ((n - 1) * (what.step ?? 1));
    const [from, to] = [Math.floor(event.start * scale), Math.ceil(event.end * scale) + 1];
    return { channels: channels.map((row) => row.slice(from, to)) };
  }
  const { from, to } = range(what.t, event);
  const lifts = what.lifts.map((i) => i - from).filter((i) => i > 0 && i < to - from);
  return { x: what.x.slice(from, to), y: what.y.slice(from, to), lifts };
}

/** Indices [from, to) of the times within an event. */
function range(t, { start, end }) {
  let from = t.findIndex((time) => time >= start - 1e-3);
  if (from < 0) from = t.length;
  const after = t.findIndex((time) => time > end + 1e-3);
  return { from, to: after < 0 ? t.length : after };
}
