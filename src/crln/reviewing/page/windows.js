// Which values of the scan are black and white: presets, by menu and by key.

const menu = document.getElementById("window");

export class Windows {
  constructor(viewer, said) {
    this.viewer = viewer;
    this.said = said;
    this.name = "";
    menu.addEventListener("change", () => this.#take(menu.selectedIndex));
  }

  // Offers those of a scan; the one that was chosen by hand before is taken again.
  open(info) {
    this.windows = info.windows;
    menu.parentElement.hidden = false;
    menu.replaceChildren(...info.windows.map(({ name }) => new Option(name)));
    const before = info.windows.findIndex(({ name }) => name === this.name);
    menu.selectedIndex = Math.max(0, before);
    if (before > 0) this.#take(before);
  }

  next() {
    if (!this.windows) return;
    this.#take((menu.selectedIndex + 1) % this.windows.length);
    this.said(`window: ${this.name}`);
  }

  #take(at) {
    const { name, low, high } = this.windows[at];
    menu.selectedIndex = at;
    this.name = name;
    this.viewer.window(low, high);
  }
}
