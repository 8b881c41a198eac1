//! What happens to one request.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use bytes::Bytes;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE, EXPECT};
use http::{HeaderMap, HeaderValue, Method, Request, Response, Version, request};
use http_body::Body;
use spanwise_worker::catch_panic;
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;
use tokio::time::sleep;

use crate::answer::{Answer, Export, Handler, Protocol};
use crate::body;
use crate::budget::{Budget, Charge};
use crate::count::count_spans;
use crate::inflate::gunzip;
use crate::limits::Limits;
use crate::refusal::Refusal;
use crate::reply::Reply;
use crate::stats::{Counters, Stats};
use crate::watch::Watch;

/// What all connections of a receiver share.
pub(crate) struct Server {
    pub limits: Limits,
    pub counters: Arc<Counters>,
    pub budget: Arc<Budget>,
    handler: Handler,
    /// Decoders at once: each has some 40 KiB that no request is charged for.
    inflating: Semaphore,
}

impl Server {
    pub fn new(limits: Limits, handler: Handler) -> Self {
        let budget = Budget::new(limits.memory_bytes);
        let inflating = Semaphore::new(DECODERS);
        Self { limits, counters: Arc::default(), budget, handler, inflating }
    }

    pub fn stats(&self) -> Stats {
        let buffers = self.budget.buffers();
        self.counters.snapshot(self.budget.used().saturating_sub(buffers), buffers)
    }

    /// Answers `request`, whatever it is, and tells `watch` what it was worth.
    pub async fn serve<B>(&self, request: Request<B>, watch: &Watch) -> Response<Reply>
    where
        B: Body<Data = Bytes> + Unpin,
    {
        self.counters.requests.fetch_add(1, Relaxed);
        let (head, mut body) = request.into_parts();
        let route = Route::of(&head);
        let headers = head.headers;
        // Such a client sends its body only when asked to, and reading on would be asking.
        let mut waits = headers.contains_key(EXPECT);
        let mut owed = None;
        let place = Place::of(&headers, watch);
        let answer = match (place.take(), route.refused) {
            (Err(refusal), _) => {
                // There is no memory to wait with.
                waits = true;
                drop(headers);
                Err(refusal)
            }
            (Ok(()), Some(refusal)) => {
                drop(headers);
                Err(refusal)
            }
            (Ok(()), None) => {
                self.export(route.protocol, headers, &mut body, watch, &mut owed, &place).await
            }
        };
        // Headers and body are gone. The rest stays until the answer is out, and evicting it
        // would free nothing.
        let charge = &place.charge;
        charge.shrink_to(place.stream);
        charge.owe();
        let (delay, answer) = match answer {
            Ok(answer) => answer.settle(),
            Err(refusal) => {
                if !waits && !body.is_end_stream() {
                    body::drain(&mut body, &self.limits, charge, watch).await;
                }
                if refusal == Refusal::Overloaded && charge.has_arrived() {
                    // Ours to answer for, not the client's: it gets back what it paid.
                    watch.spend(-1);
                }
                refusal.answer().settle()
            }
        };
        if matches!(answer, Answer::Refuse { .. }) {
            self.counters.rejected_requests.fetch_add(1, Relaxed);
        }
        if !delay.is_zero() {
            sleep(delay).await;
        }
        drop(owed);
        let mut response = Reply::to(route.protocol, answer);
        response.body_mut().hold((place.stream > 0).then_some(place.charge));
        response
    }

