// The page: one list, one case, one hand on the keys.

import { get } from "./asking.js";
import { Case } from "./case.js";
import { Done } from "./done.js";
import { Learning } from "./learning.js";
import { List, score, word } from "./list.js";
import { listenToFolds, tellQuality } from "./quality.js";
import { Ring } from "./ring.js";
import { Toolbox } from "./toolbox.js";
import { Overlays } from "./overlays.js";
import { choosePen, showClasses } from "./pens.js";
import { nextPlace, nextSlice, placeOf } from "./spots.js";
import { Tour } from "./tour.js";
import { Viewer } from "./viewer.js";
import { Windows } from "./windows.js";

const $ = id => document.getElementById(id);
const SOON = 1500, LATER = 8000; // ms between looks at the project

const NARROW = matchMedia("(max-width: 700px)"); // as the style sheet has it

const said = text => { $("said").textContent = text; };

const viewer = new Viewer($("gl"), { drawn: () => open.drawn(), moved: place });
const open = new Case(viewer, {
  said,
  changed: line => { list.change(line); about(line); },
  conflict: why => banner(why, "Load it again", () => show(open.info.id)),
});
const toolbox = new Toolbox(viewer, said);
const done = new Done(viewer, said);
new Ring(viewer, $("ring"));
const list = new List(id => show(id));
const tour = new Tour();
const overlays = new Overlays(viewer, said);
const windows = new Windows(viewer, said);
const learning = new Learning(said, () => look());
const decided = []; // ids, the last one last

function banner(text, button, action) {
  $("banner").hidden = false;
  $("banner").firstElementChild.textContent = text;
  $("banner").lastElementChild.textContent = button;
  $("banner").lastElementChild.onclick = action; // which hides it
}

function place({ vox }) {
  const info = open.info ?? viewer.info;
  if (!info) return;
  $("place").textContent = placeOf(info, vox);
  done.tell();
}

function about(line) {
  if (line.id !== open.id) return;
  $("case").textContent = line.id;
  $("status").textContent = word(line.status);
  $("status").className = `chip ${line.status}`;
  $("status").hidden = false;
  $("score").textContent = score(line);
  $("flags").textContent = line.flags.join("; ");
  $("take-back").disabled = !line.undo && !decided.length;
  if (document.activeElement !== $("note")) $("note").value = line.note;
}

// One thing at a time: a key pressed twice must not decide the next case unseen, nor two cases mix.
let busy = false;
const alone = action => async (...told) => {
  if (busy) return;
  busy = true;
  try {
    await action(...told);
  } finally {
    busy = false;
  }
};
const show = alone(load);

async function load(id, channel = 0) {
  said(`opening ${id}`);
  document.body.dataset.ready = "";
  $("banner").hidden = true;
  try {
    const info = await open.open(id, channel);
    list.current = id;
    list.show();
    $("empty").hidden = true;
    tour.hide();
    showClasses(viewer, info);
    toolbox.show(info);
    done.show(info);
    channels(info, channel);
    windows.open(info);
    await overlays.open(info);
    about({ ...list.find(id), ...info });
    viewer.go(info.shape.map(side => side >> 1));
    said(info.origin === "nothing" ? "nothing is outlined yet: draw it" : "");
    if (info.can_outline)
      banner("Nothing is outlined yet.", "Outline it with the last model", outlineIt);
    for (const button of $("decide").querySelectorAll("button"))
      if (button.id !== "take-back") button.disabled = false;
    if (NARROW.matches) $("work").scrollIntoView(); // the list is below it
    document.body.dataset.ready = id;
  } catch (fault) {
    said(fault.message);
    document.body.dataset.ready = "error";
  }
}

function channels(info, channel) {
  $("channels").hidden = info.channels.length < 2;
  $("channel").replaceChildren(...info.channels.map((name, at) => new Option(name, at)));
  $("channel").value = channel;
}

const decide = alone(async what => {
  const { id } = open;
  if (!id || !await open.decide(what)) return;
  decided.push(id);
  const next = list.next();
  if (next) await load(next);
  said(`${id} ${word(what)}; U takes that back${next ? "" : "; nothing more is to do"}`);
});

const takeBack = alone(async () => {
  while (decided.length && !list.find(decided.at(-1))?.undo) decided.pop(); // taken back elsewhere
  const id = decided.at(-1) ?? open.id, line = id && list.find(id);
  if (!line || !await open.takeBack(line)) return; // it can be tried again
  decided.pop();
  await load(id);
  said(`${id} is as it was before`);
});

const outlineIt = alone(async () => {
  const { id } = open;
  $("banner").hidden = true;
  said(`outlining ${id}; that takes a while`);
  if (await open.outline()) await load(id);
});

const next = alone(async by => {
  const id = list.next(by);
  if (id) await load(id);
  else said("nothing more is to do");
});

function lookAt(where) {
  if (open.id) said(where(open));
}

