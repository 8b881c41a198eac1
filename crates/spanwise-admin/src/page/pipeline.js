// The stages of a provider, and spans per second at the arrows between them.

function drawPipeline(data) {
  const flows = flowsOf();
  drawStages($("pipeline"), stagesOf(data), flows.main, sides(flows));
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

/** Of a process that started again it is smaller. */
const totalOf = (data) => data.spans.created;

/** Reasons for which the queue refuses spans; all others occur at the export. */
const AT_QUEUE = ["queue_bytes", "queue_full", "shed", "contended", "invalid_id", "too_many_open_spans", "after_shutdown", "leaked"];
const droppedFor = (reason) => (data) => data.spans.dropped_by_reason[reason] || 0;
const droppedAtQueue = (data) => AT_QUEUE.reduce((sum, reason) => sum + droppedFor(reason)(data), 0);
const droppedAtExport = (data) => data.spans.dropped - droppedAtQueue(data);
const recorded = (data) => data.spans.created - data.spans.sampled_out;
const ofTail = (data) => data.spans.tail_not_sampled + data.spans.tail_dropped;
