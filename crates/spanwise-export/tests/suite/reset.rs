//! The connection is reset at every byte of one exchange, of the request and of the response: the ledger has one
//! outcome for each span, and none that contradicts what the receiver has.

use spanwise_export::Exporter;
use spanwise_ledger::{Counter, DropReason};
use spanwise_testkit::{decode, spans};
use spanwise_transport::{Endpoint, RetryPolicy, Transport};
use spanwise_wire::write::{SpanHeader, SpanWriter};
use spanwise_wire::{SpanId, SpanLimits, SpanMeta, TraceId};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

const LONG: Duration = Duration::from_secs(60);
const MS: Duration = Duration::from_millis(1);
/// With an empty partial success.
const RESPONSE: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-type: application/x-protobuf\r\n\
    content-length: 2\r\nconnection: close\r\n\r\n\x0a\x00";

/// The place of the reset.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reset {
    Never,
    /// After this number of bytes of the request.
    Request(usize),
    /// After the request and this number of bytes of the response.
    Response(usize),
}

/// A receiver that reads a request for each connection.
#[derive(Debug, Default)]
struct State {
    reset: Option<Reset>,
    /// Whether later connections are reset, too.
    is_forever: bool,
    /// The spans of whole requests.
    stored: Vec<u64>,
    /// Bytes of the last whole request.
    request_len: usize,
}

#[derive(Clone)]
struct Peer {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
}

impl Peer {
    fn start() -> Self {
        let state = Arc::<Mutex<State>>::default();
        let shared = state.clone();
        let (sender, address) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build();
            runtime.unwrap().block_on(async move {
                let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
                sender.send(listener.local_addr().unwrap()).unwrap();
                while let Ok((stream, _)) = listener.accept().await {
                    let reset = {
                        let mut state = shared.lock().unwrap();
                        let reset = state.reset.unwrap_or(Reset::Never);
                        if !state.is_forever {
                            state.reset = None;
                        }
                        reset
                    };
                    meet(stream, reset, &shared).await;
                }
            });
        });
        Self { address: address.recv().unwrap(), state }
    }
}

async fn meet(mut stream: TcpStream, reset: Reset, state: &Mutex<State>) {
    stream.set_zero_linger().unwrap();
    let most = if let Reset::Request(len) = reset { len } else { usize::MAX };
    let mut read = Vec::new();
    let mut body = None;
    while read.len() < most && body.is_none() {
        let mut bytes = vec![0; (most - read.len()).min(4096)];
        match stream.read(&mut bytes).await {
            Ok(0) | Err(_) => return,
            Ok(len) => read.extend_from_slice(&bytes[..len]),
        }
        body = whole_body(&read);
    }
    if let Some(body) = body {
        let mut state = state.lock().unwrap();
        state.request_len = read.len();
        let request = decode(body);
        let id = |id: &[u8]| u64::from_be_bytes(id.try_into().unwrap());
        state.stored.extend(spans(&request).map(|span| id(&span.span_id)));
    }
    let written = match reset {
        Reset::Request(_) => 0,
        Reset::Response(len) => len,
        Reset::Never => RESPONSE.len(),
    };
    if stream.write_all(&RESPONSE[..written]).await.is_err() {
        return;
    }
    if written == RESPONSE.len() {
        // A reset could overtake the response in the client's socket: wait for the client's end.
        let _closed = stream.read(&mut [0; 1]).await;
    } else if written > 0 {
        // The client reads what it gets before the reset: on loopback it has arrived.
        tokio::task::yield_now().await;
    }
}

/// The body of the request, once all of it was read.
fn whole_body(read: &[u8]) -> Option<&[u8]> {
    let end = read.windows(4).position(|four| four == b"\r\n\r\n")? + 4;
    let head = std::str::from_utf8(&read[..end]).unwrap().to_ascii_lowercase();
    let len = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap();
    read.get(end..end + len.parse::<usize>().unwrap())
}

