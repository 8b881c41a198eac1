//! A peer on loopback that answers HTTP/1.1 with fixed bytes and records the requests.

#![allow(dead_code, reason = "each test binary uses its part")]

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTracePartialSuccess, ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span};
use prost::Message as _;
#[cfg(feature = "tokio")]
use spanwise_transport::{Delivery, Transport};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;

/// The reaction of the peer to one request.
#[derive(Debug, Clone)]
pub enum Act {
    /// Reads the request, writes these bytes, leaves the connection open.
    Answer(Vec<u8>),
    /// The same, then closes.
    AnswerAndClose(Vec<u8>),
    /// Reads the request, writes the first bytes, then one byte every 10 ms forever.
    Drip(Vec<u8>),
    /// Reads the request, writes the first bytes, then zeros forever.
    Flood(Vec<u8>),
    /// Closes after this number of bytes of the request, at least one.
    Close(usize),
    /// Reads on and never answers.
    Hold,
}

/// One request as received.
#[derive(Debug, Clone)]
pub struct ReceivedRequest {
    pub head: String,
    pub body: Vec<u8>,
}

#[derive(Debug, Default)]
struct State {
    acts: VecDeque<Act>,
    received: Vec<ReceivedRequest>,
    /// Every received byte, including those of incomplete requests.
    raw: Vec<u8>,
    connections: usize,
    open: usize,
    /// The maximum number of connections open at once.
    max_open: usize,
}

/// Accepts connections as long as the runtime of the test runs.
#[derive(Debug, Clone)]
pub struct Peer {
    pub address: SocketAddr,
    state: Arc<Mutex<State>>,
    /// A connection came to its end.
    pub closed: Arc<Notify>,
    /// A request was read to its end.
    pub read: Arc<Notify>,
}

impl Peer {
    /// Performs `acts`, one per request, the last forever.
    pub async fn new(acts: impl IntoIterator<Item = Act>) -> Self {
        Self::with(acts, |stream| async move { Some(stream) }).await
    }

    /// The same, but a close is a reset.
    pub async fn resetting(acts: impl IntoIterator<Item = Act>) -> Self {
        Self::with(acts, |stream: TcpStream| async move {
            stream.set_zero_linger().unwrap();
            Some(stream)
        })
        .await
    }