    async fn export<'a, B>(
        &self,
        protocol: Protocol,
        mut headers: HeaderMap,
        body: &mut B,
        watch: &'a Watch,
        owed: &mut Option<Owed<'a>>,
        place: &Place,
    ) -> Result<Answer, Refusal>
    where
        B: Body<Data = Bytes> + Unpin,
    {
        let received = self.receive(protocol, &headers, body, watch, place).await;
        let (message, spans) = match received {
            Ok(received) => received,
            Err(refusal) => {
                if place.charge.is_evicted() {
                    self.counters.evicted_requests.fetch_add(1, Relaxed);
                }
                return Err(refusal);
            }
        };
        if let Handler::Users(_) = self.handler {
            // As they came they may be slices of a read buffer that is charged no more.
            headers.values_mut().for_each(copy);
        }
        let charge = place.charge.split(place.stream);
        charge.owe();
        *owed = Some(Owed::new(watch.charge()));
        if spans > 0 {
            watch.spend(-REQUEST_WORTH);
        }
        let export = Export { body: message, spans, protocol, headers };
        Ok(self.handle(export, charge).await)
    }

    /// An export's message and its spans, all that the handler needs memory for included.
    async fn receive<B>(
        &self,
        protocol: Protocol,
        headers: &HeaderMap,
        body: &mut B,
        watch: &Watch,
        place: &Place,
    ) -> Result<(Bytes, u64), Refusal>
    where
        B: Body<Data = Bytes> + Unpin,
    {
        let message = self.message(protocol, headers, body, watch, &place.charge).await?;
        let spans = count_spans(&message).await.map_err(Refusal::Malformed)?;
        if let Handler::Users(_) = self.handler {
            // It waits for the handler even when its client and its connection's own memory
            // are gone.
            place.charge.grow(place.free + JOB_BYTES).await?;
        }
        Ok((message, spans))
    }

    /// The export message as it was before framing and compression.
    async fn message<B>(
        &self,
        protocol: Protocol,
        headers: &HeaderMap,
        body: &mut B,
        watch: &Watch,
        charge: &Charge,
    ) -> Result<Bytes, Refusal>
    where
        B: Body<Data = Bytes> + Unpin,
    {
        let encoding = match protocol {
            Protocol::Http => Encoding::of(headers, CONTENT_ENCODING.as_str()),
            Protocol::Grpc => Encoding::of(headers, "grpc-encoding"),
        };
        // A gRPC client that names an encoding may still send a message without it.
        if protocol == Protocol::Http && encoding == Encoding::Unknown {
            return Err(Refusal::ContentEncoding);
        }
        let message = body::collect(body, protocol, &self.limits, charge, watch).await?;
        let (compressed, message) = match protocol {
            Protocol::Http => (encoding == Encoding::Gzip, message),
            Protocol::Grpc => body::unframe(message)?,
        };
        match (compressed, encoding) {
            (false, _) => Ok(message),
            (true, Encoding::Gzip) => {
                // Never closed.
                let _turn = self.inflating.acquire().await.map_err(|_| Refusal::Overloaded)?;
                gunzip(&message, self.limits.body_bytes, charge).await
            }
            (true, Encoding::Identity) => Err(Refusal::Broken("compressed without an encoding")),
            (true, Encoding::Unknown) => Err(Refusal::ContentEncoding),
        }
    }

    /// Asks the handler and counts what it takes. One that panics costs its request, and one that
    /// blocks its thread.
    async fn handle(&self, export: Export, charge: Charge) -> Answer {
        let (spans, bytes) = (export.spans, export.body.len() as u64);
        let handler = match &self.handler {
            Handler::Quick(handler) => {
                let answer = handler(export);
                self.counters.count_export(&answer, spans, bytes);
                return answer;
            }
            Handler::Users(handler) => Arc::clone(handler),
        };
        let counters = Arc::clone(&self.counters);
        let asking = move || {
            let answer = catch_panic(|| handler(export)).ok();
            // Here and not where the answer is awaited: nobody awaits it once the client has left.
            if let Some(answer) = &answer {
                counters.count_export(answer, spans, bytes);
            }
            drop(charge);
            answer
        };
        spawn_blocking(asking).await.ok().flatten().unwrap_or_else(|| Answer::Refuse {
            http_status: 500,
            grpc_code: INTERNAL,
            message: "the handler failed".to_owned(),
            retry_after: None,
        })
    }
}

