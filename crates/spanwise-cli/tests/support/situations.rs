//! The situations in which no span arrives, or only some: each with a peer, the variables, and the sentence that names it.

use super::refusals;
use super::{answering, end, greeting, read_request, response, secure, wait_for_end};
use spanwise_receiver::{Answer, Receiver};
use spanwise_testkit::pki::Template;
use spanwise_testkit::{ClosedPort, Peer};
use std::any::Any;
use std::io::Write as _;

/// One situation.
pub struct Situation {
    /// A heading of `docs/troubleshooting.md`.
    pub name: &'static str,
    /// The variables of the program.
    pub variables: Vec<(&'static str, String)>,
    /// The check that names the problem.
    pub check: &'static str,
    pub status: &'static str,
    /// Its finding; `{port}` stands for the port of the peer.
    pub finding: &'static str,
    /// A part of its fix; empty for none.
    pub fix: &'static str,
    /// The peer's own port, for `{port}`.
    pub port: u16,
    /// Peers and files, alive until the situation is dropped.
    _alive: Box<dyn Any>,
}

impl Situation {
    pub(super) fn new(name: &'static str, port: u16, alive: impl Any) -> Self {
        Self {
            name,
            variables: Vec::new(),
            check: "span",
            status: "failed",
            finding: "",
            fix: "",
            port,
            _alive: Box::new(alive),
        }
    }

    /// Sets a variable, in place of an earlier value.
    pub(super) fn set(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.variables.retain(|(known, _)| *known != name);
        self.variables.push((name, value.into().replace("{port}", &self.port.to_string())));
        self
    }

    pub(super) fn names(
        mut self,
        check: &'static str,
        finding: &'static str,
        fix: &'static str,
    ) -> Self {
        (self.check, self.finding, self.fix) = (check, finding, fix);
        self
    }

    fn warns(mut self) -> Self {
        self.status = "warning";
        self
    }

