// Slices of a scan with its outlines, on a canvas: drawn when they come into sight.
const crlnViewers = (() => {
  "use strict";
  const viewers = new Map();
  const shown = { outlines: true, only: "" };

  function picture(address) {
    const image = new Image();
    image.src = address;
    return image.decode().then(() => image);
  }

  function pixels(image, data) {
    const canvas = document.createElement("canvas");
    canvas.width = image.naturalWidth;
    canvas.height = image.naturalHeight;
    const context = canvas.getContext("2d", { willReadFrequently: true });
    context.drawImage(image, 0, 0);
    const { data: colours } = context.getImageData(0, 0, canvas.width, canvas.height);
    const values = new Uint8Array(canvas.width * canvas.height);
    for (let i = 0; i < values.length; i++) values[i] = colours[4 * i];
    return values;
  }

  // The rim of what is inside, as loops of corners: [[x, y], ...], each loop closed.
  function trace(inside, columns, rows) {
    const next = new Map();
    const at = (x, y) => x >= 0 && y >= 0 && x < columns && y < rows && inside[y * columns + x];
    const corner = (x, y) => y * (columns + 1) + x;
    const side = (from, to) => {
      if (next.has(from)) next.get(from).push(to);
      else next.set(from, [to]);
    };
    for (let y = 0; y < rows; y++) {
      for (let x = 0; x < columns; x++) {
        if (!at(x, y)) continue;
        if (!at(x, y - 1)) side(corner(x, y), corner(x + 1, y));
        if (!at(x + 1, y)) side(corner(x + 1, y), corner(x + 1, y + 1));
        if (!at(x, y + 1)) side(corner(x + 1, y + 1), corner(x, y + 1));
        if (!at(x - 1, y)) side(corner(x, y + 1), corner(x, y));
      }
    }
    const loops = [];
    for (const [start, ends] of next) {
      while (ends.length) {
        const loop = [];
        let here = start;
        do {
          loop.push([here % (columns + 1), Math.floor(here / (columns + 1))]);
          here = next.get(here).pop();
        } while (here !== start);
        loops.push(smooth(loop));
      }
    }
    return loops;
  }

  // A voxel's steps taken off: each corner moves half way to its neighbours' middle.
  function smooth(loop) {
    const last = loop.length - 1;
    return loop.map(([x, y], i) => {
      const [before, after] = [loop[i ? i - 1 : last], loop[i < last ? i + 1 : 0]];
      return [(2 * x + before[0] + after[0]) / 4, (2 * y + before[1] + after[1]) / 4];
    });
  }

  // Through the middle of every side, with the corners between them to bend towards.
  function rounded(loops, across, down) {
    const path = new Path2D();
    for (const loop of loops) {
      loop.forEach(([x, y], i) => {
        const [nextX, nextY] = loop[(i + 1) % loop.length];
        const middle = [((x + nextX) / 2) * across, ((y + nextY) / 2) * down];
        if (i) path.quadraticCurveTo(x * across, y * down, ...middle);
        else path.moveTo(...middle);
      });
      const [[x, y], [nextX, nextY]] = loop;
      path.quadraticCurveTo(x * across, y * down, ((x + nextX) / 2) * across, ((y + nextY) / 2) * down);
      path.closePath();
    }
    return path;
  }

  function seen(viewer, slice) {
    const { data } = viewer;
    const found = new Set();
    for (const outline of viewer.masks) {
      const size = data.columns * data.rows;
      const values = new Set(outline.pixels.subarray(slice * size, (slice + 1) * size));
      for (const value of values) for (const k of outline.classes[value] || []) found.add(k);
    }
    return [...found].sort((a, b) => a - b);
  }

  function words(viewer, slice, { brief }) {
    const { data } = viewer;
    const place = `${data.plane} slice ${data.numbers[slice]} of ${data.of}`.trim();
    if (brief) return place;
    const told = seen(viewer, slice).map(
      (k) => `${data.names[k]} outlined` + (data.notes[k] ? `, ${data.notes[k]}` : ""),
    );
    return `${place}: ${told.join("; ") || "nothing outlined"}`;
  }

  function drawOutlines(viewer, context, slice, scale) {
    const { data, canvas } = viewer;
    const size = data.columns * data.rows;
    const [across, down] = [canvas.width / data.columns, canvas.height / data.rows];
    for (const outline of viewer.masks) {
      const plane = outline.pixels.subarray(slice * size, (slice + 1) * size);
      for (const k of new Set([...new Set(plane)].flatMap((value) => outline.classes[value] || []))) {
        if (shown.only && data.names.includes(shown.only) && data.names[k] !== shown.only) continue;
        const inside = Uint8Array.from(plane, (value) => outline.classes[value].includes(k));
        const path = rounded(trace(inside, data.columns, data.rows), across, down);
        const truth = outline.kind === "truth";
        context.lineJoin = "round";
        context.setLineDash(truth ? [] : [9 * scale, 4 * scale]);
        context.strokeStyle = "rgba(8, 10, 13, 0.6)";
        context.lineWidth = (truth ? 4.4 : 3.8) * scale;
        context.stroke(path);
        context.strokeStyle = data.hues[k];
        context.lineWidth = (truth ? 2.6 : 2.2) * scale;
        context.stroke(path);
        context.globalAlpha = truth ? 0 : 0.14;
        context.fillStyle = data.hues[k];
        context.fill(path, "evenodd");
        context.globalAlpha = 1;
      }
    }
  }

  function drawLetters(viewer, context, scale) {
    const { canvas, data } = viewer;
    const [left, right, top, bottom] = data.letters;
    const edge = 11 * scale;
    context.font = `600 ${11 * scale}px system-ui, sans-serif`;
    context.textAlign = "center";
    context.textBaseline = "middle";
    context.lineWidth = 3 * scale;
    context.setLineDash([]);
    context.strokeStyle = "rgba(8, 10, 13, 0.8)";
    context.fillStyle = "#f2f4f7";
    const { width, height } = canvas;
    for (const [letter, x, y] of [
      [left, edge, height / 2],
      [right, width - edge, height / 2],
      [top, width / 2, edge],
      [bottom, width / 2, height - edge],
    ]) {
      if (!letter) continue;
      context.strokeText(letter, x, y);
      context.fillText(letter, x, y);
    }
  }

  function draw(viewer) {
    if (!viewer?.image) return; // out of sight, or not read yet
    const { canvas, data } = viewer;
    const slice = viewer.slider ? Number(viewer.slider.value) : data.key;
    const scale = window.devicePixelRatio || 1;
    canvas.width = Math.max(1, Math.round(canvas.clientWidth * scale));
    canvas.height = Math.max(1, Math.round(canvas.width / data.ratio));
    const context = canvas.getContext("2d");
    context.imageSmoothingQuality = "high";
    context.drawImage(
      viewer.image, 0, slice * data.pitch, data.columns, data.rows, 0, 0, canvas.width, canvas.height,
    );
    if (shown.outlines) drawOutlines(viewer, context, slice, scale);
    drawLetters(viewer, context, scale);
    canvas.setAttribute("aria-label", words(viewer, slice, { brief: false }));
    const place = words(viewer, slice, { brief: true });
    viewer.caption.textContent = place;
    if (viewer.slider) viewer.slider.setAttribute("aria-valuetext", place);
    if (viewer.mark) viewer.mark.setAttribute("x", (slice / (data.numbers.length - 1)) * 100 - 0.3);
  }

  async function open(figure) {
    if (viewers.has(figure)) return;
    const data = JSON.parse(figure.querySelector("script").textContent);
    const viewer = {
      data,
      canvas: figure.querySelector("canvas"),
      slider: figure.querySelector("input"),
      caption: figure.querySelector(".place"),
      mark: figure.querySelector(".mark"),
    };
    viewers.set(figure, viewer);
    const masks = await Promise.all(data.outlines.map((outline) => picture(outline.mask)));
    viewer.masks = data.outlines.map((outline, i) => ({ ...outline, pixels: pixels(masks[i]) }));
    viewer.image = await picture(data.image);
    draw(viewer);
  }

  // Hundreds of scans are more than a browser's memory holds at once.
  function close(figure) {
    const viewer = viewers.get(figure);
    if (!viewer || !viewer.image) return;
    viewer.canvas.width = viewer.canvas.height = 1;
    viewers.delete(figure);
  }

  const resized = new ResizeObserver((entries) => {
    for (const entry of entries) {
      const viewer = viewers.get(entry.target.closest(".viewer"));
      const scale = window.devicePixelRatio || 1;
      if (viewer && viewer.canvas.width !== Math.round(viewer.canvas.clientWidth * scale)) draw(viewer);
    }
  });
  const sight = new IntersectionObserver(
    (entries) => entries.forEach((entry) => (entry.isIntersecting ? open : close)(entry.target)),
    { rootMargin: "600px" },
  );
  for (const figure of document.querySelectorAll(".viewer")) {
    sight.observe(figure);
    resized.observe(figure.querySelector("canvas"));
    const slider = figure.querySelector("input");
    if (slider) slider.addEventListener("input", () => draw(viewers.get(figure)));
  }
  return {
    show(changes) {
      Object.assign(shown, changes);
      viewers.forEach(draw);
    },
  };
})();
