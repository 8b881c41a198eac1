// The pipeline as a drawing: a node for each stage, and spans per second at the arrows between them.

const NARROW = 760;

function drawPipeline(data) {
  const place = $("pipeline");
  const stages = stagesOf(data);
  const flows = flowsOf();
  const width = Math.max(280, place.clientWidth);
  const made = width < NARROW ? downwards(stages, flows, width) : sideways(stages, flows, width);
  const spoken = flows.main.map((flow, at) => `${stages[at].name} to ${stages[at + 1].name}: ${rate(flow.value)} per second`);
  made.setAttribute("role", "img");
  made.setAttribute("aria-label", `Pipeline. ${spoken.join("; ")}. Sampled out: ${rate(flows.out.value)}, dropped at the queue: ${rate(flows.queue.value)}, dropped at the export: ${rate(flows.exported.value)} per second.`);
  place.replaceChildren(made);
}

/** Six stages, each with a value and a detail. */
function stagesOf(data) {
  const created = growth((it) => it.spans.created, WINDOW), sampled = growth(recorded, WINDOW);
  const share = created ? sampled / created : null;
  const fill = data.queue.limit_bytes ? data.queue.used_bytes / data.queue.limit_bytes : data.budget.used_bytes / data.budget.limit_bytes;
  const perRequest = batchSize(WINDOW, answers.length - 1);
  const p99 = quantile("export", 0.99, WINDOW);
  const first = data.destinations[0];
  return [
    { name: "Application", value: count(data.spans.created), detail: "spans created" },
    { name: "Sampler", value: percent(share), detail: "sampled" },
    { name: "Queue", value: percent(fill), detail: queueDetail(data), fill },
    { name: "Batches", value: isNumber(perRequest) ? rate(perRequest) : "–", detail: "spans/request" },
    p99 === null
      ? { name: "Exporter", value: count(data.exporter.inflight_spans ?? data.spans.in_flight), detail: "in flight" }
      : { name: "Exporter", value: seconds(p99), detail: data.spans.spooled ? onDisk(data) : "p99 latency" },
    { name: "Receiver", value: count(data.spans.exported), detail: first ? host(first.endpoint) : "nothing is exported", isBad: Boolean(first && first.last_failure) },
  ];
}

function queueDetail(data) {
  return isNumber(data.queue.used_bytes) ? `${bytes(data.queue.used_bytes)} used` : `${bytes(data.budget.used_bytes)} used`;
}

/** The spans of the spool, and how full it is. */
function onDisk(data) {
  const full = data.spool && isNumber(data.spool.used_bytes) ? `, ${percent(data.spool.used_bytes / data.spool.limit_bytes)} full` : "";
  return `${count(data.spans.spooled)} on disk${full}`;
}

/** Spans in a request, by the requests within the window. */
function batchSize(window, index) {
  const requests = growth((it) => it.exporter.requests, window, index);
  const spans = growth((it) => it.spans.exported + droppedAtExport(it), window, index);
  return requests ? spans / requests : null;
}

/** The host of an endpoint. */
function host(endpoint) {
  return endpoint.replace(/^https?:\/\//, "").replace(/\/v1\/traces\/?$/, "");
}

function flowsOf() {
  const flow = (value, className) => ({ value: perSecond(value, WINDOW), className });
  const accepted = (it) => recorded(it) - droppedAtQueue(it);
  return {
    main: [
      flow((it) => it.spans.created), flow(recorded), flow((it) => accepted(it) - ofTail(it)),
      flow((it) => it.spans.exported + droppedAtExport(it)), flow((it) => it.spans.exported),
    ],
    out: flow((it) => it.spans.sampled_out, "side"),
    queue: flow(droppedAtQueue, "lost"),
    tail: flow(ofTail, "side"),
    exported: flow(droppedAtExport, "lost"),
  };
}

/** Side arrows: the index of their stage, their flow and their text. */
function sides(flows) {
  const all = [[1, flows.out, "sampled out"], [2, flows.queue, "dropped"], [4, flows.exported, "dropped"]];
  if (answers.some((it) => ofTail(it) > 0)) all.push([3, flows.tail, "tail: not sampled"]);
  return all;
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

function sideways(stages, flows, width) {
  const gap = Math.max(44, Math.min(96, width * 0.062)), top = 6, height = 78;
  const each = (width - gap * (stages.length - 1) - 2) / stages.length;
  const made = svg("svg", { viewBox: `0 0 ${width} ${top + height + 58}` });
  made.style.aspectRatio = `${width} / ${top + height + 58}`;
  stages.forEach((stage, at) => made.append(node(stage, 1 + at * (each + gap), top, each, height)));
  flows.main.forEach((flow, at) => {
    const from = 1 + at * (each + gap) + each, middle = top + 40;
    made.append(arrow([from + 5, middle], [from + gap - 6, middle], flow));
    made.append(rateText(from + gap / 2, middle - 11, flow, "middle"));
  });
  for (const [at, flow, text] of sides(flows)) {
    const x = 1 + at * (each + gap) + 26, from = top + height;
    made.append(arrow([x, from + 5], [x, from + 40], flow));
    made.append(rateText(x + 13, from + 24, flow, "start"));
    made.append(svg("text", { x: x + 13, y: from + 40 }, text));
  }
  return made;
}

function downwards(stages, flows, width) {
  const gap = 40, height = 74, each = Math.min(width - 130, Math.max(190, width * 0.6));
  const whole = stages.length * height + (stages.length - 1) * gap + 4;
  const made = svg("svg", { viewBox: `0 0 ${width} ${whole}` });
  made.style.aspectRatio = `${width} / ${whole}`;
  stages.forEach((stage, at) => made.append(node(stage, 1, 2 + at * (height + gap), each, height)));
  flows.main.forEach((flow, at) => {
    const from = 2 + at * (height + gap) + height, x = 30;
    made.append(arrow([x, from + 4], [x, from + gap - 4], flow));
    made.append(rateText(x + 14, from + gap / 2 + 4, flow, "start", "/s"));
  });
  for (const [at, flow, text] of sides(flows)) {
    const y = 2 + at * (height + gap) + height / 2, x = 1 + each;
    made.append(arrow([x + 4, y], [x + 22, y], flow));
    made.append(rateText(x + 28, y - 1, flow, "start"));
    made.append(svg("text", { x: x + 28, y: y + 14 }, text));
  }
  return made;
}