    /// The same, over the stream that `accept` makes of each connection.
    pub async fn with<S, F>(
        acts: impl IntoIterator<Item = Act>,
        accept: impl Fn(TcpStream) -> F + Send + 'static,
    ) -> Self
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
        F: Future<Output = Option<S>> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let state = State { acts: acts.into_iter().collect(), ..State::default() };
        let peer = Self {
            address: listener.local_addr().unwrap(),
            state: Arc::new(Mutex::new(state)),
            closed: Arc::default(),
            read: Arc::default(),
        };
        let shared = peer.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                {
                    let mut state = shared.state.lock().unwrap();
                    state.connections += 1;
                    state.open += 1;
                    state.max_open = state.max_open.max(state.open);
                }
                let (peer, accepting) = (shared.clone(), accept(stream));
                tokio::spawn(async move {
                    if let Some(stream) = accepting.await {
                        peer.serve(stream).await;
                    }
                    peer.state.lock().unwrap().open -= 1;
                    peer.closed.notify_one();
                });
            }
        });
        peer
    }

    pub fn url(&self) -> String {
        format!("http://{}/v1/traces", self.address)
    }

    pub fn received(&self) -> Vec<ReceivedRequest> {
        self.state.lock().unwrap().received.clone()
    }

    pub fn raw(&self) -> Vec<u8> {
        self.state.lock().unwrap().raw.clone()
    }

    pub fn connections(&self) -> usize {
        self.state.lock().unwrap().connections
    }

    pub fn max_open(&self) -> usize {
        self.state.lock().unwrap().max_open
    }

    async fn serve(&self, mut stream: impl AsyncRead + AsyncWrite + Unpin) {
        let mut request = Vec::new();
        // An act is drawn when a request begins, not when its connection does.
        while self.read_up_to(&mut stream, &mut request, 1).await {
            let act = {
                let acts = &mut self.state.lock().unwrap().acts;
                if acts.len() > 1 { acts.pop_front().unwrap() } else { acts[0].clone() }
            };
            if let Act::Close(after) = act {
                self.read_up_to(&mut stream, &mut request, after).await;
                return;
            }
            let Some(received) = self.read_request(&mut stream, &mut request).await else { return };
            self.state.lock().unwrap().received.push(received);
            self.read.notify_one();
            match act {
                Act::Answer(bytes) => stream.write_all(&bytes).await.unwrap_or(()),
                Act::AnswerAndClose(bytes) => {
                    stream.write_all(&bytes).await.unwrap_or(());
                    let _ = stream.shutdown().await;
                    return;
                }
                Act::Drip(bytes) => {
                    stream.write_all(&bytes).await.unwrap_or(());
                    while stream.write_all(&[0]).await.is_ok() {
                        tokio::time::sleep(Duration::from_millis(10)).await;
                    }
                    return;
                }
                Act::Flood(bytes) => {
                    stream.write_all(&bytes).await.unwrap_or(());
                    while stream.write_all(&[0; 4096]).await.is_ok() {}
                    return;
                }
                Act::Hold => {
                    while self.read_some(&mut stream, &mut request).await {}
                    return;
                }
                Act::Close(_) => return,
            }
        }
    }

    async fn read_request(
        &self,
        stream: &mut (impl AsyncRead + Unpin),
        request: &mut Vec<u8>,
    ) -> Option<ReceivedRequest> {
        let head = loop {
            match request.windows(4).position(|four| four == b"\r\n\r\n") {
                Some(end) => break String::from_utf8(request[..end].to_vec()).ok()?,
                None if self.read_some(stream, request).await => {}
                None => return None,
            }
        };
        let body = header(&head, "content-length").unwrap_or("0").parse::<usize>().ok()?;
        let end = head.len() + 4 + body;
        if !self.read_up_to(stream, request, end).await {
            return None;
        }
        let rest = request.split_off(end);
        let whole = std::mem::replace(request, rest);
        Some(ReceivedRequest { body: whole[head.len() + 4..].to_vec(), head })
    }

    async fn read_some(&self, stream: &mut (impl AsyncRead + Unpin), to: &mut Vec<u8>) -> bool {
        let want = to.len() + 64 * 1024;
        let mut chunk = vec![0; want - to.len()];
        match stream.read(&mut chunk).await {
            Ok(read @ 1..) => {
                to.extend_from_slice(&chunk[..read]);
                self.state.lock().unwrap().raw.extend_from_slice(&chunk[..read]);
                true
            }
            _ => false,
        }
    }

    async fn read_up_to(
        &self,
        stream: &mut (impl AsyncRead + Unpin),
        to: &mut Vec<u8>,
        len: usize,
    ) -> bool {
        while to.len() < len {
            let mut chunk = vec![0; len - to.len()];
            match stream.read(&mut chunk).await {
                Ok(read @ 1..) => {
                    to.extend_from_slice(&chunk[..read]);
                    self.state.lock().unwrap().raw.extend_from_slice(&chunk[..read]);
                }
                _ => return false,
            }
        }
        true
    }
}

impl ReceivedRequest {
    pub fn header(&self, name: &str) -> Option<&str> {
        header(&self.head, name)
    }
}

fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    head.lines()
        .skip(1)
        .filter_map(|line| line.split_once(": "))
        .find_map(|(key, value)| key.eq_ignore_ascii_case(name).then_some(value))
}

/// A whole HTTP answer.
pub fn answer(status: u16, headers: &str, body: &[u8]) -> Vec<u8> {
    let head = format!("HTTP/1.1 {status} Any\r\n{headers}content-length: {}\r\n\r\n", body.len());
    [head.as_bytes(), body].concat()
}

pub fn ok() -> Act {
    Act::Answer(answer(200, "content-type: application/x-protobuf\r\n", b""))
}

/// A request of `spans` spans.
pub fn request(spans: usize) -> Vec<u8> {
    let span = |n: usize| Span { name: format!("span {n}"), ..Span::default() };
    let scope = ScopeSpans { spans: (0..spans).map(span).collect(), ..ScopeSpans::default() };
    let resource = ResourceSpans { scope_spans: vec![scope], ..ResourceSpans::default() };
    ExportTraceServiceRequest { resource_spans: vec![resource] }.encode_to_vec()
}

pub fn partial_success(rejected: i64, message: &str) -> Vec<u8> {
    let partial =
        ExportTracePartialSuccess { rejected_spans: rejected, error_message: message.to_owned() };
    ExportTraceServiceResponse { partial_success: Some(partial) }.encode_to_vec()
}

#[cfg(feature = "tokio")]
/// Sends a request of three spans, with half a minute until it is cancelled.
pub async fn send(transport: &Transport) -> Delivery {
    let cancel_at = std::time::Instant::now() + Duration::from_secs(30);
    transport.send_until(request(3), cancel_at).await
}
