//! What happens to one request.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use bytes::Bytes;
use http::header::{CONTENT_ENCODING, EXPECT};
use http::{HeaderMap, HeaderValue, Request, Response};
use http_body::Body;
use spanwise_worker::catch_panic;
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;
use tokio::time::sleep;

use crate::answer::{Answer, Export, Handler, Protocol};
use crate::body;
use crate::budget::{Budget, Charge};
use crate::count::count_spans;
use crate::grpc_frame::unframe;
use crate::headers::Headers;
use crate::inflate::gunzip;
use crate::limits::Limits;
use crate::place::{Owed, Place};
use crate::refusal::Refusal;
use crate::reply::Reply;
use crate::route::{Encoding, Route};
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
        let export = Export { body: message, spans, protocol, headers: Headers::new(headers) };
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
            Protocol::Grpc => unframe(message)?,
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

fn copy(value: &mut HeaderValue) {
    let is_sensitive = value.is_sensitive();
    if let Ok(copied) = HeaderValue::from_bytes(value.as_bytes()) {
        *value = copied;
        value.set_sensitive(is_sensitive);
    }
}

const INTERNAL: u16 = 13;
const DECODERS: usize = 8;
/// Tokens that an export brings: its frames, and a ping and window updates around it.
const REQUEST_WORTH: i64 = 8;
/// What an export that waits for the handler takes beside its headers and its body: its task,
/// the map without entries, its charges.
const JOB_BYTES: usize = 2 << 10;
