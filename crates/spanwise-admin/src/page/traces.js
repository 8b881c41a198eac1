// The newest traces as a waterfall.

const LISTED = 8;
const ROWS = 24;
let selected = null;
let selectedAt = 0;
let drawnTraces = "";

function drawTraces(data) {
  const traces = tracesOf(data.recent_spans.spans);
  choose(traces);
  const now = data.time_unix_seconds;
  const listed = traces.slice(0, LISTED);
  const chosen = traces.find((trace) => trace.id === selected);
  if (chosen && !listed.includes(chosen)) listed[listed.length - 1] = chosen;
  drawList(listed, now);
  const state = chosen ? `${chosen.id} ${chosen.spans.length}` : `none ${traces.length}`;
  if (state !== drawnTraces) {
    drawnTraces = state;
    drawWaterfall(chosen);
  }
}

/** Follows the newest trace that has its root, but not so fast that no reader could read it. */
function choose(traces) {
  const isThere = traces.some((trace) => trace.id === selected);
  if (isThere && !$("follow").checked) return;
  const newest = traces.find((trace) => trace.root) || traces[0];
  if (isThere && performance.now() - selectedAt < 5000) return;
  selected = newest ? newest.id : null;
  selectedAt = performance.now();
}

/** Spans by trace, the newest first. */
function tracesOf(spans) {
  const byId = new Map();
  for (const span of spans) {
    if (!byId.has(span.trace_id)) byId.set(span.trace_id, { id: span.trace_id, spans: [], root: null, from: Infinity, to: 0, errors: 0 });
    const trace = byId.get(span.trace_id);
    trace.spans.push(span);
    if (span.parent_span_id === null) trace.root = span;
    if (span.status === "error") trace.errors += 1;
    trace.from = Math.min(trace.from, span.start_unix_micros);
    trace.to = Math.max(trace.to, span.start_unix_micros + span.duration_micros);
  }
  return [...byId.values()].sort((one, other) => other.to - one.to);
}

/** Spans in the order of a tree, each with its depth. A span without its parent is a root, as is one that is its own ancestor. */
function tree(trace) {
  const ids = new Set(trace.spans.map((span) => span.span_id));
  const children = new Map(), made = [];
  for (const span of trace.spans) {
    const parent = ids.has(span.parent_span_id) && span.parent_span_id !== span.span_id ? span.parent_span_id : null;
    if (!children.has(parent)) children.set(parent, []);
    children.get(parent).push(span);
  }
  const byStart = (one, other) => one.start_unix_micros - other.start_unix_micros || other.duration_micros - one.duration_micros;
  const stack = (children.get(null) || []).sort(byStart).reverse().map((span) => [span, 0]);
  const seen = new Set();
  while (stack.length) {
    const [span, depth] = stack.pop();
    if (seen.has(span)) continue;
    seen.add(span);
    made.push([span, depth]);
    const below = (children.get(span.span_id) || []).sort(byStart).reverse();
    below.forEach((child) => stack.push([child, depth + 1]));
  }
  // Those that are each other's ancestors are below no root.
  for (const span of trace.spans) if (!seen.has(span)) made.push([span, 0]);
  return made;
}

function drawList(traces, now) {
  const list = $("trace-list");
  while (list.children.length > traces.length) list.lastChild.remove();
  traces.forEach((trace, at) => {
    let row = list.children[at];
    if (!row) {
      row = element("li");
      const button = element("button");
      button.type = "button";
      button.append(element("b"), element("span"), element("small"));
      button.addEventListener("click", () => {
        selected = button.dataset.trace;
        selectedAt = performance.now();
        $("follow").checked = false;
        draw();
      });
      row.append(button);
      list.append(row);
    }
    const button = row.firstChild, [name, duration, facts] = button.children;
    button.dataset.trace = trace.id;
    button.setAttribute("aria-current", String(trace.id === selected));
    setText(name, (trace.root || tree(trace)[0][0]).name);
    setText(duration, seconds((trace.to - trace.from) / 1e6));
    const errors = trace.errors ? ` · ${counted(trace.errors, "error")}` : "";
    setText(facts, `${counted(trace.spans.length, "span")}${errors} · ${ago(now - trace.to / 1e6)}`);
    facts.className = trace.errors ? "bad" : "";
  });
}

function drawWaterfall(trace) {
  const place = $("waterfall");
  if (!trace) {
    place.replaceChildren(element("p", "muted", "No span has ended since this page opened. Spans appear within a second or two of their end."));
    return;
  }
  const whole = Math.max(1, trace.to - trace.from);
  const rows = tree(trace);
  const parts = [element("p", "id", `trace ${trace.id}`)];
  for (const [span, depth] of rows.slice(0, ROWS)) {
    const row = element("div", "row"), name = element("span", "name", span.name), lane = element("span", "lane");
    name.style.paddingLeft = `${Math.min(depth, 8) * 12}px`;
    name.title = `${span.name} (${span.kind}, scope ${span.scope}, span ${span.span_id})`;
    name.append(element("em", "", span.kind));
    const bar = element("i", span.status === "error" ? "bad" : "");
    bar.style.left = `${((span.start_unix_micros - trace.from) / whole * 100).toFixed(3)}%`;
    bar.style.width = `${(span.duration_micros / whole * 100).toFixed(3)}%`;
    lane.append(bar);
    const isError = span.status === "error";
    row.append(name, lane, element("span", isError ? "n bad" : "n", (isError ? "✕ " : "") + seconds(span.duration_micros / 1e6)));
    parts.push(row);
  }
  if (rows.length > ROWS) parts.push(element("p", "note muted", `and ${rows.length - ROWS} more spans`));
  place.replaceChildren(...parts);
}