/// What a request holds: its headers, its stream, and its body when that comes.
struct Place {
    charge: Charge,
    /// Bytes of headers that are to be charged.
    headers: usize,
    /// Bytes of headers that are part of what every connection may hold.
    free: usize,
    /// Bytes that stay until the answer is out.
    stream: usize,
}

impl Place {
    fn of(headers: &HeaderMap, watch: &Watch) -> Self {
        let names = headers.iter().map(|(name, value)| name.as_str().len() + value.len());
        let bytes = names.map(|bytes| 2 * bytes + HEADER_BYTES).sum::<usize>();
        let free = bytes.min(FREE_HEADER_BYTES);
        let stream = if watch.requests() > FREE_STREAMS { STREAM_BYTES } else { 0 };
        Self { charge: watch.charge().request(), headers: bytes - free, free, stream }
    }

    /// Charges what is there already: while it waited for memory it would take it.
    fn take(&self) -> Result<(), Refusal> {
        let bytes = self.headers + self.stream;
        if bytes == 0 || self.charge.try_grow(bytes) {
            return Ok(());
        }
        self.charge.ask_for(bytes);
        Err(Refusal::Overloaded)
    }
}

/// An answer that a connection waits for, until it is dropped.
struct Owed<'a>(&'a Charge);

impl<'a> Owed<'a> {
    fn new(connection: &'a Charge) -> Self {
        connection.owe();
        Self(connection)
    }
}

impl Drop for Owed<'_> {
    fn drop(&mut self) {
        self.0.settle();
    }
}

/// Where a request goes and in which protocol it is answered, even when refused.
struct Route {
    protocol: Protocol,
    refused: Option<Refusal>,
}

