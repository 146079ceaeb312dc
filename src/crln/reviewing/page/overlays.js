// What lies over the scan besides its outline: what the model can tell of each voxel.

import { ofCase } from "./asking.js";

const KINDS = {
  uncertainty: { name: "uncertain", key: "U", colormap: "hot", least: 34,
    why: "Where the probabilities are undecided" },
  disagreement: { name: "networks disagree", key: "D", colormap: "blue2cyan", least: 17,
    why: "Where the networks of this round decide otherwise" },
  rectified: { name: "changed by M", key: "M", colormap: "green", least: 68,
    why: "Where the relation map has changed the decision of the network" },
};
const place = document.getElementById("overlays");

export class Overlays {
  constructor(viewer, said) {
    this.viewer = viewer;
    this.said = said;
    this.wanted = new Set(); // stays from case to case
    this.boxes = {};
    this.keys = Object.fromEntries(Object.entries(KINDS)
      .map(([kind, { key }]) => [`Shift+${key.toLowerCase()}`, () => this.#press(kind)]));
  }

  // Offers those that a case has, and shows those that are wanted.
  async open(info) {
    this.info = info;
    this.boxes = {};
    place.hidden = !info.overlays.length;
    place.replaceChildren(...info.overlays.map(kind => this.#toggle(kind)));
    for (const kind of info.overlays) if (this.wanted.has(kind)) await this.#show(kind);
  }

  #toggle(kind) {
    const { name, key, why } = KINDS[kind];
    const label = document.createElement("label"), box = document.createElement("input");
    const pressed = document.createElement("kbd");
    box.type = "checkbox";
    box.checked = this.wanted.has(kind);
    box.addEventListener("change", () => this.#changed(kind, box.checked));
    label.title = why;
    pressed.textContent = `Shift+${key}`;
    label.append(box, ` ${name} `, pressed);
    this.boxes[kind] = box;
    return label;
  }

  #press(kind) {
    if (this.boxes[kind]) this.boxes[kind].click();
    else this.said(`${KINDS[kind].name}: not known of this mask`);
  }

  async #changed(kind, on) {
    this.wanted[on ? "add" : "delete"](kind);
    try {
      await this.#show(kind);
      this.said(on ? KINDS[kind].why : "");
    } catch (fault) {
      this.said(fault.message);
    }
  }

  async #show(kind) {
    const { id, round } = this.info, { colormap, least } = KINDS[kind];
    const address = `${ofCase(id, "overlay.nii.gz")}?kind=${kind}&round=${round}`;
    await this.viewer.overlay(kind, this.wanted.has(kind) ? address : null, colormap, least);
  }
}
