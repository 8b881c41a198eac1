// Stages as a drawing: a node for each, and rates at the arrows between them.

const NARROW = 760;

/** Draws stages and the flows between them into `place`; `sides` are arrows that leave: the index of their stage, their flow and their text. */
function drawStages(place, stages, flows, sides) {
  const width = Math.max(280, place.clientWidth);
  const made = width < NARROW ? downwards(stages, flows, sides, width) : sideways(stages, flows, sides, width);
  const spoken = flows.map((flow, at) => `${stages[at].name} to ${stages[at + 1].name}: ${rate(flow.value)} per second`);
  const left = sides.map(([at, flow, text]) => `${text} at ${stages[at].name}: ${rate(flow.value)} per second`);
  made.setAttribute("role", "img");
  made.setAttribute("aria-label", `Pipeline. ${spoken.concat(left).join("; ")}.`);
  place.replaceChildren(made);
}

const thickness = (value) => (value > 0 ? Math.min(7, 1.5 + Math.log10(1 + value) * 1.1).toFixed(2) : "1.5");

function arrow(from, to, flow) {
  const isStill = !(flow.value > 0);
  const made = svg("g", {});
  const kind = isStill ? "still" : flow.className || "";
  made.append(svg("line", { class: `flow ${kind}`, x1: from[0], y1: from[1], x2: to[0], y2: to[1], "stroke-width": thickness(flow.value) }));
  const isAcross = from[1] === to[1];
  const [x, y] = to, size = 4.5;
  const head = isAcross ? `M${x - size} ${y - size}L${x + 1} ${y}L${x - size} ${y + size}` : `M${x - size} ${y - size}L${x} ${y + 1}L${x + size} ${y - size}`;
  made.append(svg("path", { class: `flow ${kind}`, d: head, "stroke-width": 1.75 }));
  return made;
}

function rateText(x, y, flow, anchor, suffix) {
  const isStill = !(flow.value > 0);
  const kind = isStill ? "still" : flow.className === "lost" ? "lost" : "";
  return svg("text", { class: `rate ${kind}`, x, y, "text-anchor": anchor }, rate(flow.value) + (suffix || ""));
}

function node(stage, x, y, width, height) {
  const made = svg("g", {});
  made.append(svg("rect", { class: `node${stage.isBad ? " bad" : ""}`, x, y, width, height, rx: 9 }));
  made.append(svg("text", { class: "node-name", x: x + 12, y: y + 20 }, stage.name));
  made.append(svg("text", { class: "node-value", x: x + 12, y: y + 42 }, stage.value));
  const letters = Math.floor((width - 20) / 5.8);
  const detail = stage.detail.length > letters ? `${stage.detail.slice(0, letters - 1)}…` : stage.detail;
  const line = svg("text", { class: "node-detail", x: x + 12, y: y + 60 }, detail);
  line.append(svg("title", {}, stage.detail));
  made.append(line);
  if (stage.fill !== undefined) {
    const share = Math.min(1, Math.max(0, stage.fill || 0)), inside = width - 24;
    made.append(svg("rect", { class: "track", x: x + 12, y: y + height - 9, width: inside, height: 4, rx: 2 }));
    made.append(svg("rect", { class: `fill${share > 0.9 ? " high" : ""}`, x: x + 12, y: y + height - 9, width: inside * share, height: 4, rx: 2 }));
  }
  return made;
}

function sideways(stages, flows, sides, width) {
  const gap = Math.max(44, Math.min(96, width * 0.062)), top = 6, height = 78;
  const each = (width - gap * (stages.length - 1) - 2) / stages.length;
  const made = svg("svg", { viewBox: `0 0 ${width} ${top + height + 58}` });
  made.style.aspectRatio = `${width} / ${top + height + 58}`;
  stages.forEach((stage, at) => made.append(node(stage, 1 + at * (each + gap), top, each, height)));
  flows.forEach((flow, at) => {
    const from = 1 + at * (each + gap) + each, middle = top + 40;
    made.append(arrow([from + 5, middle], [from + gap - 6, middle], flow));
    made.append(rateText(from + gap / 2, middle - 11, flow, "middle"));
  });
  for (const [at, flow, text] of sides) {
    const x = 1 + at * (each + gap) + 26, from = top + height;
    made.append(arrow([x, from + 5], [x, from + 40], flow));
    made.append(rateText(x + 13, from + 24, flow, "start"));
    made.append(svg("text", { x: x + 13, y: from + 40 }, text));
  }
  return made;
}

function downwards(stages, flows, sides, width) {
  const gap = 40, height = 74, each = Math.min(width - 130, Math.max(190, width * 0.6));
  const whole = stages.length * height + (stages.length - 1) * gap + 4;
  const made = svg("svg", { viewBox: `0 0 ${width} ${whole}` });
  made.style.aspectRatio = `${width} / ${whole}`;
  stages.forEach((stage, at) => made.append(node(stage, 1, 2 + at * (height + gap), each, height)));
  flows.forEach((flow, at) => {
    const from = 2 + at * (height + gap) + height, x = 30;
    made.append(arrow([x, from + 4], [x, from + gap - 4], flow));
    made.append(rateText(x + 14, from + gap / 2 + 4, flow, "start", "/s"));
  });
  for (const [at, flow, text] of sides) {
    const y = 2 + at * (height + gap) + height / 2, x = 1 + each;
    made.append(arrow([x + 4, y], [x + 22, y], flow));
    made.append(rateText(x + 28, y - 1, flow, "start"));
    made.append(svg("text", { x: x + 28, y: y + 14 }, text));
  }
  return made;
}