impl Route {
    fn of(head: &request::Parts) -> Self {
        let content_type = content_type(&head.headers);
        let speaks_grpc = content_type == "application/grpc"
            || content_type.starts_with("application/grpc+")
            || content_type.starts_with("application/grpc;");
        let (protocol, refused) = match head.uri.path() {
            HTTP_PATH if head.method != Method::POST => (Protocol::Http, Some(Refusal::Method)),
            HTTP_PATH if content_type != "application/x-protobuf" => {
                (Protocol::Http, Some(Refusal::ContentType))
            }
            HTTP_PATH => (Protocol::Http, None),
            // Who does not speak gRPC is told so in HTTP.
            GRPC_PATH if head.method != Method::POST => (Protocol::Http, Some(Refusal::Method)),
            GRPC_PATH if !speaks_grpc => (Protocol::Http, Some(Refusal::ContentType)),
            GRPC_PATH if head.version != Version::HTTP_2 => {
                (Protocol::Http, Some(Refusal::HttpVersion))
            }
            GRPC_PATH => (Protocol::Grpc, None),
            _ if speaks_grpc && head.version == Version::HTTP_2 => {
                (Protocol::Grpc, Some(Refusal::NotFound))
            }
            _ => (Protocol::Http, Some(Refusal::NotFound)),
        };
        Self { protocol, refused }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Encoding {
    Identity,
    Gzip,
    Unknown,
}

impl Encoding {
    /// RFC 9110, 8.4: a list in any number of lines, in any case, whose empty members (5.6.1) and
    /// `identity` say nothing; `x-gzip` is `gzip` (8.4.1.3).
    ///
    /// More than one coding is none of ours: nobody has a reason to send one, and each would have to
    /// be held to the limits.
    fn of(headers: &HeaderMap, name: &str) -> Self {
        let mut found = Self::Identity;
        let lines = headers.get_all(name).iter();
        for coding in lines.flat_map(|line| line.as_bytes().split(|&byte| byte == b',')) {
            let coding = coding.trim_ascii();
            if coding.is_empty() || coding.eq_ignore_ascii_case(b"identity") {
                continue;
            }
            let is_gzip =
                coding.eq_ignore_ascii_case(b"gzip") || coding.eq_ignore_ascii_case(b"x-gzip");
            if !is_gzip || found != Self::Identity {
                return Self::Unknown;
            }
            found = Self::Gzip;
        }
        found
    }
}

/// The media type in lower case without parameters; empty if there is none or two.
fn content_type(headers: &HeaderMap) -> String {
    let mut values = headers.get_all(CONTENT_TYPE).iter();
    let (Some(value), None) = (values.next(), values.next()) else { return String::new() };
    let text = value.to_str().unwrap_or_default();
    text.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

fn copy(value: &mut HeaderValue) {
    let is_sensitive = value.is_sensitive();
    if let Ok(copied) = HeaderValue::from_bytes(value.as_bytes()) {
        *value = copied;
        value.set_sensitive(is_sensitive);
    }
}

const HTTP_PATH: &str = "/v1/traces";
const GRPC_PATH: &str = "/opentelemetry.proto.collector.trace.v1.TraceService/Export";
const INTERNAL: u16 = 13;
const DECODERS: usize = 8;
/// Tokens that an export brings: its frames, and a ping and window updates around it.
const REQUEST_WORTH: i64 = 8;
/// Requests of a connection that are part of its own 128 KiB, and what any other takes with its
/// answer.
const FREE_STREAMS: usize = 8;
const STREAM_BYTES: usize = 12 << 10;
/// Headers that are part of it too, and what each takes in a map.
const FREE_HEADER_BYTES: usize = 4 << 10;
const HEADER_BYTES: usize = 256;
/// What an export that waits for the handler takes beside its headers and its body: its task,
/// the map without entries, its charges.
const JOB_BYTES: usize = 2 << 10;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::refusal::Refusal::*;

    fn route(method: &str, path: &str, content_type: &str, version: Version) -> Route {
        let mut request = Request::builder().method(method).uri(path).version(version);
        if !content_type.is_empty() {
            request = request.header("content-type", content_type);
        }
        Route::of(&request.body(()).unwrap().into_parts().0)
    }

    #[test]
    fn routes() {
        use Protocol::{Grpc, Http};
        const OTHER: &str = "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export";
        let table = [
            ("POST", HTTP_PATH, "application/x-protobuf", Http, None),
            ("POST", HTTP_PATH, "application/x-protobuf; charset=x", Http, None),
            ("POST", HTTP_PATH, "Application/X-Protobuf", Http, None),
            ("POST", "/v1/traces?x=y", "application/x-protobuf", Http, None),
            ("GET", HTTP_PATH, "application/x-protobuf", Http, Some(Method)),
            ("POST", HTTP_PATH, "application/json", Http, Some(ContentType)),
            ("POST", HTTP_PATH, "application/grpc", Http, Some(ContentType)),
            ("POST", HTTP_PATH, "", Http, Some(ContentType)),
            ("POST", "/v1/metrics", "application/x-protobuf", Http, Some(NotFound)),
            ("POST", "/v1/traces/", "application/x-protobuf", Http, Some(NotFound)),
            ("POST", "/", "", Http, Some(NotFound)),
            ("POST", GRPC_PATH, "application/grpc", Grpc, None),
            ("POST", GRPC_PATH, "application/grpc+proto", Grpc, None),
            ("POST", GRPC_PATH, "application/grpcish", Http, Some(ContentType)),
            ("POST", GRPC_PATH, "application/x-protobuf", Http, Some(ContentType)),
            ("GET", GRPC_PATH, "application/grpc", Http, Some(Method)),
            ("POST", OTHER, "application/grpc", Grpc, Some(NotFound)),
        ];
        for (method, path, content_type, protocol, refused) in table {
            let route = route(method, path, content_type, Version::HTTP_2);
            assert_eq!((route.protocol, route.refused), (protocol, refused), "{method} {path}");
        }
        let old = route("POST", GRPC_PATH, "application/grpc", Version::HTTP_11);
        assert_eq!((old.protocol, old.refused), (Http, Some(HttpVersion)));
    }
}
