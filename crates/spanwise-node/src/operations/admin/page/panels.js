// The cards around the pipeline.

const DATA = "/account";
const PARTS = [drawHeader, drawSummary, drawPipeline, drawThroughput, drawDrops, drawBudget, drawSenders, drawPolicies, drawDiagnostics];

function drawHeader(data) {
  setText($("service"), `spanwise-node · ${data.role}`);
  document.title = `${data.role} · spanwise-node`;
  setText($("state"), data.is_ready ? "ready" : data.state === "running" ? "not ready" : data.state);
  $("state").dataset.level = data.is_ready ? "good" : "bad";
  setText($("uptime"), `up ${age(data.uptime_seconds)}`);
  setText($("version"), `Spanwise ${data.spanwise_version}`);
  const shown = [], cores = perSecond((it) => it.process.cpu_seconds, WINDOW);
  if (isNumber(cores)) shown.push(`${digits(cores * 100)} % of a core`);
  if (isNumber(data.process.resident_bytes)) shown.push(`${bytes(data.process.resident_bytes)} resident`);
  setText($("resources"), shown.join(" · "));
}

/** One sentence: is it losing or refusing, and why? */
function drawSummary(data) {
  const [level, text, detail] = summaryOf(data);
  $("summary").dataset.level = level;
  setText($("summary-text"), text);
  setText($("summary-detail"), detail);
}

function summaryOf(data) {
  const senders = sendersOf(data), failing = senders.find((it) => !it.is_up);
  const cause = failing ? `${failing.name}: ${failing.last_failure || "no request is accepted"}` : "";
  const dropping = perSecond(droppedOf, WINDOW), refusing = perSecond(refusedOf, WINDOW);
  if (data.state === "draining") return ["bad", "The node drains", `${count(sumOf("in_flight")(senders))} spans are in flight`];
  if (dropping > 0) {
    const reasons = [...new Set(senders.flatMap((it) => Object.keys(it.dropped_by_reason)))];
    return ["bad", `Losing ${rate(dropping)} spans per second`, [reasons.join(", "), cause].filter(Boolean).join(" · ")];
  }
  if (refusing > 0) return ["bad", `Refusing ${rate(refusing)} spans per second; their senders try again`, cause];
  const disk = data.destinations.find((it) => it.spool && it.spool.problem);
  if (disk) return ["bad", `The disk of ${disk.name} stores nothing; spans wait in memory`, disk.spool.problem];
  if (failing) return ["bad", `${failing.name} is failing; spans wait`, cause];
  const whole = droppedOf(data);
  return ["good", "No span is lost", `${count(exportedOf(data))} spans were accepted by destinations since the start, ${whole ? count(whole) : "none"} lost`];
}

function drawThroughput() {
  const made = (value) => points((index) => perSecond(value, 3, index));
  const received = made(totalOf), exported = made(exportedOf);
  lines($("throughput"), "Spans received and exported per second over two minutes", (value) => count(value) + "/s",
    [{ points: received, className: "second-line" }, { points: exported, className: "first", area: true }]);
  const last = (all) => rate(all[all.length - 1][1]) + "/s";
  legend($("throughput-legend"), [["second", "received", last(received)], ["", "exported", last(exported)]]);
}

function drawDrops(data) {
  const made = (value) => points((index) => perSecond(value, 1, index));
  bars($("drops"), "Lost and refused spans per second over two minutes",
    [{ points: made(droppedOf), opacity: 1 }, { points: made(refusedOf), opacity: 0.45 }]);
  legend($("drops-legend"), [["loss", "lost", count(droppedOf(data))], ["second", "refused", count(refusedOf(data))]]);
}

function drawSenders(data) {
  $("destinations").replaceChildren(...data.destinations.map((it) => senderRow(it, (answer) => answer.destinations)));
  $("peers-card").hidden = !data.gateway;
  const peers = peersOf(data);
  setText($("peers-total"), data.gateway ? `${counted(peers.length, "peer")} · ${count(data.gateway.local)} spans to this node` : "");
  $("peers").replaceChildren(...peers.map((it) => senderRow(it, peersOf)));
}

function senderRow(sender, sendersIn) {
  const exported = (answer) => (sendersIn(answer).find((it) => it.name === sender.name) || { exported: 0 }).exported;
  const reasons = Object.entries(sender.dropped_by_reason).map(([reason, spans]) => `${reason} ${count(spans)}`).join(", ");
  const row = element("tr"), dropped = element("td", sender.dropped ? "n bad" : "n", count(sender.dropped));
  dropped.title = reasons;
  const spool = sender.spool, disk = element("td", spool && spool.problem ? "n bad" : "n", count(sender.spooled));
  disk.title = spool ? spool.problem || `${bytes(spool.bytes)} of ${bytes(spool.limit_bytes)}` : "";
  row.append(element("td", sender.is_up ? "" : "bad", sender.name), element("td", "n", count(sender.created + sender.recovered)), element("td", "n", count(sender.exported)), element("td", "n muted", rate(perSecond(exported, WINDOW))), dropped, disk, element("td", "n", count(sender.in_flight)), element("td", "n", bytes(sender.queued_bytes)), element("td", sender.is_up ? "muted" : "bad", sender.last_failure || "none"));
  return row;
}

function drawPolicies(data) {
  const sampler = data.sampler;
  $("policies-card").hidden = !sampler;
  if (!sampler) return;
  setText($("policies-total"), `${counted(sampler.pending_traces, "trace")} wait · ${count(sampler.sampled_traces)} sampled, ${count(sampler.not_sampled_traces)} not, ${count(sampler.evicted_traces)} evicted early`);
  $("policies").replaceChildren(...sampler.policies.slice(0, 50).map((it) => {
    const row = element("tr");
    row.append(element("td", "code", it.name), element("td", "n", count(it.sampled_traces)), element("td", "n", count(it.not_sampled_traces)), element("td", "n", count(it.dropped_traces)), element("td", "n", count(it.decided_traces)), element("td", it.errors ? "n bad" : "n", count(it.errors)));
    return row;
  }));
}

function afterDraw() {}
