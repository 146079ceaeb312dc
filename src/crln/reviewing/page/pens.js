// What can be drawn: a button for each class, the eraser, and looking only.

const $ = id => document.getElementById(id);

// The buttons of a case.
export function showClasses(viewer, info) {
  viewer.turned = tellLayer;
  $("others").parentElement.hidden = info.layers.length < 2;
  const kinds = info.values.map((value, number) => ({
    number, ...(info.classes.find(each => each.value === value) ?? { name: `value ${value}` }),
  }));
  kinds[0] = { number: 0, name: "erase", key: "E" };
  const seed = { number: kinds.length, name: "not this", key: "0", colour: "#f0f0f0" };
  const mark = kinds.length < 256 ? [seed] : [];
  const offered = [
    ...kinds.slice(1), kinds[0], ...mark, { number: null, name: "look", key: "D" },
  ];
  $("classes").replaceChildren(...offered.map(each => {
    const label = document.createElement("label"), radio = document.createElement("input");
    radio.type = "radio";
    radio.name = "pen";
    radio.value = each.number ?? "";
    radio.checked = each.number === viewer.pen;
    radio.addEventListener("change", () => viewer.take(each.number, $("fill").checked));
    label.append(radio);
    if (each.colour) {
      const swatch = document.createElement("span");
      swatch.className = "swatch";
      swatch.style.backgroundColor = each.colour;
      label.append(swatch);
    }
    const key = document.createElement("kbd");
    key.textContent = each.key ?? each.number;
    label.append(` ${each.name} `, ...(each.key || each.number < 10 ? [key] : []));
    return label;
  }));
  tellLayer(viewer.layer);
}

// Which structure is drawn on, where they overlap: the eraser and "unknown" are of it, too.
function tellLayer(layer) {
  for (const radio of document.getElementsByName("pen"))
    radio.parentElement.classList.toggle("layer", layer !== null && radio.value === String(layer));
  $("classes").title = layer === null ? ""
    : "What is underlined is drawn on; the other structures are shown with it";
}

// Takes the pen of a number, or none to look only; a number that the case lacks changes nothing.
export function choosePen(viewer, number) {
  const radio = [...document.getElementsByName("pen")]
    .find(each => each.value === (number === null ? "" : String(number)));
  if (!radio) return;
  radio.checked = true;
  viewer.take(number, $("fill").checked);
}
