// What says when to stop: how much people still change of each round, and what left-out cases tell.

const $ = id => document.getElementById(id);
const points = share => (100 * share).toFixed(1);
const WHOSE = {
  "left out": "left out in turn by networks that never saw them",
  validation: "the split's validation cases",
};

function cell(row, text, title = "") {
  const made = row.insertCell();
  made.textContent = text;
  made.title = title;
}

function range(low, high) {
  return low === null || high === null ? "" : ` (${(100 * low).toFixed(0)} to ${(100 * high).toFixed(0)})`;
}

export function tellQuality({ rounds, verdict, folds }) {
  const told = rounds.filter(each => each.accepted || each.estimate?.dice);
  $("rounds").hidden = !told.length;
  $("rounds").tBodies[0].replaceChildren(...told.map(each => {
    const row = document.createElement("tr"), { estimate, interval } = each;
    cell(row, each.round);
    cell(row, each.accepted);
    cell(row, each.dice === null ? "" : points(each.dice) + (interval ? range(...interval) : ""));
    const dice = estimate?.dice;
    cell(row, dice ? points(dice.mean) + range(dice.low, dice.high) : "",
      dice ? `${dice.cases} cases, ${WHOSE[estimate.how]}` : "");
    return row;
  }));
  $("verdict").textContent = verdict.sentence;
  $("verdict").classList.toggle("enough", verdict.enough);
  if (document.activeElement !== $("folds") && !$("folds").dataset.chosen) $("folds").value = folds;
}

// What a person has chosen stays until they learn with it.
export function listenToFolds() {
  $("folds").addEventListener("change", () => { $("folds").dataset.chosen = "1"; });
  $("learn").addEventListener("click", () => { delete $("folds").dataset.chosen; });
}
