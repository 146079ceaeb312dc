// Three cards for who sees the page for the first time; the project remembers that they were seen.

import { say } from "./asking.js";

const $ = id => document.getElementById(id);
const EMPTY = {
  title: "Outline a few first",
  text: "Nothing is outlined yet. N opens a scan; choose a structure with 1 to 9 and draw. "
    + "After a few accepted outlines Learn again makes the first masks of all others.",
};
const CARDS = [
  {
    title: "Look at the worst first",
    text: "The list has every scan, the outline that is likely the worst on top. N opens it, the "
      + "wheel goes through its slices, and X leads to what the model doubts most.",
  },
  {
    title: "Correct it, or accept it",
    text: "1 to 9 choose a structure to draw, E erases, Ctrl+Z takes back. Every stroke is saved. "
      + "A accepts, R rejects, S skips, and the next case opens. U takes that back.",
  },
  {
    title: "Learn again, until it is good enough",
    text: "Learn again trains on what you have accepted while you go on, and outlines the rest "
      + "anew; what you drew is never replaced. A sentence there says when to stop. ? shows all keys.",
  },
];

export class Tour {
  constructor() {
    this.at = 0;
    this.cards = CARDS;
    $("tour-back").addEventListener("click", () => this.#turn(-1));
    $("tour-next").addEventListener("click", () => this.#turn(1));
    $("tour-close").addEventListener("click", () => this.close());
    $("tour").addEventListener("keydown", event => {
      const act = {
        Escape: () => this.close(), ArrowLeft: () => this.#turn(-1), ArrowRight: () => this.#turn(1),
      }[event.key];
      if (!act) return;
      event.preventDefault();
      act();
    });
  }

  // To who has not seen it; while a case is open nothing is laid over it.
  first(project, open) {
    if (project.introduced || this.shown || open) return;
    this.show(project);
  }

  show(project) {
    const nothing = project && project.cases.every(each => each.status === "new");
    this.cards = nothing ? [EMPTY, ...CARDS.slice(1)] : CARDS;
    this.shown = true;
    this.at = 0;
    this.before = document.activeElement;
    $("tour").hidden = false;
    this.#tell();
  }

  #turn(by) {
    if (this.at + by >= this.cards.length) this.close();
    else {
      this.at = Math.max(0, this.at + by);
      this.#tell();
    }
  }

  #tell() {
    const { title, text } = this.cards[this.at], last = this.at === this.cards.length - 1;
    $("tour-title").textContent = title;
    $("tour-text").textContent = text;
    $("tour-at").textContent = `${this.at + 1} of ${this.cards.length}`;
    $("tour-back").disabled = !this.at;
    $("tour-next").textContent = last ? "Begin" : "Next";
    $("tour").focus();
  }

  // A case that opens takes its place, and it comes again the next time; who closes it has seen it.
  hide() { $("tour").hidden = true; }

  async close() {
    this.hide();
    if (this.before?.isConnected) this.before.focus();
    try {
      await say("POST", "api/introduced", {});
    } catch { /* it is shown once more, that is all */ }
  }
}