function history(move) {
  if (!viewer[move]()) said(`nothing to ${move}`);
}

const KEYS = {
  n: () => next(1), b: () => next(-1), a: () => decide("accepted"), r: () => decide("rejected"),
  s: () => decide("skipped"), u: takeBack, x: () => lookAt(nextPlace), c: () => lookAt(nextSlice),
  y: () => windows.next(), e: () => choosePen(viewer, 0), d: () => choosePen(viewer, null),
  f: () => { $("fill").click(); }, o: () => { $("outline").click(); },
  0: () => choosePen(viewer, open.info?.values.length ?? null), "[": () => size(-2), "]": () => size(2),
  "/": () => $("search").focus(),
  "?": help, v: nextView, h: () => step(0, -1), l: () => step(0, 1),
  j: () => step(1, -1), k: () => step(1, 1), PageUp: () => step(2, 1), PageDown: () => step(2, -1),
  ...overlays.keys,
  ...toolbox.keys,
  ...done.keys,
};
const WITH_CTRL = {
  z: event => history(event.shiftKey ? "redo" : "undo"), y: () => history("redo"),
  s: () => open.drawn(),
};

function step(axis, by) {
  if (open.id) viewer.step(axis, by);
}

function help() {
  $("card").showModal();
  $("card").scrollTop = 0; // not where its button is
}

function nextView() {
  const views = $("view");
  views.selectedIndex = (views.selectedIndex + 1) % views.length;
  viewer.view(Number(views.value));
}

function size(by) {
  $("size").value = Number($("size").value) + by;
  toolbox.size();
}

function hide(hidden) {
  viewer.hidden = hidden;
  viewer.look();
}

function keys(event) {
  const writing = event.target.matches("input[type=text], input[type=search], input[type=number], select");
  if (event.key === "Escape" && writing) event.target.blur();
  if (writing || $("card").open || event.altKey) return;
  const ctrl = event.ctrlKey || event.metaKey;
  const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
  const shifted = event.shiftKey && !ctrl && KEYS[`Shift+${key}`];
  const act = shifted || (ctrl ? WITH_CTRL[key] : KEYS[key]);
  if (act) {
    event.preventDefault();
    act(event);
  } else if (!ctrl && /^[1-9]$/.test(key)) {
    choosePen(viewer, Number(key));
  } else if (key === " " && !event.target.matches("button, input, a")) {
    event.preventDefault();
    hide(true);
  }
}

function listen() {
  listenToFolds();
  document.addEventListener("keydown", keys);
  document.addEventListener("keyup", event => { if (event.key === " ") hide(false); });
  const click = (id, action) => $(id).addEventListener("click", action);
  click("accept", () => decide("accepted"));
  click("reject", () => decide("rejected"));
  click("skip", () => decide("skipped"));
  click("take-back", takeBack);
  click("next", () => next(1));
  click("doubtful", () => lookAt(nextPlace));
  click("check", () => lookAt(nextSlice));
  click("undo", () => history("undo"));
  click("redo", () => history("redo"));
  click("save", WITH_CTRL.s);
  click("help", help);
  click("tour-again", () => {
    $("card").close();
    tour.show();
  });
  $("fill").addEventListener("change", () => viewer.take(viewer.pen, $("fill").checked));
  $("view").addEventListener("change", () => viewer.view(Number($("view").value)));
  $("channel").addEventListener("change", () => show(open.id, Number($("channel").value)));
  $("note").addEventListener("change", () => open.note($("note").value));
  $("outline").addEventListener("change", () => {
    viewer.outlined = $("outline").checked;
    viewer.look();
  });
  $("others").addEventListener("change", () => {
    viewer.others = $("others").checked;
    viewer.look();
  });
  $("opacity").addEventListener("input", () => {
    viewer.opacity = $("opacity").value / 100;
    viewer.look();
  });
  window.addEventListener("beforeunload", event => { if (open.dirty) event.preventDefault(); });
}

let timer;
// Looks at the project now and then; masks appear in the list while a round outlines.
async function look() {
  clearTimeout(timer);
  try {
    const project = await get("api/project");
    list.tell(project);
    learning.tell(project.learning);
    tellQuality(project);
    tour.first(project, open.id);
    const line = list.find(open.id);
    const newer = line && ["mask", "nothing", "draft"].includes(open.info.origin) && !open.dirty
      && line.round !== null && line.round !== open.info.base;
    if (newer) banner(`Round ${line.round} has outlined ${line.id}.`, "Show it", () => show(line.id));
  } catch (fault) {
    said(fault.message);
  }
  timer = setTimeout(look, learning.running ? SOON : LATER);
}

listen();
globalThis.review = { viewer, open, list, show, look }; // for tests
await look();
document.body.dataset.listed = "1";
const asked = new URLSearchParams(location.search).get("case");
if (asked) await show(asked);
