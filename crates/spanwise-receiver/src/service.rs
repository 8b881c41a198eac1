//! The service that handles one request.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
#[cfg(feature = "tls")]
use std::sync::{Mutex, PoisonError};

use bytes::Bytes;
use http::header::{CONTENT_ENCODING, EXPECT};
use http::{HeaderMap, HeaderValue, Request, Response};
use http_body::Body;
use spanwise_worker::catch_panic;
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;
use tokio::time::sleep;

use crate::answer::{Answer, Export, Handler, Interceptor, Protocol};
use crate::body;
use crate::budget::{Budget, Charge};
use crate::count::count_spans;
use crate::encoding::Encoding;
use crate::grpc_frame::unframe;
use crate::headers::Headers;
use crate::inflate::gunzip;
#[cfg(feature = "zstd")]
use crate::inflate_zstd::unzstd;
use crate::json::transcode;
use crate::limits::Limits;
use crate::refusal::Refusal;
use crate::reply::Reply;
use crate::request_charge::{PendingResponse, RequestCharge};
use crate::route::Route;
use crate::stats::{Counters, Stats};
#[cfg(feature = "tls")]
use crate::tls::TlsServer;
use crate::watch::Watch;

/// The state that all connections of a receiver share.
pub(crate) struct Server {
    pub limits: Limits,
    pub counters: Arc<Counters>,
    pub budget: Arc<Budget>,
    handler: Handler,
    interceptor: Option<Interceptor>,
    /// `None` for plain text.
    #[cfg(feature = "tls")]
    tls: Option<Mutex<TlsServer>>,
    /// Concurrent decoders: each uses some 40 KiB that no request is charged for.
    inflating: Semaphore,
}

/// An export request while its message is received.
struct Incoming<'r, 'w, B> {
    protocol: Protocol,
    headers: HeaderMap,
    body: &'r mut B,
    watch: &'w Watch,
    charged: &'r RequestCharge,
}

impl Server {
    pub fn new(
        limits: Limits,
        (handler, interceptor): (Handler, Option<Interceptor>),
        #[cfg(feature = "tls")] tls: Option<TlsServer>,
    ) -> Self {
        let budget = Budget::new(limits.memory_bytes);
        let inflating = Semaphore::new(DECODERS);
        Self {
            limits,
            counters: Arc::default(),
            budget,
            handler,
            interceptor,
            #[cfg(feature = "tls")]
            tls: tls.map(Mutex::new),
            inflating,
        }
    }

    /// Whether connections begin with a TLS handshake.
    pub fn is_tls(&self) -> bool {
        #[cfg(feature = "tls")]
        return self.tls.is_some();
        #[cfg(not(feature = "tls"))]
        false
    }

    /// The sessions of the next connection; `None` for plain text.
    #[cfg(feature = "tls")]
    pub fn tls(&self) -> Option<TlsServer> {
        let tls = self.tls.as_ref()?.lock();
        Some(tls.unwrap_or_else(PoisonError::into_inner).clone())
    }

    /// Replaces the sessions of the next connections, if there are any.
    #[cfg(feature = "tls")]
    pub fn set_tls(&self, next: TlsServer) {
        if let Some(tls) = &self.tls {
            *tls.lock().unwrap_or_else(PoisonError::into_inner) = next;
        }
    }

    pub fn stats(&self) -> Stats {
        self.counters.snapshot(&self.budget)
    }

