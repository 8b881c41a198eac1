// The cards around the pipeline.

const DATA = "/debug/spanwise.json";
const PARTS = [drawHeader, drawSummary, drawPipeline, drawThroughput, drawDrops, drawLatency, drawBatch, drawBudget, drawSampler, drawTraces, drawRedaction, drawDiagnostics, drawDestinations];

function drawHeader(data) {
  setText($("service"), data.service_name || "Spanwise");
  document.title = `${data.service_name || "process"} · Spanwise`;
  setText($("state"), data.state.replace(/_/g, " "));
  $("state").dataset.level = data.state === "running" ? "good" : "bad";
  setText($("uptime"), `up ${age(data.uptime_seconds)}`);
  setText($("version"), `Spanwise ${data.spanwise_version}`);
  const cpu = data.cpu, shown = [];
  if (isNumber(cpu.sdk_percent)) shown.push(`SDK ${digits(cpu.sdk_percent)} % of a core`);
  if (isNumber(cpu.exporter_percent)) shown.push(`export ${digits(cpu.exporter_percent)} %`);
  const exporter = data.exporter;
  if (isNumber(exporter.connections)) shown.push(counted(exporter.connections, "connection"));
  if (exporter.uncompressed_bytes > 1.05 * exporter.compressed_bytes) shown.push(`compression ${digits(exporter.uncompressed_bytes / exporter.compressed_bytes)}×`);
  if (exporter.retries > 0) shown.push(`${count(exporter.retries)} attempts again`);
  setText($("resources"), shown.join(" · "));
}

/** One sentence: is it dropping, and why? */
function drawSummary(data) {
  const [level, text, detail] = summary(data);
  $("summary").dataset.level = level;
  setText($("summary-text"), text);
  setText($("summary-detail"), detail);
}

function summary(data) {
  const failing = data.destinations.find((it) => it.last_failure);
  const cause = failing ? failing.last_failure : "";
  const dropping = perSecond((it) => it.spans.dropped, WINDOW);
  if (data.state !== "running") return ["bad", `The provider is ${data.state.replace(/_/g, " ")}`, "It records no spans."];
  if (dropping > 0) {
    const reasons = Object.keys(data.spans.dropped_by_reason)
      .map((reason) => [reason, perSecond(droppedFor(reason), WINDOW)]).filter((pair) => pair[1] > 0)
      .sort((one, other) => other[1] - one[1]).map(([reason, value]) => `${reason} ${rate(value)}/s`);
    return ["bad", `Dropping ${rate(dropping)} spans per second`, [reasons.join(", "), cause].filter(Boolean).join(" · ")];
  }
  if (failing) return ["bad", data.spans.dropped > 0 ? "The receiver is failing; spans wait" : "The receiver is failing; no span is lost yet", cause];
  const whole = data.spans.dropped;
  const detail = whole > 0 ? `${count(whole)} spans were dropped since the start: ${Object.keys(data.spans.dropped_by_reason).join(", ")}` : `${count(data.spans.exported)} exported since the start, none dropped`;
  return ["good", "No span is dropped", detail];
}

function drawThroughput() {
  const made = (value) => points((index) => perSecond(value, 3, index));
  const created = made((it) => it.spans.created), exported = made((it) => it.spans.exported);
  lines($("throughput"), "Spans created and exported per second over two minutes", (value) => count(value) + "/s",
    [{ points: created, className: "second-line" }, { points: exported, className: "first", area: true }]);
  const last = (all) => rate(all[all.length - 1][1]) + "/s";
  legend($("throughput-legend"), [["second", "created", last(created)], ["", "exported", last(exported)]]);
}

function drawDrops(data) {
  const totals = Object.entries(data.spans.dropped_by_reason).sort((one, other) => other[1] - one[1]);
  const opacity = (at) => [1, 0.62, 0.38, 0.22][Math.min(at, 3)];
  bars($("drops"), "Dropped spans per second by reason over two minutes",
    totals.map(([reason], at) => ({ points: points((index) => perSecond(droppedFor(reason), 1, index)), opacity: opacity(at) })));
  $("drops-legend").replaceChildren(...totals.map(([reason, spans], at) => {
    const row = element("li"), key = element("i", "key loss");
    key.style.opacity = opacity(at);
    row.append(key, `${reason} `, element("b", "", count(spans)));
    return row;
  }));
}

function drawLatency() {
  const made = (q) => points((index) => quantile("export", q, 10, index));
  const [middle, high] = [made(0.5), made(0.99)];
  lines($("latency"), "Export latency over two minutes: median and 99th percentile of 10 s", seconds,
    [{ points: middle, className: "second-line" }, { points: high, className: "first" }]);
  const last = (all) => seconds(all[all.length - 1][1]);
  legend($("latency-legend"), [["second", "p50", last(middle)], ["", "p99", last(high)]]);
}

function drawBatch() {
  const sizes = points((index) => batchSize(WINDOW, index));
  lines($("batch"), "Spans per request over two minutes", count, [{ points: sizes, className: "first", area: true }]);
  const requests = perSecond((it) => it.exporter.requests, WINDOW);
  legend($("batch-legend"), [["", "spans per request", rate(sizes[sizes.length - 1][1])], ["second", "requests", rate(requests) + "/s"]]);
}

function drawSampler(data) {
  setText($("sampler-text"), data.sampler.description);
  const created = growth((it) => it.spans.created, WINDOW), sampled = growth(recorded, WINDOW);
  setText($("sampler-share"), created ? `${percent(sampled / created)} of spans` : "");
  $("sampler-rates").replaceChildren(...data.sampler.rates.slice(0, 10).map((key) => {
    const row = element("li"), name = element("span", "", key.key), bar = element("span", "meter");
    name.title = key.key;
    meter(bar, key.probability, null, "");
    bar.firstChild.className = "";
    row.append(name, bar, element("span", "n", percent(key.probability)), element("span", "n muted", rate(key.per_second) + "/s"));
    return row;
  }));
}

function drawDestinations(data) {
  $("destinations").replaceChildren(...data.destinations.map((it) => {
    const row = element("tr");
    const name = !it.endpoint ? it.name : it.endpoint.includes(it.name) ? it.endpoint : `${it.name} (${it.endpoint})`;
    row.append(element("td", "", name), element("td", "n", count(it.exported)), element("td", it.dropped ? "n bad" : "n", count(it.dropped)), element("td", "n", count(it.in_flight)), element("td", it.last_failure ? "bad" : "muted", it.last_failure || "none"));
    return row;
  }));
}
