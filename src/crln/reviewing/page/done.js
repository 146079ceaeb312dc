// Slices that a person is done with. Where there are any, only they are accepted, and learnt from.

import { PLANES } from "./spots.js";

const $ = id => document.getElementById(id);

export class Done {
  constructor(viewer, said) {
    this.viewer = viewer;
    this.said = said;
    this.keys = { t: () => this.toggle() };
    $("done").addEventListener("click", () => this.toggle());
    $("undone").addEventListener("click", () => this.clear());
  }

  // A case is shown.
  show(info) {
    this.viewer.done = info.done;
    this.tell();
  }

  toggle() {
    const { viewer } = this, { done, axis } = viewer;
    if (!viewer.strokes) return;
    if (done.at.length && done.axis !== axis)
      return this.said(`${PLANES[done.axis]} slices are done; look at that plane, or choose all`);
    const slice = viewer.voxel[axis], others = done.at.filter(each => each !== slice);
    this.#become({
      axis, at: others.length < done.at.length ? others : [...others, slice].sort((a, b) => a - b),
    });
  }

  clear() { if (this.viewer.strokes) this.#become({ axis: null, at: [] }); }

  // One step to undo, saved as a stroke is.
  #become(after) {
    const { viewer } = this, before = viewer.done;
    const set = done => () => { viewer.done = done; this.tell(); };
    viewer.strokes.step(set(before), set(after));
    set(after)();
    viewer.drawn();
  }

  // What is done, and whether the slice that is looked at is.
  tell() {
    const { done: { axis, at } = { at: [] }, strokes } = this.viewer;
    const here = strokes && axis === this.viewer.axis && at.includes(this.viewer.voxel[axis]);
    $("done").setAttribute("aria-pressed", String(Boolean(here)));
    $("undone").hidden = !at.length;
    const slices = `${at.length} ${PLANES[axis]} slice${at.length === 1 ? "" : "s"}`;
    $("accept").firstChild.data = at.length ? `Accept ${slices} ` : "Accept ";
    $("slices").hidden = !at.length;
    if (at.length) $("slices").textContent = `Done: ${PLANES[axis]} ${at.join(", ")}; only they count.`;
  }
}