    /// The finding with the port of the peer.
    pub fn finding(&self) -> String {
        self.finding.replace("{port}", &self.port.to_string())
    }
}

pub(super) const ENDPOINT: &str = "OTEL_EXPORTER_OTLP_ENDPOINT";
const TRACES_ENDPOINT: &str = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT";
const PROTOCOL: &str = "OTEL_EXPORTER_OTLP_PROTOCOL";
pub(super) const URL: &str = "http://127.0.0.1:{port}";

pub(super) fn peer(name: &'static str, peer: Peer) -> Situation {
    Situation::new(name, peer.address().port(), peer)
}

/// A peer that answers each request so.
pub(super) fn answer(name: &'static str, status: &str, headers: &str, body: &str) -> Situation {
    peer(name, answering(response(status, headers, body))).set(ENDPOINT, URL)
}

/// An OTLP receiver that answers each request so.
fn receiver(name: &'static str, answer: Answer) -> Situation {
    let receiver = Receiver::builder().with_handler(move |_| answer.clone()).start().unwrap();
    Situation::new(name, receiver.address().port(), receiver).set(ENDPOINT, URL)
}

/// An OTLP receiver over TLS; `trusts`: the variables name its authority.
pub(super) fn tls(name: &'static str, template: &Template, trusts: bool) -> Situation {
    let (receiver, file) = secure(template);
    let path = file.text();
    let situation = Situation::new(name, receiver.address().port(), (receiver, file))
        .set(ENDPOINT, "https://localhost:{port}");
    match trusts {
        true => situation.set("OTEL_EXPORTER_OTLP_CERTIFICATE", path),
        false => situation,
    }
}

/// A situation without a peer.
fn alone(name: &'static str) -> Situation {
    Situation::new(name, 4318, ())
}

/// All situations that the command sees from outside.
pub fn all() -> Vec<Situation> {
    let mut all = settings();
    all.extend(endpoints());
    all.extend(certificates());
    all.extend(answers());
    all.extend(refusals::all());
    all
}

fn settings() -> Vec<Situation> {
    let off = receiver("The sampler samples nothing", Answer::Accept);
    let few = receiver("The sampler samples few traces", Answer::Accept);
    vec![
        alone("The endpoint has no scheme").set(ENDPOINT, "localhost:4318").names(
            "configuration",
            "OTEL_EXPORTER_OTLP_ENDPOINT=`localhost:4318`: it has no scheme; write http://localhost:4318, or \
             https://localhost:4318 for TLS",
            "",
        ),
        alone("A header cannot be read")
            .set("OTEL_EXPORTER_OTLP_HEADERS", "authorization: Bearer s3cret")
            .names(
                "configuration",
                "OTEL_EXPORTER_OTLP_HEADERS=`[redacted]`: header entry 1 has no `=`; the form is \
                 `name=value,name2=value2`",
                "",
            ),
        alone("The SDK is disabled").set("OTEL_SDK_DISABLED", "true").names(
            "configuration",
            "the SDK is disabled and makes no spans",
            "unset OTEL_SDK_DISABLED",
        ),
        alone("The exporter is none").set("OTEL_TRACES_EXPORTER", "none").names(
            "configuration",
            "the exporter is none: spans have ids and are not exported",
            "unset OTEL_TRACES_EXPORTER",
        ),
        off.set("OTEL_TRACES_SAMPLER", "always_off").names(
            "sampling",
            "the sampler AlwaysOffSampler samples no new trace",
            "OTEL_TRACES_SAMPLER",
        ),
        few.set("OTEL_TRACES_SAMPLER", "traceidratio")
            .set("OTEL_TRACES_SAMPLER_ARG", "0.001")
            .names(
                "sampling",
                "the sampler ProbabilitySampler{0.001} samples one new trace of 1000",
                "raise the ratio",
            )
            .warns(),
    ]
}

fn endpoints() -> Vec<Situation> {
    let closed = closed_port();
    let missing = "The host name does not exist";
    vec![
        closed.set(ENDPOINT, URL).names(
            "connection",
            "connection refused",
            "is a collector listening at 127.0.0.1:{port}? OTLP/HTTP is usually on port 4318, OTLP/gRPC on 4317",
        ),
        alone(missing).set(ENDPOINT, "http://collector.invalid:4318").names(
            "DNS",
            "the host name cannot be resolved: ",
            "check the host name in the endpoint, collector.invalid:4318",
        ),
        // The first frames of a gRPC server that gets HTTP/1.1: SETTINGS and GOAWAY.
        peer("OTLP/HTTP to the port of gRPC", greeting(b"\0\0\0\x04\0\0\0\0\0\0\0\x08\x07\0\0\0\0\0\0\0\0\0\0\0\0\x01"))
            .set(ENDPOINT, URL)
            .names(
                "span",
                "no HTTP/1.1 answer: the port speaks HTTP/2",
                "this looks like the OTLP/gRPC port, usually 4317",
            ),
        answer("gRPC to the port of OTLP/HTTP", "400 Bad Request", "content-type: text/plain\r\n", "")
            .set(PROTOCOL, "grpc")
            .names(
                "span",
                "no HTTP/2 answer: the port speaks HTTP/1.1",
                "this looks like the OTLP/HTTP port, usually 4318",
            ),
        tls("http to a port of TLS", &Template::default(), false)
            .set(ENDPOINT, "http://localhost:{port}")
            .names(
                "span",
                "no HTTP/1.1 answer: the port speaks TLS",
                "use https:// instead of http:// in the endpoint",
            ),
        // The answer of a server of HTTP/1.1 to a TLS handshake.
        peer("https to a port without TLS", greeting(b"HTTP/1.1 400 Bad Request\r\n\r\n"))
            .set(ENDPOINT, "https://127.0.0.1:{port}")
            .names(
                "TLS",
                "the TLS handshake failed: the port speaks HTTP/1.1 without TLS",
                "use http:// instead of https:// in the endpoint",
            ),
        answer("The path is there twice", "404 Not Found", "", "404 page not found")
            .set(ENDPOINT, "http://127.0.0.1:{port}/v1/traces")
            .names(
                "span",
                "HTTP 404 Not Found: 404 page not found",
                "the endpoint's path is /v1/traces/v1/traces: /v1/traces is appended to OTEL_EXPORTER_OTLP_ENDPOINT",
            ),
        answer("The path is missing", "404 Not Found", "", "404 page not found")
            .set(TRACES_ENDPOINT, URL)
            .names(
                "span",
                "HTTP 404 Not Found: 404 page not found",
                "the endpoint's path is /; OTLP/HTTP receivers usually take traces at /v1/traces",
            ),
        answer("The proxy wants credentials", "407 Proxy Authentication Required", "", "")
            .set(ENDPOINT, "http://collector.example:4318")
            .set("HTTP_PROXY", "http://shop:s3cret@127.0.0.1:{port}")
            .names(
                "span",
                "HTTP 407 Proxy Authentication Required: the proxy http://[redacted]@127.0.0.1:{port} requires credentials that it \
                 accepts",
                "check the proxy, set by with_proxy or by HTTPS_PROXY and HTTP_PROXY",
            ),
        answer("The proxy makes no tunnel", "403 Forbidden", "", "")
            .set(ENDPOINT, "https://collector.example:4318")
            .set("HTTPS_PROXY", URL)
            .names(
                "connection",
                "the proxy http://127.0.0.1:{port}: ",
                "add collector.example:4318 to NO_PROXY",
            ),
    ]
}

/// A port without a listener.
fn closed_port() -> Situation {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build().unwrap();
    let port = runtime.block_on(async { ClosedPort::new().unwrap() });
    let number = port.address().unwrap().port();
    Situation::new("No collector is listening", number, (runtime, port))
}

fn certificates() -> Vec<Situation> {
    let other = Template { name: "other.test", ..Template::default() };
    let expired = Template { until: 2021, ..Template::default() };
    vec![
        tls("The certificate is one of another name", &other, true).names(
            "TLS",
            "the TLS handshake failed: the certificate is for another host name",
            "use a name that the certificate holds in the endpoint, instead of localhost:{port}",
        ),
        tls("The certificate has expired", &expired, true).names(
            "TLS",
            "the TLS handshake failed: the certificate has expired",
            "renew the certificate of the server, or correct the clock of this machine",
        ),
        tls("The certificate is of an unknown CA", &Template::default(), false).names(
            "TLS",
            "the TLS handshake failed: the certificate's issuer is not trusted",
            "OTEL_EXPORTER_OTLP_CERTIFICATE",
        ),
    ]
}

fn answers() -> Vec<Situation> {
    let html = "content-type: text/html\r\n";
    let partial = Answer::Partial { rejected: 1, message: "attribute limit".into() };
    vec![
        answer("A web server or a proxy answers", "200 OK", html, "<html>Sign in</html>").names(
            "span",
            "HTTP 200 OK, but the answer is not OTLP: its content type is text/html",
            "a web server, a login page or a proxy answers at this address, not an OTLP receiver",
        ),
        peer("The peer is no HTTP server", greeting(b"SSH-2.0-OpenSSH_9.6\r\n")).set(ENDPOINT, URL).names(
            "span",
            "no HTTP/1.1 answer: the peer speaks another protocol",
            "check port and scheme: OTLP/HTTP is usually on port 4318",
        ),
        answer("The credentials are missing", "401 Unauthorized", "", "no token").names(
            "span",
            "HTTP 401 Unauthorized: no token",
            "check the credentials, which go into headers, in code or by OTEL_EXPORTER_OTLP_HEADERS",
        ),
        answer("The credentials are not accepted", "403 Forbidden", "", "wrong tenant")
            .set("OTEL_EXPORTER_OTLP_HEADERS", "authorization=Bearer%20s3cret")
            .names(
                "span",
                "HTTP 403 Forbidden: wrong tenant",
                "check the credentials, which go into headers, in code or by OTEL_EXPORTER_OTLP_HEADERS",
            ),
        answer("The request is too large", "413 Payload Too Large", "", "limit is 64 bytes").names(
            "span",
            "the request is too large: limit is 64 bytes",
            "raise the receiver's limit of a request, or lower with_max_request_bytes",
        ),
        uncompressed().set("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip").names(
            "compression",
            "the receiver refuses gzip: HTTP 415 Unsupported Media Type; requests follow uncompressed",
            "choose a compression that the receiver accepts, or none",
        )
        .warns(),
        receiver("The receiver rejects the span", partial).names(
            "span",
            "the receiver took the request and rejected the span: attribute limit",
            "the message is the receiver's",
        ),
        answer("The clock is wrong", "200 OK", "date: Thu, 01 Jan 2099 00:00:00 GMT\r\n", "")
            .names("clock", "the clock of this machine is ", "synchronize the clock of this machine")
            .warns(),
        peer("The receiver does not answer", Peer::start(|stream| wait_for_end(&stream)).unwrap())
            .set(ENDPOINT, URL)
            .set("OTEL_EXPORTER_OTLP_TIMEOUT", "200")
            .names(
                "span",
                "no answer within 200ms",
                "the peer is connected and silent: check that the port is one of OTLP",
            ),
    ]
}

/// A situation of a configuration file.
pub struct OfFile {
    pub name: &'static str,
    pub file: String,
    /// The check that names the problem.
    pub check: &'static str,
    /// Its fix.
    pub fix: &'static str,
    pub alive: Box<dyn Any>,
}

/// Situations whose fix is in the file.
pub fn of_files() -> Vec<OfFile> {
    let of = |situation: Situation, provider: &str, check, fix| OfFile {
        name: situation.name,
        file: format!("file_format: \"1.1\"\n{provider}\n")
            .replace("{port}", &situation.port.to_string()),
        check,
        fix,
        alive: Box::new(situation),
    };
    let sent = |situation, exporter: &str, check, fix| {
        let provider = format!(
            "tracer_provider: {{ processors: [ {{ batch: {{ exporter: {{ {exporter} }} }} }} ] }}"
        );
        of(situation, &provider, check, fix)
    };
    const HTTP: &str = "otlp_http: { endpoint: 'http://127.0.0.1:{port}/v1/traces' }";
    let http1 = || {
        answer(
            "gRPC to the port of OTLP/HTTP",
            "400 Bad Request",
            "content-type: text/plain\r\n",
            "",
        )
    };
    let http2 = peer(
        "OTLP/HTTP to the port of gRPC",
        greeting(b"\0\0\0\x04\0\0\0\0\0\0\0\x08\x07\0\0\0\0\0\0\0\0\0\0\0\0\x01"),
    );
    let off = "tracer_provider: { sampler: { always_off: }, processors: [ { batch: { exporter: { otlp_http: { endpoint: \
               'http://127.0.0.1:{port}/v1/traces' } } } } ] }";
    vec![
        of(
            alone("The SDK is disabled"),
            "disabled: true",
            "configuration",
            "set `disabled` in the configuration file to false, or remove it",
        ),
        of(
            alone("The exporter is none"),
            "resource: {}",
            "configuration",
            "give `tracer_provider.processors` of the configuration file a processor with an exporter; in code it is \
             with_exporter",
        ),
        of(
            receiver("The sampler samples nothing", Answer::Accept),
            off,
            "sampling",
            "raise the ratio, or choose another sampler, by with_sampler or `tracer_provider.sampler` of the configuration \
             file",
        ),
        sent(
            http2,
            HTTP,
            "span",
            "this looks like the OTLP/gRPC port, usually 4317: choose the protocol grpc by the exporter otlp_grpc in the \
             configuration file, or the OTLP/HTTP port, usually 4318",
        ),
        sent(
            http1(),
            "otlp_grpc: { endpoint: '127.0.0.1:{port}', tls: { insecure: true } }",
            "span",
            "this looks like the OTLP/HTTP port, usually 4318: choose the protocol http/protobuf by the exporter otlp_http in \
             the configuration file, or the OTLP/gRPC port, usually 4317",
        ),
        sent(
            answer("The path is there twice", "404 Not Found", "", ""),
            "otlp_http: { endpoint: 'http://127.0.0.1:{port}/v1/traces/v1/traces' }",
            "span",
            "the endpoint's path is /v1/traces/v1/traces; the configuration file has the whole URL, and OTLP/HTTP receivers \
             usually take traces at /v1/traces, on port 4318",
        ),
        sent(
            answer("The credentials are missing", "401 Unauthorized", "", "no token"),
            HTTP,
            "span",
            "check the credentials, which go into headers, in code or by `headers` of the exporter in the configuration file",
        ),
        sent(
            tls("The certificate is of an unknown CA", &Template::default(), false),
            "otlp_http: { endpoint: 'https://localhost:{port}/v1/traces' }",
            "TLS",
            "if the certificate is signed by your own CA, trust it by `tls.ca_file` of the exporter in the configuration file",
        ),
        sent(
            uncompressed(),
            "otlp_http: { endpoint: 'http://127.0.0.1:{port}/v1/traces', compression: gzip }",
            "compression",
            "choose a compression that the receiver accepts, or none, by `compression` of the exporter in the configuration \
             file",
        ),
    ]
}

/// A receiver that refuses compressed requests and accepts others.
fn uncompressed() -> Situation {
    let refused = response("415 Unsupported Media Type", "", "");
    let accepted = response("200 OK", "", "");
    let port = Peer::start(move |mut stream| {
        let head = read_request(&mut stream);
        let answer = if head.contains("content-encoding") { &refused } else { &accepted };
        let _closed = stream.write_all(answer.as_bytes());
        end(&stream);
    })
    .unwrap();
    peer("The compression is refused", port).set(ENDPOINT, URL)
}