struct Exchange {
    exporter: Exporter,
    peer: Peer,
    next: u64,
    writer: SpanWriter,
}

impl Exchange {
    fn new(request_timeout: Duration) -> Self {
        let peer = Peer::start();
        let url = format!("http://{}/v1/traces", peer.address);
        let transport = Transport::builder()
            .with_endpoint(Endpoint::parse("ENDPOINT", &url).unwrap())
            .with_retry(RetryPolicy::default().with_initial(MS).with_cap(MS))
            .with_request_timeout(request_timeout)
            .build()
            .unwrap();
        let exporter = Exporter::builder(transport).build().unwrap();
        Self { exporter, peer, next: 0, writer: SpanWriter::new() }
    }

    /// Sends one span, whose connections are reset. Returns its id.
    fn send(&mut self, reset: Reset, is_forever: bool) -> u64 {
        {
            let mut state = self.peer.state.lock().unwrap();
            (state.reset, state.is_forever) = (Some(reset), is_forever);
        }
        self.next += 1;
        self.writer.begin(&SpanLimits::default(), "span");
        let span_id = SpanId(self.next);
        let header = SpanHeader { trace_id: TraceId(1), span_id, ..SpanHeader::default() };
        self.exporter.push(&self.writer.finish(&header), SpanMeta::default());
        self.exporter.flush_timeout(LONG).unwrap();
        self.exporter.snapshot().check().unwrap();
        self.next
    }

    /// Each place of an exchange at which it can be reset.
    fn resets(&mut self) -> Vec<Reset> {
        self.send(Reset::Never, false);
        let len = self.peer.state.lock().unwrap().request_len;
        assert!((150..2_000).contains(&len), "{len} bytes of a request");
        let request = (0..=len).map(Reset::Request);
        request.chain((0..RESPONSE.len()).map(Reset::Response)).collect()
    }

    fn copies(&self, id: u64) -> usize {
        self.peer.state.lock().unwrap().stored.iter().filter(|&&stored| stored == id).count()
    }
}

#[test]
fn a_span_is_exported_once_after_a_reset_at_any_byte() {
    let mut exchange = Exchange::new(LONG);
    for reset in exchange.resets() {
        let before = exchange.exporter.snapshot();
        let id = exchange.send(reset, false);
        let account = exchange.exporter.snapshot().since(&before);
        assert_eq!((account.exported, account.dropped_total()), (1, 0), "{reset:?}");
        assert_eq!(account.counter(Counter::Retries), 1, "{reset:?}");
        // A whole request without a whole response is repeated.
        let is_whole = match reset {
            Reset::Request(len) => len == exchange.peer.state.lock().unwrap().request_len,
            _ => true,
        };
        assert_eq!(exchange.copies(id), 1 + usize::from(is_whole), "{reset:?}");
    }
}

#[test]
fn a_span_that_no_attempt_delivers_is_lost_for_a_true_reason() {
    let mut exchange = Exchange::new(LONG);
    let resets = exchange.resets();
    let mut exchange = Exchange::new(8 * MS);
    let mut ambiguous = 0;
    for reset in resets {
        let before = exchange.exporter.snapshot();
        let id = exchange.send(reset, true);
        let account = exchange.exporter.snapshot().since(&before);
        assert_eq!((account.exported, account.dropped_total()), (0, 1), "{reset:?}");
        let (reason, _) = account.drops().next().unwrap();
        let known = [DropReason::AmbiguousTimeout, DropReason::RetryDeadline];
        assert!(known.contains(&reason), "{reset:?}: {reason}");
        let has_span = exchange.copies(id) > 0;
        assert!(!has_span || reason.is_ambiguous(), "{reset:?}: the receiver has the span");
        ambiguous += u32::from(reason.is_ambiguous());
    }
    assert!(ambiguous > 100, "{ambiguous} ambiguous losses");
}
