// Traces of the JavaScript SDK, sent by its batch processor and its exporter over HTTP.
//
// Arguments: the endpoint, the number of the first trace, milliseconds, spans a second. Prints, as a line of JSON, how many
// spans its exporter saw acknowledged and how many it gave up.

import { setTimeout as sleep } from 'node:timers/promises';
import { ROOT_CONTEXT, SpanKind, trace } from '@opentelemetry/api';
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-proto';
import { resourceFromAttributes } from '@opentelemetry/resources';
import { BasicTracerProvider, BatchSpanProcessor } from '@opentelemetry/sdk-trace-base';

const SPANS_OF_A_TRACE = 5;
const TAG = '7370616e77697365';
const MULTIPLIER = 0x9e3779b97f4a7c15n;
const word = number => BigInt.asUintN(64, number);
const hex = number => number.toString(16).padStart(16, '0');

function mix(number) {
  const one = word(BigInt(number) * MULTIPLIER);
  return word((one ^ (one >> 32n)) * MULTIPLIER);
}

// The ids of the trace with a number, from which the destination finds out what it has.
const ids = {
  begin(number) {
    this.number = number;
    this.place = 0;
  },
  generateTraceId() {
    return TAG + hex(mix(this.number));
  },
  generateSpanId() {
    this.place += 1;
    return hex(BigInt(this.number * SPANS_OF_A_TRACE + this.place));
  },
};

const counts = { acknowledged: 0, failed: 0 };

function counting(exporter) {
  return {
    export(spans, done) {
      exporter.export(spans, result => {
        counts[result.code === 0 ? 'acknowledged' : 'failed'] += spans.length;
        done(result);
      });
    },
    forceFlush: async () => exporter.forceFlush?.(),
    shutdown: () => exporter.shutdown(),
  };
}

const [endpoint, ...numbers] = process.argv.slice(2);
const [first, millis, rate] = numbers.map(Number);
const exporter = new OTLPTraceExporter({ url: `${endpoint}/v1/traces`, timeoutMillis: 30_000 });
const settings = { maxQueueSize: 1 << 20, scheduledDelayMillis: 200, exportTimeoutMillis: 60_000 };
const provider = new BasicTracerProvider({
  resource: resourceFromAttributes({ 'service.name': 'javascript' }),
  idGenerator: ids,
  spanProcessors: [new BatchSpanProcessor(counting(exporter), settings)],
});
const tracer = provider.getTracer('shop');
const started = performance.now();
let number = first;
while (performance.now() < started + millis) {
  const due = started + ((number - first) * SPANS_OF_A_TRACE * 1000) / rate;
  // Also lets the processor run.
  await sleep(Math.max(0, due - performance.now()));
  ids.begin(number);
  const root = tracer.startSpan('GET /users/{id}/orders', { kind: SpanKind.SERVER }, ROOT_CONTEXT);
  const within = trace.setSpan(ROOT_CONTEXT, root);
  for (let child = 1; child < SPANS_OF_A_TRACE; child += 1) {
    tracer.startSpan('SELECT orders', { kind: SpanKind.CLIENT }, within).end();
  }
  root.end();
  number += 1;
}
await provider.forceFlush();
await provider.shutdown();
console.log(JSON.stringify({ made: (number - first) * SPANS_OF_A_TRACE, ...counts }));
