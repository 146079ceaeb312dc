// Learning again: how far it is, its curve, and what rounds have brought.

import { get, say } from "./asking.js";
import { minutes } from "./list.js";

const $ = id => document.getElementById(id);
const SVG = "http://www.w3.org/2000/svg";

function sentence(now) {
  const round = `Round ${now.round}`;
  switch (now.stage) {
    case "none": return "Nothing was learnt yet. Accept some outlines, then learn from them.";
    case "waiting": return `${round} waits to begin.`;
    case "preparing": return now.steps ? `${round}: ${now.step} of ${now.steps} scans prepared.`
      : `${round} prepares the scans.`;
    case "training": {
      const left = now.left === null ? "" : `, some ${minutes(now.left)} left`;
      return `${round} learns from ${now.labelled} labels: step ${now.step} of ${now.steps}${left}.`;
    }
    case "measuring": return `${round} is measured by cases that it did not learn: ${now.step} of ${now.steps}.`;
    case "outlining": return `${round} outlines: ${now.outlined} of ${now.to_outline} scans.`;
    case "stopped": return now.to_outline
      ? `${round} was stopped after ${now.outlined} of ${now.to_outline} scans were outlined.`
      : `${round} was stopped after step ${now.step} of ${now.steps}.`;
    case "failed": return `${round} failed: ${now.message}`;
    default: return `${round} is done: ${now.outlined} new masks, learnt from ${now.labelled} labels.`;
  }
}

export class Learning {
  constructor(said, changed) {
    this.changed = changed;
    const ask = (method, content) => async () => {
      try {
        this.tell(await say(method, "api/learning", content));
        this.changed();
      } catch (fault) {
        said(fault.message);
      }
    };
    $("learn").addEventListener("click", () => ask("POST", { folds: Number($("folds").value) })());
    $("go-on").addEventListener("click", ask("POST", { go_on: true }));
    $("stop").addEventListener("click", ask("DELETE"));
  }

  get running() { return Boolean(this.now?.running); }

  async look() { this.tell(await get("api/learning")); }

  tell(now) {
    this.now = now;
    const faults = now.faults?.length ? ` ${now.faults.length} could not be outlined: ${now.faults[0]}` : "";
    $("stage").textContent = (now.stopping ? "Stopping after this step. " : "") + sentence(now) + faults;
    const [done, of] = now.stage === "outlining" ? [now.outlined, now.to_outline] : [now.step, now.steps];
    $("learnt").hidden = !now.running || !of;
    $("learnt").value = of ? done / of : 0;
    $("learn").disabled = now.running;
    $("go-on").hidden = now.running || !["stopped", "failed"].includes(now.stage);
    $("stop").hidden = !now.running;
    $("stop").disabled = Boolean(now.stopping);
    this.#draw(now.curve ?? []);
  }

  #draw(rows) {
    const points = rows.filter(row => row.total !== undefined);
    const curve = $("curve");
    curve.toggleAttribute("hidden", points.length < 2);
    if (points.length < 2) return;
    const losses = points.map(row => row.total), low = Math.min(...losses), high = Math.max(...losses);
    const last = points.at(-1).step, span = high - low || 1;
    const line = document.createElementNS(SVG, "polyline");
    line.setAttribute("points", points.map(row =>
      `${(280 * row.step / last).toFixed(1)},${(57 - 54 * (row.total - low) / span).toFixed(1)}`).join(" "));
    curve.replaceChildren(line);
    curve.setAttribute("aria-label",
      `Loss over ${last} steps: ${losses[0].toFixed(2)} at first, ${losses.at(-1).toFixed(2)} now`);
  }
}
