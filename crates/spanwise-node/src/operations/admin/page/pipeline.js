// The stages of a node, and spans per second at the arrows between them.

/** Of a node that started again it is smaller. */
const totalOf = (data) => data.intake.received;

const refusedOf = (data) => data.intake.refused_overloaded + data.intake.refused_malformed + data.intake.refused_panicked;
const leftOutOf = (data) => data.intake.filtered + data.intake.sampled_out;
const unreadableOf = (data) => data.intake.malformed + data.intake.unredactable;
const passedOf = (data) => data.intake.passed + data.intake.passed_from_peers;
const sumOf = (field) => (all) => all.reduce((sum, it) => sum + it[field], 0);
const peersOf = (data) => (data.gateway ? data.gateway.peers : []);
/** All that send: destinations and peers. */
const sendersOf = (data) => data.destinations.concat(peersOf(data));
const createdOf = (data) => sumOf("created")(sendersOf(data));
const exportedOf = (data) => sumOf("exported")(sendersOf(data));
const droppedOf = (data) => sumOf("dropped")(sendersOf(data)) + (data.sampler ? data.sampler.dropped - data.sampler.dropped_by_reason.drop_policy : 0);
const notSampledOf = (data) => (data.sampler ? data.sampler.not_sampled : 0);

function drawPipeline(data) {
  const flow = (value, className) => ({ value: perSecond(value, WINDOW), className });
  const closed = data.receivers.reduce((sum, it) => sum + Object.entries(it.closed_connections).reduce((all, [reason, closed]) => all + (reason === "age" ? 0 : closed), 0), 0);
  const stages = [
    { name: "Receivers", value: count(data.intake.received), detail: closed ? `${counted(closed, "connection")} closed` : "spans received" },
    { name: "Processors", value: count(data.intake.accepted), detail: "accepted", fill: data.budget.limit_bytes ? data.budget.used_bytes / data.budget.limit_bytes : 0 },
  ];
  const flows = [flow(totalOf)];
  const sides = [[0, flow(refusedOf, "lost"), "refused"], [1, flow(leftOutOf, "side"), "filtered, sampled out"]];
  if (answers.some((it) => unreadableOf(it) > 0)) sides[1] = [1, flow(unreadableOf, "lost"), "not readable"];
  if (data.gateway) {
    stages.push({ name: "Ring", value: count(data.gateway.handed), detail: counted(data.gateway.peers.length, "peer"), isBad: data.gateway.peers.some((it) => !it.is_up) });
    flows.push(flow((it) => it.intake.passed));
    sides.push([stages.length - 1, flow((it) => (it.gateway ? it.gateway.dropped : 0), "lost"), "dropped"]);
  }
  if (data.sampler) {
    stages.push({ name: "Tail sampling", value: count(data.sampler.pending_traces), detail: "traces wait" });
    flows.push(flow((it) => (it.sampler ? it.sampler.accepted : 0)));
    sides.push([stages.length - 1, flow(notSampledOf, "side"), "not sampled"]);
  }
  const senders = sendersOf(data), spooled = sumOf("spooled")(senders), queued = sumOf("queued_bytes")(senders);
  stages.push({ name: "Queues", value: bytes(queued), detail: spooled ? `${count(spooled)} on disk` : "wait in memory" });
  flows.push(flow(createdOf));
  sides.push([stages.length - 1, flow(droppedOf, "lost"), "dropped"]);
  const down = senders.filter((it) => !it.is_up);
  stages.push({ name: data.destinations.length ? "Destinations" : "Peers", value: count(exportedOf(data)), detail: down.length ? `${down.map((it) => it.name).join(", ")} down` : "spans accepted", isBad: down.length > 0 });
  flows.push(flow(exportedOf));
  drawStages($("pipeline"), stages, flows, sides);
}
