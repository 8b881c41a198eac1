// Line charts and stacked bars over the last two minutes.

const MARGIN = { left: 2, right: 2, top: 14, bottom: 15 };

/** Draws a frame of the size of `place`, and returns the scales of its inside. */
function frame(place, highest, label, format) {
  const width = Math.max(120, place.clientWidth), height = Math.max(48, place.clientHeight);
  const made = svg("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": label });
  const inside = { width: width - MARGIN.left - MARGIN.right, height: height - MARGIN.top - MARGIN.bottom };
  const x = (time) => MARGIN.left + inside.width * (1 + time / SHOWN);
  const y = (value) => MARGIN.top + inside.height * (1 - (highest > 0 ? Math.min(1, value / highest) : 0));
  for (const part of highest > 0 ? [0, 0.5, 1] : [1]) {
    const at = MARGIN.top + inside.height * part;
    made.append(svg("line", { class: "grid", x1: MARGIN.left, x2: width - MARGIN.right, y1: at, y2: at }));
  }
  made.append(svg("text", { x: MARGIN.left, y: MARGIN.top - 4 }, highest > 0 ? format(highest) : ""));
  made.append(svg("text", { x: MARGIN.left, y: height - 2 }, "2 min ago"));
  made.append(svg("text", { x: width - MARGIN.right, y: height - 2, "text-anchor": "end" }, "now"));
  place.replaceChildren(made);
  return { made, x, y, base: MARGIN.top + inside.height, width };
}

/** A round number not below `value`, so that the scale does not move with each answer. */
function ceiling(value) {
  if (!(value > 0)) return 0;
  const power = 10 ** Math.floor(Math.log10(value));
  const step = [1, 1.5, 2, 3, 4, 5, 6, 8, 10].find((each) => each * power >= value * 0.999);
  return step * power;
}

/** Lines; each series is `{points, className, area}`. */
function lines(place, label, format, series, fixed) {
  const values = series.flatMap((one) => one.points.map((point) => point[1]).filter(isNumber));
  const drawn = frame(place, fixed || ceiling(Math.max(0, ...values)), label, format);
  for (const one of series) {
    for (const run of runs(one.points)) {
      const path = run.map(([time, value], at) => `${at ? "L" : "M"}${drawn.x(time).toFixed(1)} ${drawn.y(value).toFixed(1)}`).join("");
      if (one.area) {
        const [from, to] = [drawn.x(run[0][0]).toFixed(1), drawn.x(run[run.length - 1][0]).toFixed(1)];
        drawn.made.append(svg("path", { class: "area", d: `${path}L${to} ${drawn.base}L${from} ${drawn.base}Z` }));
      }
      drawn.made.append(svg("path", { class: one.className, d: path }));
    }
  }
  if (!values.length) empty(drawn, "no values yet");
}

/** Runs of neighbouring points that have a value. */
function runs(all) {
  const made = [];
  let run = [];
  for (const point of all) {
    if (isNumber(point[1])) run.push(point);
    else if (run.length) { made.push(run); run = []; }
  }
  if (run.length) made.push(run);
  return made;
}

/** Stacked bars; each series is `{points, opacity}`, the first at the bottom. */
function bars(place, label, series) {
  const totals = series.length ? series[0].points.map((_, at) => series.reduce((sum, one) => sum + (one.points[at][1] || 0), 0)) : [];
  const drawn = frame(place, ceiling(Math.max(0, ...totals)), label, (value) => count(value) + "/s");
  const width = Math.max(1, drawn.width / SHOWN - 0.6);
  const below = totals.map(() => 0);
  for (const one of series) {
    one.points.forEach(([time, value], at) => {
      if (!(value > 0)) return;
      const top = drawn.y(below[at] + value), height = drawn.y(below[at]) - top;
      below[at] += value;
      drawn.made.append(svg("rect", { class: "bar", opacity: one.opacity, x: (drawn.x(time) - width).toFixed(1), y: top.toFixed(1), width: width.toFixed(1), height: Math.max(0.75, height).toFixed(1) }));
    });
  }
  if (!totals.some((total) => total > 0)) empty(drawn, "no drops in the last two minutes");
}

function empty(drawn, text) {
  drawn.made.append(svg("text", { class: "empty", x: drawn.width / 2, y: drawn.base / 2 + 10, "text-anchor": "middle" }, text));
}

/** The entries of a legend: pairs of a class and a text with a value. */
function legend(place, entries) {
  place.replaceChildren(...entries.map(([className, name, value]) => {
    const made = element("span");
    made.append(element("i", `key ${className}`), `${name} `, element("b", "", value));
    return made;
  }));
}

/** A horizontal meter with a mark. */
function meter(place, share, mark, label) {
  const fill = element("i", share > 0.9 ? "high" : "");
  fill.style.width = `${Math.min(100, Math.max(0, share * 100)).toFixed(2)}%`;
  const parts = [fill];
  if (isNumber(mark)) {
    const line = element("u");
    line.style.left = `min(${(Math.min(1, mark) * 100).toFixed(2)}%, 100% - 2px)`;
    parts.push(line);
  }
  place.replaceChildren(...parts);
  if (label) place.setAttribute("aria-label", label);
}
