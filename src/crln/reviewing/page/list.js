// The list of cases, worst first, and how far the whole is.

import { ofCase } from "./asking.js";

export const WAITING = ["new", "outlined", "correcting"];
const WORDS = {
  new: "new", outlined: "outlined", correcting: "being corrected", accepted: "accepted",
  rejected: "rejected", skipped: "skipped",
};
const percent = share => `${(100 * share).toFixed(0)} %`;

export const word = status => WORDS[status];

// What is being corrected is finished first; then masks with something odd; then the worst; what has
// none comes last. As `worst_first` has it.
function worst(one, other) {
  const stage = { correcting: 0, outlined: 1, rejected: 2, new: 3, skipped: 4, accepted: 5 };
  const rank = each => each.score ?? each.rank ?? 2;
  const odd = each => Number(each.flags.length > 0);
  return stage[one.status] - stage[other.status] || odd(other) - odd(one)
    || rank(one) - rank(other)
    || one.id.localeCompare(other.id, undefined, { numeric: true });
}

export function score(each) {
  if (each.score === null) return "";
  const range = each.low === null ? "" : ` (${percent(each.low)} to ${percent(each.high)})`;
  return `likely Dice ${percent(each.score)}${range}`;
}

export function volume(each) {
  return Object.entries(each.volume_ml)
    .map(([name, ml]) => `${name} ${ml < 10 ? ml.toFixed(2) : ml.toFixed(0)} ml`).join(", ");
}

export function minutes(seconds) {
  if (seconds < 90) return `${Math.round(seconds)} s`;
  const whole = Math.round(seconds / 60);
  return whole < 90 ? `${whole} min` : `${(whole / 60).toFixed(1)} h`;
}

export class List {
  constructor(opened) {
    this.opened = opened;
    this.cases = [];
    this.lines = new Map(); // id to what its line said, and the line
    this.current = null;
    this.place = document.getElementById("list");
    this.search = document.getElementById("search");
    this.filter = document.getElementById("filter");
    this.search.addEventListener("input", () => this.show());
    this.filter.addEventListener("change", () => this.show());
  }

  tell(project) {
    this.cases = project.cases.toSorted(worst);
    document.getElementById("name").textContent = project.name;
    document.title = `${project.name} - crln review`;
    const count = status => project.counts[status] ?? 0;
    const total = this.cases.length, waiting = WAITING.reduce((sum, s) => sum + count(s), 0);
    const told = Object.keys(WORDS).filter(count).map(s => `${count(s)} ${WORDS[s]}`);
    document.getElementById("counts").textContent = `${total} scans: ${told.join(", ")}`;
    document.getElementById("finished").value = total ? (total - waiting) / total : 0;
    const { seconds, left } = project.pace;
    document.getElementById("pace").textContent = seconds === null ? ""
      : `${minutes(seconds)} a case; at that pace ${minutes(left)} are left`;
    this.show();
  }

  find(id) { return this.cases.find(each => each.id === id); }

  // Puts one line in place after a decision, before the whole list is asked for again.
  change(line) {
    this.cases = this.cases
      .map(each => (each.id === line.id ? { ...line, kept_for: each.kept_for } : each))
      .toSorted(worst);
    this.show();
  }

  get shown() {
    const wanted = this.filter.value, text = this.search.value.trim().toLowerCase();
    return this.cases.filter(each =>
      (wanted === "all" || each.status === wanted
        || (wanted === "odd" && each.flags.length) || (wanted === "noted" && each.note)
        || (wanted === "waiting" && (WAITING.includes(each.status) || each.id === this.current)))
      && (!text || `${each.id} ${each.note} ${each.flags.join(" ")}`.toLowerCase().includes(text)));
  }

  // The next case to do after the one that is open, or the one before it.
  next(by = 1) {
    const open = this.shown.filter(each => WAITING.includes(each.status) || each.id === this.current);
    const at = open.findIndex(each => each.id === this.current);
    const others = open.filter(each => each.id !== this.current);
    if (!others.length) return null;
    if (at < 0) return others[0].id;
    return open[(at + by + open.length) % open.length].id;
  }

  // Lines that say what they said stay as they are, pictures and all: the list is told often.
  show() {
    const focused = document.activeElement?.closest?.("#list") ? document.activeElement.dataset.id : null;
    const shown = this.shown, lines = shown.map(each => this.#line(each));
    const same = lines.length === this.place.children.length
      && lines.every((line, at) => line === this.place.children[at]);
    if (!same) this.place.replaceChildren(...lines);
    document.getElementById("none").hidden = lines.length > 0;
    if (focused && document.activeElement?.dataset.id !== focused)
      this.place.querySelector(`[data-id="${CSS.escape(focused)}"]`)?.focus();
  }

  #line(each) {
    const open = each.id === this.current, told = JSON.stringify([each, open]);
    const before = this.lines.get(each.id);
    if (before?.told === told) return before.item;
    const item = this.#made(each, open, before);
    this.lines.set(each.id, { told, item });
    return item;
  }

  #made(each, open, before) {
    const item = document.createElement("li"), button = document.createElement("button");
    button.dataset.id = each.id;
    if (open) button.setAttribute("aria-current", "true");
    const part = (name, text) => {
      const span = document.createElement("span");
      span.className = name;
      span.textContent = text;
      return span;
    };
    const flags = each.flags.join("; ");
    button.append(this.#picture(each, before), part("id", each.id),
      part(`chip ${each.status}`, WORDS[each.status]));
    const more = [
      each.kept_for && `kept for ${each.kept_for}`,
      each.slices && `only ${each.slices} slice${each.slices === 1 ? "" : "s"} done`,
      score(each), volume(each), each.note,
    ].filter(Boolean).join(" · ");
    if (more) button.append(part("more", more));
    if (flags) button.append(part("more odd", flags));
    button.addEventListener("click", () => this.opened(each.id));
    item.append(button);
    return item;
  }

  // The browser asks for a picture once it is near what is seen, and keeps it.
  #picture(each, before) {
    const address = `${ofCase(each.id, "small.png")}?of=${encodeURIComponent(each.picture)}`;
    const old = before?.item.querySelector("img");
    if (old?.getAttribute("src") === address) return old;
    const picture = document.createElement("img");
    picture.loading = "lazy";
    picture.alt = "";
    picture.src = address;
    return picture;
  }
}
