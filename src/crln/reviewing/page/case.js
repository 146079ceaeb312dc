// The case that is open: shown, drawn on, saved after every stroke, decided.

import { Asked, get, ofCase, say, send } from "./asking.js";

const IDLE = 30_000; // ms without a hand on it: nobody works on the case

export class Case {
  constructor(viewer, { said, changed, conflict }) {
    this.viewer = viewer;
    this.said = said;
    this.changed = changed; // told the case's line after every change
    this.conflict = conflict;
    this.id = null;
    this.turn = Promise.resolve();
    this.unsaved = new Set(); // layers that were drawn on; where structures exclude each other, null
    this.touched = performance.now();
    this.spent = 0;
    for (const kind of ["pointermove", "pointerdown", "keydown", "wheel"])
      document.addEventListener(kind, () => this.#touch(), { passive: true });
  }

  #touch() {
    const now = performance.now();
    this.spent += Math.min(now - this.touched, IDLE);
    this.touched = now;
  }

  #seconds() {
    const whole = Math.floor(this.spent / 1000);
    this.spent -= 1000 * whole;
    return whole;
  }

  async open(id, channel = 0) {
    await this.flush();
    const info = await get(`${ofCase(id)}?channel=${channel}`);
    if (id !== this.id) this.spent = 0;
    this.touched = performance.now();
    this.id = null; // nothing is saved while another case is loaded
    const seen = `version=${info.version}&round=${info.base ?? ""}`; // no other than was told of
    await this.viewer.show(
      info, `${ofCase(id, "scan.nii")}?channel=${channel}`,
      structure => `${ofCase(id, "outline.nii.gz")}?${seen}&structure=${structure ?? ""}`,
    );
    this.id = id;
    this.info = info;
    this.version = info.version;
    this.unsaved.clear();
    this.stale = false;
    this.looked = null;
    return info;
  }

  // What is said of the case goes in turn: each names the version that the one before has left.
  #inTurn(action) {
    const done = this.turn.then(action);
    this.turn = done.catch(() => {});
    return done;
  }

  // After every stroke. While one drawing is on its way, later strokes wait and go together.
  drawn() {
    if (!this.id) return;
    this.unsaved.add(this.viewer.layer);
    this.said("saving");
    this.save();
  }

  get dirty() { return this.unsaved.size > 0; }

  save() { return this.#inTurn(() => this.#send()); }

  async #send() {
    while (this.dirty && this.id && !this.stale) {
      const [layer] = this.unsaved, { id, version, info } = this, seconds = this.#seconds();
      this.unsaved.delete(layer);
      try {
        const line = await send(id, this.viewer.kept(layer), {
          values: info.values, shape: info.shape, version, round: info.base, seconds,
          done: this.viewer.done, layer,
        });
        this.version = line.version;
        this.info.origin = "drawing";
        this.said(this.dirty ? "saving" : "saved");
        this.changed(line);
      } catch (fault) {
        this.unsaved.add(layer);
        return this.#failed(fault, "NOT SAVED: ");
      }
    }
  }

  #failed(fault, what = "", id = this.id) {
    if (fault instanceof Asked && fault.status === 412 && id === this.id) {
      this.stale = true;
      this.conflict(fault.message);
    }
    this.said(what + fault.message);
  }

  flush() { return this.#inTurn(() => this.#flushed()); }

  async #flushed() {
    await this.#send();
    if (this.dirty && !this.stale) throw new Error("the drawing is not saved; mend that first");
  }

  // Says something of a case once the drawing in hand is saved; whether it was done.
  async #say(id, method, what, content, version = () => this.version) {
    if (!id) return false;
    return this.#inTurn(async () => {
      try {
        await this.#flushed();
        const line = await say(method, ofCase(id, what), content(), version());
        if (id === this.id) this.version = line.version;
        this.changed(line);
        return true;
      } catch (fault) {
        this.#failed(fault, "", id);
        return false;
      }
    });
  }

  // Accepts, rejects or skips.
  decide(what) {
    return this.#say(this.id, "POST", "decision", () => ({
      what, seconds: this.#seconds(),
      ...(this.info.origin === "mask" && { round: this.info.base }),
    }));
  }

  // The last decision on a case; of another than the open one the list knows a version.
  takeBack({ id, version }) {
    return this.#say(
      id, "POST", "undo", () => ({}), () => (id === this.id ? this.version : version));
  }

  // Has the last model outline it.
  outline() { return this.#say(this.id, "POST", "outline", () => ({})); }

  async note(text) {
    if (await this.#say(this.id, "PUT", "note", () => ({ note: text }))) this.said("note saved");
  }
}
