// The pen's limits and the tools, as a person finds them: in the bar, and on keys.

import { made } from "./asking.js";
import { BETWEEN, EVERYWHERE, LIKE } from "./brush.js";
import * as tools from "./tools.js";

const $ = id => document.getElementById(id);
const WHERE = [EVERYWHERE, BETWEEN, LIKE];
const SHARE = 0.1; // of the window: how far "like where I click" reaches at first

export class Toolbox {
  constructor(viewer, said) {
    this.viewer = viewer;
    this.brush = viewer.brush;
    this.said = said;
    this.keys = {
      p: () => $("ball").click(), w: () => this.#next(), q: () => this.#lock(),
      "Shift+s": () => this.smooth(), "Shift+h": () => this.fillHoles(),
      "Shift+j": () => this.fillSlices(), "Shift+l": () => this.largest(),
      "Shift+c": () => this.swapPiece(), "Shift+x": () => this.swapAll(),
      ".": () => this.copyAbove(), ",": () => this.copyBelow(),
      i: () => this.between(), g: () => this.grow(),
    };
    this.#listen();
  }

  #listen() {
    for (const id of ["size", "unit", "ball"]) $(id).addEventListener("input", () => this.size());
    for (const id of ["where", "low", "high", "around"])
      $(id).addEventListener("input", () => this.#limit());
    for (const button of document.querySelectorAll("[data-tool]"))
      button.addEventListener("click", () => this[button.dataset.tool]());
    for (const menu of document.querySelectorAll(".menu")) {
      menu.addEventListener("keydown", event => {
        if (event.key !== "Escape") return;
        menu.open = false;
        menu.firstElementChild.focus();
      });
    }
  }

  size() {
    Object.assign(this.brush, {
      size: Number($("size").value), unit: $("unit").value, ball: $("ball").checked,
    });
    $("wide").textContent = $("size").value;
  }

  #next() {
    $("where").selectedIndex = (WHERE.indexOf($("where").value) + 1) % WHERE.length;
    this.#limit();
    this.said(`draws ${$("where").selectedOptions[0].textContent}`);
  }

  #limit() {
    const where = $("where").value, number = id => Number($(id).value);
    Object.assign(this.brush, {
      where, range: [number("low"), number("high")], around: number("around"),
    });
    $("between").hidden = where !== BETWEEN;
    $("like").hidden = where !== LIKE;
    this.#tell();
  }

  // What limits the pen, where the menu is closed.
  #tell() {
    const { where, locked } = this.brush, told = where === EVERYWHERE ? [] : [where];
    if (locked.size) told.push(`${locked.size} locked`);
    $("limited").textContent = told.length ? `(${told.join(", ")})` : "";
  }

  // A case is shown: its classes can be locked, its values drawn within.
  show(info) {
    this.info = info;
    const { low, high } = info.windows[0];
    if (info.id !== this.id) {
      $("low").value = low;
      $("high").value = high;
      $("around").value = Number(((high - low) * SHARE).toPrecision(3));
    }
    this.id = info.id;
    $("locks").replaceChildren($("locks").firstElementChild, ...info.values.slice(1).map((_, at) => {
      const label = document.createElement("label"), box = document.createElement("input");
      box.type = "checkbox";
      box.value = at + 1;
      box.checked = this.brush.locked.has(at + 1);
      box.addEventListener("change", () => this.#locked(at + 1, box.checked));
      label.append(box, ` ${this.#name(at + 1)}`);
      return label;
    }));
    this.#limit();
  }

  #name(number) {
    const value = this.info.values[number];
    return this.info.classes.find(each => each.value === value)?.name ?? `value ${value}`;
  }

  #locked(number, is) {
    if (is) this.brush.locked.add(number);
    else this.brush.locked.delete(number);
    this.said(`${this.#name(number)} is ${is ? "locked" : "not locked"}`);
    this.#tell();
  }

  #lock() {
    const number = this.#chosen();
    if (number) $("locks").querySelector(`input[value="${number}"]`).click();
  }

  // The number of the class that is chosen; of none, that is said.
  #chosen() {
    const { pen } = this.viewer;
    if (this.info && pen > 0 && pen < this.info.values.length) return pen;
    this.said("choose a class first");
    return null;
  }

  // Does something with the numbers of the drawing, as one stroke.
  #change(what, rule) {
    if (!this.viewer.change(rule)) this.said(`${what}: nothing to change`);
  }

  // A tool for the class that is chosen.
  #apply(tool, what, ...more) {
    const number = this.#chosen();
    if (number) this.#change(what, numbers => tool(numbers, this.info.shape, number, ...more));
  }

  smooth() { this.#apply(tools.smooth, "smooth", this.info?.spacing); }

  fillHoles() { this.#apply(tools.fillHoles, "fill holes"); }

  fillSlices() { this.#apply(tools.fillHoles, "fill holes", this.viewer.axis); }

  largest() { this.#apply(tools.keepLargest, "keep the largest piece"); }

  swapPiece() { this.#swap(false); }

  swapAll() { this.#swap(true); }

  // The eraser is a class here too: what lies at the crosshair is erased.
  #swap(all) {
    const { viewer, info } = this, to = viewer.pen === 0 ? 0 : this.#chosen();
    if (to === null) return;
    const { voxel } = viewer, [nx, ny] = info.shape;
    if (!viewer.numbers[voxel[0] + nx * (voxel[1] + ny * voxel[2])])
      return this.said("nothing is drawn at the crosshair");
    this.#change("swap", numbers => tools.swap(numbers, info.shape, voxel, to, all));
  }

  // Of the class that is chosen, or of all.
  between() {
    const { pen, axis } = this.viewer, chosen = pen > 0 && pen < this.info?.values.length;
    return this.#made("between", "interpolate", { axis, ...(chosen && { class: pen }) });
  }

  grow() { return this.#made("grown", "grow", { channel: $("channel").value || 0 }); }

  // The server makes something of the drawing. What is drawn meanwhile stays as it is drawn.
  async #made(tool, what, told) {
    const { viewer, info } = this, { layer } = viewer;
    if (!info) return;
    if (this.asked) return this.said(`${what}: another tool is at work; wait for it`);
    this.asked = true;
    this.said(`${what}: at work`);
    const sent = viewer.numbers.slice();
    try {
      const found = await made(
        info.id, tool, sent, info.shape, { values: info.values.join(","), ...told });
      if (viewer.info !== info) return; // another case is shown by now
      if (viewer.layer !== layer) return this.said(`${what}: another structure is drawn on by now`);
      this.#change(what, numbers => found.forEach((number, at) => {
        if (number !== sent[at] && numbers[at] === sent[at]) numbers[at] = number;
      }));
    } catch (fault) {
      this.said(`${what}: ${fault.message}`);
    } finally {
      this.asked = false;
    }
  }

  copyAbove() { this.#copy(1); }

  copyBelow() { this.#copy(-1); }

  #copy(by) {
    if (!this.info) return;
    const { axis, voxel } = this.viewer, from = voxel[axis] + by;
    if (from < 0 || from >= this.info.shape[axis]) return this.said("there is no such slice");
    this.#apply(tools.copySlice, "copy", axis, from, voxel[axis]);
  }
}
