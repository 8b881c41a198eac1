"""Traces of the Python SDK, sent by its batch processor and its exporter over gRPC.

Arguments: the endpoint, the number of the first trace, milliseconds, spans a second. Prints, as a line of JSON,
how many spans its exporter saw acknowledged and how many it gave up.
"""

import json
import sys
import time

from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.id_generator import IdGenerator

SPANS_OF_A_TRACE = 5
TAG = 0x7370_616E_7769_7365
MULTIPLIER = 0x9E37_79B9_7F4A_7C15
WORD = (1 << 64) - 1


def mix(number):
    one = number * MULTIPLIER & WORD
    return (one ^ one >> 32) * MULTIPLIER & WORD


class Ids(IdGenerator):
    """The ids of the trace with a number, from which the destination finds out what it has."""

    def begin(self, number):
        self.number, self.place = number, 0

    def generate_trace_id(self):
        return TAG << 64 | mix(self.number)

    def generate_span_id(self):
        self.place += 1
        return self.number * SPANS_OF_A_TRACE + self.place


class Counting(SpanExporter):
    def __init__(self, exporter):
        self.exporter, self.acknowledged, self.failed = exporter, 0, 0

    def export(self, spans):
        result = self.exporter.export(spans)
        if result is SpanExportResult.SUCCESS:
            self.acknowledged += len(spans)
        else:
            self.failed += len(spans)
        return result

    def shutdown(self):
        self.exporter.shutdown()

    def force_flush(self, timeout_millis=30_000):
        return self.exporter.force_flush(timeout_millis)


def main():
    endpoint, first, millis, rate = sys.argv[1], *map(int, sys.argv[2:5])
    exporter = Counting(OTLPSpanExporter(endpoint=endpoint, insecure=True, timeout=30))
    ids = Ids()
    provider = TracerProvider(
        resource=Resource({"service.name": "python"}), id_generator=ids, shutdown_on_exit=False
    )
    processor = BatchSpanProcessor(exporter, max_queue_size=1 << 20, schedule_delay_millis=200)
    provider.add_span_processor(processor)
    tracer = provider.get_tracer("shop")
    started = time.monotonic()
    number = first
    while time.monotonic() < started + millis / 1000:
        due = started + (number - first) * SPANS_OF_A_TRACE / rate
        time.sleep(max(0, due - time.monotonic()))
        ids.begin(number)
        root = tracer.start_span("GET /users/{id}/orders", kind=trace.SpanKind.SERVER)
        within = trace.set_span_in_context(root)
        for _ in range(SPANS_OF_A_TRACE - 1):
            tracer.start_span("SELECT orders", context=within, kind=trace.SpanKind.CLIENT).end()
        root.end()
        number += 1
    provider.force_flush(60_000)
    provider.shutdown()
    made = (number - first) * SPANS_OF_A_TRACE
    print(json.dumps({"made": made, "acknowledged": exporter.acknowledged, "failed": exporter.failed}))


main()
