// The view that opens an expert: its code space, what it was taught, heat, confusions.

import { $, el } from "./dom.js";
import { api } from "./api.js";
import { casesOf, pictures } from "./classes.js";
import { CodePad, boxOf } from "./codepad.js";
import { showConfusions } from "./confusion.js";
import { showHeat } from "./heat.js";
import { kept } from "./keep.js";
import { newest } from "./newest.js";
import { attempt } from "./notice.js";
import { picture } from "./picture.js";
import { listen, state } from "./store.js";

/** Set the view up. */
export function setUp({ starts }) {
  const select = $("#inside-class");
  let shown = null; // what of the model is shown: version, label and last drawing
  let box = null; // one scale for all that the expert imagines

  const imagine = newest(async (label, at) => {
    const { imagined } = await api.imagine(label, [at]);
    if (label !== select.value) return;
    $("#imagined").replaceChildren(
      picture(imagined[0], {
        box,
        title: `what ${label} imagines here`,
        wide: imagined[0].channels ? 1.6 : 1,
      }),
    );
    $("#imagined-words").textContent =
      `What ${label} imagines at ${at.map((value) => value.toFixed(2)).join(", ")}.`;
  });
  const pad = new CodePad($("#codes"), (at) => attempt(() => imagine(select.value, at)));
  const open = newest(openExpert);

  async function openExpert(label) {
    box = null;
    const [codes, cases] = await Promise.all([api.codes(label), casesOf(label, state.version)]);
    pad.show(codes);
    $("#taught").replaceChildren(...pictures(cases, `${label}, case`).map((one) => el("li", {}, one)));
    const { imagined } = await api.imagine(label, pad.places());
    box = boxOf(imagined);
    pad.draw(imagined, box);
    await imagine(label, pad.at);
  }

  async function showLast() {
    const last = kept("last");
    const host = $("#heat");
    if (!last || state.kind !== "strokes") {
      host.replaceChildren(
        el(
          "p",
          { class: "soft" },
          "Draw something under Recognise; here you see where it departs from what the winner imagined.",
        ),
      );
      return;
    }
    const verdict = await api.recognise(last);
    const near = await Promise.all(
      verdict.near.map(async ({ label, case: i }) => {
        const stroke = (await casesOf(label, state.version))[i];
        return { label, stroke };
      }),
    );
    showHeat(
      host,
      verdict,
      near.filter(({ stroke }) => stroke),
    );
  }

  async function renew() {
    if ($("#inside").hidden || !state) return;
    const labels = state.classes.map(({ label }) => label);
    const empty = labels.length === 0;
    $("#inside-all").hidden = empty;
    $("#inside-empty").hidden = !empty;
    if (empty) return $("#inside-empty").replaceChildren(...starts());
    const now = JSON.stringify([state.version, kept("last")?.t]);
    if (now === shown) return;
    shown = now;
    const chosen = labels.includes(select.value) ? select.value : labels[0];
    select.replaceChildren(...labels.map((label) => el("option", { value: label }, label)));
    select.value = chosen;
    attempt(() => open(chosen));
    attempt(showLast);
    attempt(async () =>
      showConfusions(
        $("#confused"),
        await api.confusions(),
        async (label, i) => (await casesOf(label, state.version))[i],
      ),
    );
  }

  select.addEventListener("change", () => attempt(() => open(select.value)));
  addEventListener("egem:view", renew);
  listen(renew);
}
