"""An OTLP receiver and sender made of grpcio and opentelemetry-proto, without a line of Spanwise.

Prints its ports as a line of JSON, then answers each line of its standard input with one line:

  {"do": "take"}            the requests that arrived, parsed and serialized again
  {"do": "parse", "body"}   parses a request in JSON, and serializes it again
  {"do": "answer", ...}     how to answer from now on: "accept", "partial", "unavailable once"
  {"do": "send", ...}       parses a request, and sends it over a protocol with a compression
"""

import base64
import concurrent.futures
import gzip
import http.server
import json
import queue
import sys
import threading
import urllib.error
import urllib.request

import grpc
import zstandard
from google.protobuf import any_pb2, duration_pb2, json_format
from google.rpc import error_details_pb2, status_pb2
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2 as service
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2_grpc as stubs

received = queue.SimpleQueue()
behaviour = {"answer": "accept"}
MESSAGE = "three are too many"
SMALL = 100 << 10


def store(protocol, coding, request):
    body = base64.b64encode(request.SerializeToString(deterministic=True)).decode()
    received.put({"protocol": protocol, "coding": coding, "body": body})


def answer():
    """The response, or None for a request that has to come again."""
    kind = behaviour["answer"]
    response = service.ExportTraceServiceResponse()
    if kind == "unavailable once":
        behaviour["answer"] = "accept"
        return None
    if kind == "partial":
        response.partial_success.rejected_spans = 3
        response.partial_success.error_message = MESSAGE
    return response


class Grpc(stubs.TraceServiceServicer):
    def Export(self, request, context):
        metadata = dict(context.invocation_metadata())
        response = answer()
        if response is None:
            retry = error_details_pb2.RetryInfo(retry_delay=duration_pb2.Duration(nanos=50_000_000))
            detail = any_pb2.Any()
            detail.Pack(retry)
            code = grpc.StatusCode.UNAVAILABLE
            status = status_pb2.Status(code=code.value[0], message="busy", details=[detail])
            pair = ("grpc-status-details-bin", status.SerializeToString())
            context.set_trailing_metadata((pair,))
            context.abort(code, "busy")
        # grpcio removes grpc-encoding from what a servicer sees.
        store("grpc", metadata.get("x-sent-as", ""), request)
        return response


class Http(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        coding = self.headers.get("content-encoding", "none")
        kind = self.headers["content-type"].split(";")[0]
        request = parse(kind, decompress(coding, body))
        response = answer()
        if response is None:
            self.send_response(503)
            self.send_header("retry-after", "0")
            self.send_header("content-length", "0")
            self.end_headers()
            return
        names = {"application/json": "http/json", "application/x-protobuf": "http/protobuf"}
        store(names[kind], coding, request)
        answered = response.SerializeToString()
        if kind == "application/json":
            answered = json_format.MessageToJson(response).encode()
        self.send_response(200)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(answered)))
        self.end_headers()
        self.wfile.write(answered)

    def log_message(self, *_arguments):
        pass


def decompress(coding, body):
    if coding == "gzip":
        return gzip.decompress(body)
    if coding == "zstd":
        return zstandard.ZstdDecompressor().decompressobj().decompress(body)
    assert coding == "none", coding
    return body


def compress(coding, body):
    if coding == "gzip":
        return gzip.compress(body)
    if coding == "zstd":
        return zstandard.ZstdCompressor().compress(body)
    return body


def parse(kind, body):
    request = service.ExportTraceServiceRequest()
    if kind == "application/json":
        # Strict: an unknown name is an error.
        json_format.ParseDict(with_ids(json.loads(body), base64_of_hex), request)
    else:
        request.ParseFromString(body)
    return request


def with_ids(request, convert):
    """OTLP/JSON has ids in hex, where the JSON of protobuf has base64."""
    for resource in request.get("resourceSpans", []):
        for scope in resource.get("scopeSpans", []):
            for span in scope.get("spans", []):
                for holder in [span, *span.get("links", [])]:
                    for name in ["traceId", "spanId", "parentSpanId"]:
                        if holder.get(name):
                            holder[name] = convert(holder[name])
    return request


def base64_of_hex(text):
    return base64.b64encode(bytes.fromhex(text)).decode()


def hex_of_base64(text):
    return base64.b64decode(text).hex()


def send(protocol, compression, port, body):
    request = parse("application/x-protobuf", base64.b64decode(body))
    if protocol == "grpc":
        coding = {"none": grpc.Compression.NoCompression, "gzip": grpc.Compression.Gzip}
        with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
            stub = stubs.TraceServiceStub(channel)
            response = stub.Export(request, timeout=20, compression=coding[compression])
        return {"rejected": response.partial_success.rejected_spans}
    kind = {"http/protobuf": "application/x-protobuf", "http/json": "application/json"}[protocol]
    encoded = request.SerializeToString()
    if protocol == "http/json":
        fields = json_format.MessageToDict(request, use_integers_for_enums=True)
        encoded = json.dumps(with_ids(fields, hex_of_base64)).encode()
    headers = {"content-type": kind}
    if compression != "none":
        headers["content-encoding"] = compression
    post = urllib.request.Request(
        f"http://127.0.0.1:{port}/v1/traces", compress(compression, encoded), headers
    )
    with urllib.request.urlopen(post, timeout=20) as answered:
        text = answered.read()
        response = service.ExportTraceServiceResponse()
        if answered.headers["content-type"].split(";")[0] == "application/json":
            json_format.Parse(text, response)
        else:
            response.ParseFromString(text)
    return {"rejected": response.partial_success.rejected_spans}


def do(command):
    kind = command.pop("do")
    if kind == "take":
        taken = []
        while not received.empty():
            taken.append(received.get())
        return {"requests": taken}
    if kind == "parse":
        parsed = parse("application/json", base64.b64decode(command["body"]))
        return {"body": base64.b64encode(parsed.SerializeToString()).decode()}
    if kind == "answer":
        behaviour["answer"] = command["answer"]
        return {}
    try:
        return send(**command)
    except urllib.error.HTTPError as error:
        return {"error": f"{error.code} {error.read()[:300]!r}"}
    except Exception as error:  # whatever the libraries raise is the result
        return {"error": repr(error)[:300]}


def main():
    workers = concurrent.futures.ThreadPoolExecutor(max_workers=4)
    server = grpc.server(workers)
    stubs.add_TraceServiceServicer_to_server(Grpc(), server)
    grpc_port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    small = grpc.server(workers, options=[("grpc.max_receive_message_length", SMALL)])
    stubs.add_TraceServiceServicer_to_server(Grpc(), small)
    small_port = small.add_insecure_port("127.0.0.1:0")
    small.start()
    web = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Http)
    threading.Thread(target=web.serve_forever, daemon=True).start()
    print(json.dumps({"grpc": grpc_port, "small": small_port, "http": web.server_port}), flush=True)
    for line in sys.stdin:
        print(json.dumps(do(json.loads(line))), flush=True)
    server.stop(0)
    small.stop(0)


main()
