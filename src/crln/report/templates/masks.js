// Which scans are shown, in which order; keys to go through them.
(() => {
  "use strict";
  const field = (id) => document.getElementById(id);
  const list = field("cases");
  const cards = [...list.children].map((card, place) => ({
    card,
    place,
    name: card.dataset.name,
    flags: Number(card.dataset.flags),
    figures: JSON.parse(card.dataset.figures),
    text: `${card.dataset.name} ${[...card.querySelectorAll(".flags li")].map((li) => li.textContent).join(" ")}`.toLowerCase(),
  }));

  // Of the chosen structure, or over all of them: [volume, likely Dice in per cent]; null: unknown.
  function figure(each, structure, which) {
    const all = Object.entries(each.figures);
    const values = all
      .filter(([name]) => !structure || name === structure)
      .map(([, figures]) => figures[which])
      .filter((value) => value !== null);
    if (!values.length) return null;
    return which ? Math.min(...values) : values.reduce((a, b) => a + b, 0);
  }

  function kept(each, find, which, structure) {
    if (find && !each.text.includes(find)) return false;
    if (which === "flagged") return each.flags > 0;
    if (which === "clean") return each.flags === 0;
    if (which === "all") return true;
    const dice = figure(each, structure, 1);
    return dice !== null && dice < Number(which);
  }

  function sorted(order, structure) {
    const by = (key, sign) => (a, b) => {
      const [one, other] = [key(a), key(b)];
      if (one === null || other === null) return (one === null) - (other === null) || a.place - b.place;
      return sign * (one - other) || a.place - b.place;
    };
    const volume = (each) => figure(each, structure, 0);
    const dice = (each) => figure(each, structure, 1);
    const rated = structure && cards.some((each) => dice(each) !== null);
    const place = (each) => (rated ? dice(each) : each.place);
    const ways = {
      worst: by(place, 1),
      best: by(place, -1),
      large: by(volume, -1),
      small: by(volume, 1),
      name: (a, b) => a.name.localeCompare(b.name, undefined, { numeric: true }),
    };
    return [...cards].sort(ways[order]);
  }

  function arrange() {
    const [which, structure, order] = ["which", "structure", "order"].map((id) => field(id).value);
    const find = field("find").value.trim().toLowerCase();
    let count = 0;
    for (const each of sorted(order, structure)) {
      const keep = kept(each, find, which, structure);
      each.card.hidden = !keep;
      count += keep;
      list.append(each.card);
      for (const row of each.card.querySelectorAll("tr[data-structure]")) {
        row.classList.toggle("chosen", row.dataset.structure === structure);
      }
    }
    const noun = cards.length === 1 ? "scan" : "scans";
    field("count").textContent =
      count === cards.length ? `${count} ${noun}` : `${count} of ${cards.length} ${noun}`;
    crlnViewers.show({ only: structure });
  }

  function go(step) {
    const seen = [...list.children].filter((card) => !card.hidden);
    const top = field("find").closest("form").getBoundingClientRect().bottom + 40;
    let here = seen.findIndex((card) => card.contains(document.activeElement));
    if (here < 0) here = seen.findIndex((card) => card.getBoundingClientRect().bottom > top) - (step > 0);
    const card = seen[Math.min(Math.max(here + step, 0), seen.length - 1)];
    if (!card) return;
    card.scrollIntoView({ block: "start" });
    (card.querySelector("input") || card).focus({ preventScroll: true });
  }

  function show() {
    crlnViewers.show({ outlines: field("outlines").checked });
  }

  for (const id of ["find", "which", "structure", "order"]) field(id).addEventListener("input", arrange);
  field("outlines").addEventListener("input", show);
  field("find").closest("form").addEventListener("submit", (event) => event.preventDefault());
  document.addEventListener("keydown", (event) => {
    const typing = event.target.closest("input[type=search], select");
    if (typing || event.ctrlKey || event.metaKey || event.altKey) return;
    const key = event.key.toLowerCase();
    if (key === "j") go(1);
    else if (key === "k") go(-1);
    else if (key === "o") {
      field("outlines").checked = !field("outlines").checked;
      show();
    } else return;
    event.preventDefault();
  });
})();