    /// Serves any `request`, and charges or refunds its tokens in `watch`.
    pub async fn serve<B>(&self, request: Request<B>, watch: &Watch) -> Response<Reply>
    where
        B: Body<Data = Bytes> + Unpin,
    {
        self.counters.requests.fetch_add(1, Relaxed);
        let (head, mut body) = request.into_parts();
        let route = Route::of(&head);
        let mut headers = head.headers;
        // Such a client sends its body only on request, and reading on would request it.
        let mut skips_body = headers.contains_key(EXPECT);
        let mut pending = None;
        let charged = RequestCharge::of(&headers, watch);
        let answer = match (charged.try_charge(), route.refused) {
            (Err(refusal), _) => {
                // No memory is left for reading the body.
                skips_body = true;
                drop(headers);
                Err(refusal)
            }
            (Ok(()), Some(refusal)) => {
                drop(headers);
                Err(refusal)
            }
            (Ok(()), None) => match self.intercept(&mut headers) {
                Ok(()) => {
                    let (protocol, body, charged) = (route.protocol, &mut body, &charged);
                    let incoming = Incoming { protocol, headers, body, watch, charged };
                    self.export(incoming, &mut pending).await
                }
                Err(answer) => {
                    drop(headers);
                    if !skips_body && !body.is_end_stream() {
                        body::drain(&mut body, &self.limits, &charged.charge, watch).await;
                    }
                    if answer.asks_for_retry() {
                        // As of an overload below.
                        watch.spend(-1);
                    }
                    Ok(answer)
                }
            },
        };
        // Headers and body are freed. The remaining bytes are held until the response is sent, and an
        // eviction would not free them.
        let charge = &charged.charge;
        charge.shrink_to(charged.stream);
        charge.begin_response();
        let (delay, answer) = match answer {
            Ok(answer) => answer.into_parts(),
            Err(refusal) => {
                if !skips_body && !body.is_end_stream() {
                    body::drain(&mut body, &self.limits, charge, watch).await;
                }
                if refusal == Refusal::Overloaded && charge.has_received() {
                    // The receiver caused this, not the client: it gets its token back.
                    watch.spend(-1);
                }
                refusal.answer().into_parts()
            }
        };
        if matches!(answer, Answer::Refuse { .. }) {
            self.counters.rejected_requests.fetch_add(1, Relaxed);
        }
        if !delay.is_zero() {
            sleep(delay).await;
        }
        drop(pending);
        let mut response = Reply::to(route.protocol, answer);
        response.body_mut().hold((charged.stream > 0).then_some(charged.charge));
        response
    }

    /// Asks the interceptor, if there is one. Its panic rejects the request.
    fn intercept(&self, headers: &mut HeaderMap) -> Result<(), Answer> {
        let Some(interceptor) = &self.interceptor else { return Ok(()) };
        let given = Headers::new(std::mem::take(headers));
        let result = catch_panic(|| interceptor(&given)).unwrap_or_else(|_| Err(failed()));
        *headers = given.into_map();
        result
    }

