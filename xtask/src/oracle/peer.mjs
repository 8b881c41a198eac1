// Spans of the JavaScript SDK, written by its OTLP transformer, without a line of Spanwise.
//
// Prints a port as a line of JSON, then answers each line of its standard input with one line:
//
//   {"do": "send", "port", "format"}   sends the spans to the port, in "protobuf" or "json"
//   {"do": "take"}                     compares what came to the printed port with the transformer's JSON

import { createServer } from 'node:http';
import { createInterface } from 'node:readline';
import { ROOT_CONTEXT, SpanKind, SpanStatusCode, TraceFlags, trace } from '@opentelemetry/api';
import { JsonTraceSerializer, ProtobufTraceSerializer } from '@opentelemetry/otlp-transformer';
import { resourceFromAttributes } from '@opentelemetry/resources';
import { BasicTracerProvider } from '@opentelemetry/sdk-trace-base';

const spans = [];
const collecting = {
  onStart() {},
  onEnd: span => spans.push(span),
  forceFlush: async () => {},
  shutdown: async () => {},
};

function make() {
  const resource = resourceFromAttributes({ 'service.name': 'javascript', 'process.pid': 7 });
  const provider = new BasicTracerProvider({ resource, spanProcessors: [collecting] });
  const remote = {
    traceId: '4bf92f3577b34da6a3ce929d0e0e4736',
    spanId: '00f067aa0ba902b7',
    traceFlags: TraceFlags.SAMPLED,
    isRemote: true,
  };
  const within = trace.setSpanContext(ROOT_CONTEXT, remote);
  const values = {
    text: 'naïve café 🦀 "quoted" \\ \u0000 \u2028',
    empty: '',
    yes: true,
    integer: -9007199254740991,
    float: -0.5,
    small: 5e-324,
    texts: ['a', ''],
    integers: [0, 1, -1],
    floats: [0.1, 1e-7],
    flags: [true, false],
  };
  for (const scope of ['one', 'two']) {
    const tracer = provider.getTracer(scope, '1.2.3', { schemaUrl: `https://example.com/${scope}` });
    for (const kind of Object.values(SpanKind).filter(kind => typeof kind === 'number')) {
      const links = [{ context: remote, attributes: { why: 'batch' } }, { context: remote }];
      const options = { kind, attributes: values, links, startTime: [1_700_000_000 + kind, 123_456_789] };
      const span = tracer.startSpan(`span ${kind}`, options, kind % 2 ? within : ROOT_CONTEXT);
      span.addEvent('event', { index: kind }, [1_700_000_000 + kind, 200_000_000]);
      span.addEvent('bare', [1_700_000_000 + kind, 300_000_000]);
      if (kind === 1) span.setStatus({ code: SpanStatusCode.OK });
      if (kind === 2) span.setStatus({ code: SpanStatusCode.ERROR, message: 'timeout' });
      span.end([1_700_000_001 + kind, 987_654_321]);
    }
  }
}

const formats = {
  protobuf: [ProtobufTraceSerializer, 'application/x-protobuf'],
  json: [JsonTraceSerializer, 'application/json'],
};

async function send({ port, format }) {
  const [serializer, kind] = formats[format];
  const body = serializer.serializeRequest(spans);
  const url = `http://127.0.0.1:${port}/v1/traces`;
  const headers = { 'content-type': kind };
  const signal = AbortSignal.timeout(20_000);
  const response = await fetch(url, { method: 'POST', headers, body, signal });
  const answer = new Uint8Array(await response.arrayBuffer());
  if (!response.ok) return { error: `${response.status} ${Buffer.from(answer).toString()}` };
  // The transformer's own reader of the answer.
  const read = answer.length ? serializer.deserializeResponse(answer) : {};
  return { spans: spans.length, rejected: Number(read.partialSuccess?.rejectedSpans ?? 0) };
}

// The fields in one form: none with the default of its type, 64-bit integers as text, lists of spans in the
// order of their ids.
function canonical(value, name) {
  if (Array.isArray(value)) {
    const list = value.map(item => canonical(item));
    return name === 'spans' ? list.sort((a, b) => (a.spanId < b.spanId ? -1 : 1)) : list;
  }
  if (value !== null && typeof value === 'object') {
    const fields = Object.entries(value).map(([key, field]) => [key, canonical(field, key)]);
    const inValue = Object.keys(value).some(key => key.endsWith('Value'));
    const isSet = ([, field]) => inValue || !isDefault(field);
    return Object.fromEntries(fields.filter(isSet).sort(([a], [b]) => (a < b ? -1 : 1)));
  }
  return name === 'intValue' || name?.endsWith('UnixNano') ? String(value) : value;
}

function isDefault(field) {
  if (field !== null && typeof field === 'object') return Object.keys(field).length === 0;
  return field === undefined || field === 0 || field === '' || field === false;
}

function firstDifference(ours, theirs, path = '') {
  if (typeof ours !== 'object' || typeof theirs !== 'object' || ours === null || theirs === null) {
    return Object.is(ours, theirs) ? undefined : `${path}: ${JSON.stringify(ours)} is not ${JSON.stringify(theirs)}`;
  }
  for (const key of new Set([...Object.keys(ours), ...Object.keys(theirs)])) {
    const found = firstDifference(ours[key], theirs[key], `${path}.${key}`);
    if (found) return found;
  }
  return undefined;
}

let arrived;

function take() {
  if (!arrived) return { error: 'nothing arrived' };
  const expected = JSON.parse(Buffer.from(JsonTraceSerializer.serializeRequest(spans)).toString());
  const difference = firstDifference(canonical(arrived), canonical(expected));
  return difference ? { error: difference } : { spans: spans.length };
}

make();
const server = createServer(async (request, response) => {
  const parts = [];
  for await (const part of request) parts.push(part);
  try {
    arrived = JSON.parse(Buffer.concat(parts).toString());
    response.writeHead(200, { 'content-type': 'application/json' }).end('{"partialSuccess":{}}');
  } catch (error) {
    response.writeHead(400).end(String(error));
  }
});
server.listen(0, '127.0.0.1', async () => {
  console.log(JSON.stringify({ port: server.address().port }));
  for await (const line of createInterface({ input: process.stdin })) {
    const command = JSON.parse(line);
    let answer;
    try {
      answer = command.do === 'send' ? await send(command) : take();
    } catch (error) {
      answer = { error: String(error) };
    }
    console.log(JSON.stringify(answer));
  }
  server.close();
  server.closeAllConnections();
});