    async fn export<'a, B>(
        &self,
        mut incoming: Incoming<'_, 'a, B>,
        pending: &mut Option<PendingResponse<'a>>,
    ) -> Result<Answer, Refusal>
    where
        B: Body<Data = Bytes> + Unpin,
    {
        let received = self.receive(&mut incoming).await;
        let Incoming { protocol, mut headers, watch, charged, .. } = incoming;
        let (message, spans) = match received {
            Ok(received) => received,
            Err(refusal) => {
                if charged.charge.is_evicted() {
                    self.counters.evicted_requests.fetch_add(1, Relaxed);
                }
                return Err(refusal);
            }
        };
        if let Handler::Blocking(_) = self.handler {
            // The values may be slices of a read buffer that is no longer charged.
            headers.values_mut().for_each(copy);
        }
        let charge = charged.charge.split(charged.stream);
        charge.begin_response();
        *pending = Some(PendingResponse::new(watch.charge()));
        if spans > 0 {
            watch.spend(-EXPORT_REFUND);
        }
        let export = Export { body: message, spans, protocol, headers: Headers::new(headers) };
        Ok(self.handle(export, charge).await)
    }

    /// Receives the message of an export and counts its spans; also charges the memory that the handler
    /// needs.
    async fn receive<B>(&self, incoming: &mut Incoming<'_, '_, B>) -> Result<(Bytes, u64), Refusal>
    where
        B: Body<Data = Bytes> + Unpin,
    {
        let mut message = self.message(incoming).await?;
        if incoming.protocol == Protocol::HttpJson {
            let charge = &incoming.charged.charge;
            message = transcode(message, self.limits.body_bytes, charge).await?;
        }
        let spans = count_spans(&message).await.map_err(Refusal::Malformed)?;
        if let Handler::Blocking(_) = self.handler {
            // The export waits for the handler even after its client has closed and the memory of its
            // connection is freed.
            let charged = incoming.charged;
            charged.charge.grow(charged.free + JOB_BYTES).await?;
        }
        Ok((message, spans))
    }

    /// The export message without framing and compression.
    async fn message<B>(&self, incoming: &mut Incoming<'_, '_, B>) -> Result<Bytes, Refusal>
    where
        B: Body<Data = Bytes> + Unpin,
    {
        let Incoming { protocol, headers, body, watch, charged } = incoming;
        let (protocol, charge) = (*protocol, &charged.charge);
        let encoding = match protocol {
            Protocol::Http | Protocol::HttpJson => Encoding::of(headers, CONTENT_ENCODING.as_str()),
            Protocol::Grpc => Encoding::of(headers, "grpc-encoding"),
        };
        // A gRPC client that names an encoding may still send an uncompressed message.
        if protocol != Protocol::Grpc && encoding == Encoding::Unknown {
            return Err(Refusal::ContentEncoding);
        }
        let message = body::collect(body, protocol, &self.limits, charge, watch).await?;
        let (compressed, message) = match protocol {
            Protocol::Http | Protocol::HttpJson => (encoding != Encoding::Identity, message),
            Protocol::Grpc => unframe(message)?,
        };
        match (compressed, encoding) {
            (false, _) => Ok(message),
            (true, Encoding::Gzip) => {
                // The semaphore is never closed.
                let _permit = self.inflating.acquire().await.map_err(|_| Refusal::Overloaded)?;
                gunzip(&message, self.limits.body_bytes, charge).await
            }
            #[cfg(feature = "zstd")]
            (true, Encoding::Zstd) => {
                let _permit = self.inflating.acquire().await.map_err(|_| Refusal::Overloaded)?;
                unzstd(&message, self.limits.body_bytes, charge).await
            }
            #[cfg(not(feature = "zstd"))]
            (true, Encoding::Zstd) => Err(Refusal::ContentEncoding),
            (true, Encoding::Identity) => Err(Refusal::Broken("compressed without an encoding")),
            (true, Encoding::Unknown) => Err(Refusal::ContentEncoding),
        }
    }

    /// Calls the handler and counts the spans it accepts. A panic rejects the request; a handler that
    /// blocks occupies its thread.
    async fn handle(&self, export: Export, charge: Charge) -> Answer {
        let (spans, bytes) = (export.spans, export.body.len() as u64);
        let handler = match &self.handler {
            Handler::Inline(handler) => {
                let answer = catch_panic(|| handler(export)).unwrap_or_else(|_| failed());
                self.counters.count_export(&answer, spans, bytes);
                return answer;
            }
            Handler::Blocking(handler) => Arc::clone(handler),
        };
        let counters = Arc::clone(&self.counters);
        let call = move || {
            let answer = catch_panic(|| handler(export)).ok();
            // Counted here and not after the await, because no task awaits it once the client has closed.
            if let Some(answer) = &answer {
                counters.count_export(answer, spans, bytes);
            }
            drop(charge);
            answer
        };
        spawn_blocking(call).await.ok().flatten().unwrap_or_else(failed)
    }
}

/// The answer for a handler or an interceptor that panicked.
fn failed() -> Answer {
    Answer::Refuse {
        http_status: 500,
        grpc_code: INTERNAL,
        message: "the handler failed".to_owned(),
        retry_after: None,
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
/// Tokens that an export refunds: its frames, and a ping and window updates around it.
const EXPORT_REFUND: i64 = 8;
/// Bytes of an export that waits for the handler, beside its headers and its body: its task, the map
/// without entries, its charges.
const JOB_BYTES: usize = 2 << 10;
