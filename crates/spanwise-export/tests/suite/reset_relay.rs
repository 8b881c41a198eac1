//! As `reset.rs`, for gRPC and for TLS: a relay between the exporter and a receiver resets the connection after
//! every byte that either side sends in one exchange.
#![cfg(any(feature = "grpc", feature = "tls"))]

use spanwise_export::Exporter;
use spanwise_ledger::{DropReason, Snapshot};
use spanwise_receiver::{Answer, Export, Limits, Receiver};
use spanwise_testkit::{decode, spans};
use spanwise_transport::{RetryPolicy, Transport, TransportBuilder};
use spanwise_wire::write::{SpanHeader, SpanWriter};
use spanwise_wire::{SpanId, SpanLimits, SpanMeta, TraceId};
use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

const LONG: Duration = Duration::from_secs(60);
const MS: Duration = Duration::from_millis(1);
/// A request whose retry would wait for longer than its deadline fails at once.
const NO_RETRY: Duration = Duration::from_secs(1_000_000);
/// Exchanges that run at once.
const THREADS: usize = 8;

/// The place of the reset, in the bytes of one connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reset {
    Never,
    /// After this number of bytes from the client.
    Request(usize),
    /// Before the byte of the server after this number of them.
    Response(usize),
}

#[derive(Debug)]
struct State {
    reset: Reset,
    /// Whether later connections are reset, too.
    is_forever: bool,
    /// Connections whose server has not closed its side.
    open: usize,
    /// Bytes of the last connection from the client and from the server.
    relayed: (usize, usize),
}

/// Connects its clients with one receiver.
struct Relay {
    address: SocketAddr,
    state: Arc<(Mutex<State>, Condvar)>,
}

impl Relay {
    fn start(receiver: SocketAddr) -> Self {
        let state = State { reset: Reset::Never, is_forever: false, open: 0, relayed: (0, 0) };
        let state = Arc::new((Mutex::new(state), Condvar::new()));
        let shared = Arc::clone(&state);
        let (sender, address) = std::sync::mpsc::channel();
        thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.unwrap().block_on(async move {
                let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
                sender.send(listener.local_addr().unwrap()).unwrap();
                while let Ok((client, _)) = listener.accept().await {
                    let reset = {
                        let mut state = shared.0.lock().unwrap();
                        state.open += 1;
                        let reset = state.reset;
                        if !state.is_forever {
                            state.reset = Reset::Never;
                        }
                        reset
                    };
                    let shared = Arc::clone(&shared);
                    tokio::spawn(async move {
                        let relayed = relay(client, receiver, reset).await;
                        let mut state = shared.0.lock().unwrap();
                        state.relayed = relayed;
                        state.open -= 1;
                        shared.1.notify_all();
                    });
                }
            });
        });
        Self { address: address.recv().unwrap(), state }
    }

    fn set(&self, reset: Reset, is_forever: bool) {
        let mut state = self.state.0.lock().unwrap();
        (state.reset, state.is_forever) = (reset, is_forever);
    }

    /// Waits until the receiver has ended each connection, and returns the bytes of the last one.
    fn wait(&self) -> (usize, usize) {
        let state = self.state.0.lock().unwrap();
        let ended = self.state.1.wait_timeout_while(state, LONG, |state| state.open > 0);
        let (state, waited) = ended.unwrap();
        assert!(!waited.timed_out(), "the receiver does not end a connection");
        state.relayed
    }
}

/// Relays one connection, and returns the bytes from the client and from the server. Ends when the receiver has
/// closed its side: what it has not stored by then, it never stores.
async fn relay(mut client: TcpStream, receiver: SocketAddr, reset: Reset) -> (usize, usize) {
    let mut server = TcpStream::connect(receiver).await.unwrap();
    for stream in [&client, &server] {
        stream.set_nodelay(true).unwrap();
    }
    let (mut up, mut down) = (0, 0);
    let (mut from_client, mut from_server) = ([0; 4096], [0; 4096]);
    let (most_up, most_down) = match reset {
        Reset::Never => (usize::MAX, usize::MAX),
        Reset::Request(len) => (len, usize::MAX),
        Reset::Response(len) => (usize::MAX, len),
    };
    let mut is_open = true;
    let mut is_reset = most_up == 0;
    while !is_reset {
        let space = (most_up - up).min(4096);
        tokio::select! {
            read = client.read(&mut from_client[..space]), if is_open => match read {
                Ok(len @ 1..) => {
                    up += len;
                    let _broken = server.write_all(&from_client[..len]).await;
                    is_reset = up == most_up;
                }
                _ => {
                    is_open = false;
                    let _broken = server.shutdown().await;
                }
            },
            read = server.read(&mut from_server) => match read {
                Ok(len @ 1..) => {
                    let passed = len.min(most_down - down);
                    down += passed;
                    let _broken = client.write_all(&from_server[..passed]).await;
                    is_reset = passed < len;
                }
                _ => return (up, down),
            },
        }
    }
    client.set_zero_linger().unwrap();
    drop(client);
    let _broken = server.shutdown().await;
    while matches!(server.read(&mut from_server).await, Ok(1..)) {}
    (up, down)
}

/// A receiver, and how often it has stored each span.
struct Site {
    _receiver: Receiver,
    address: SocketAddr,
    stored: Arc<Mutex<HashMap<u64, usize>>>,
    /// A transport to this address, without retry settings.
    transport: Box<dyn Fn(SocketAddr) -> TransportBuilder + Send + Sync>,
    next: AtomicU64,
}

impl Site {
    fn new(
        receiver: spanwise_receiver::ReceiverBuilder,
        transport: impl Fn(SocketAddr) -> TransportBuilder + Send + Sync + 'static,
    ) -> Self {
        let stored = Arc::<Mutex<HashMap<u64, usize>>>::default();
        let store = Arc::clone(&stored);
        let receiver = receiver.with_handler(move |export: Export| {
            for span in spans(&decode(&export.body)) {
                let id = u64::from_be_bytes((&*span.span_id).try_into().unwrap());
                *store.lock().unwrap().entry(id).or_default() += 1;
            }
            Answer::Accept
        });
        // A connection that ends within its first bytes is noticed by this timeout.
        let limits = Limits::default().with_header_timeout(Duration::from_secs(2));
        let receiver = receiver.with_limits(limits).start().unwrap();
        let address = receiver.address();
        let (transport, next) = (Box::new(transport), AtomicU64::new(1));
        Self { _receiver: receiver, address, stored, transport, next }
    }

    /// Sends one span through `relay`, and returns its id and the account of its exporter.
    fn send(&self, relay: &Relay, retry: RetryPolicy) -> (u64, Snapshot) {
        let transport = (self.transport)(relay.address).with_retry(retry);
        let transport: Transport = transport.with_request_timeout(LONG / 2).build().unwrap();
        let exporter = Exporter::builder(transport).build().unwrap();
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        let mut writer = SpanWriter::new();
        writer.begin(&SpanLimits::default(), "span");
        let header =
            SpanHeader { trace_id: TraceId(1), span_id: SpanId(id), ..SpanHeader::default() };
        exporter.push(&writer.finish(&header), SpanMeta::default());
        exporter.flush_timeout(LONG).unwrap();
        exporter.shutdown_timeout(LONG).unwrap();
        assert!(exporter.join_until(Instant::now() + LONG));
        let account = exporter.snapshot();
        account.check().unwrap();
        assert_eq!((account.in_flight, account.created), (0, 1));
        (id, account)
    }

    fn copies(&self, id: u64) -> usize {
        self.stored.lock().unwrap().get(&id).copied().unwrap_or_default()
    }

    /// Runs `case` with every place at which an exchange can be reset, on some threads.
    fn at_every_byte(&self, case: impl Fn(&Relay, Reset) + Sync) {
        let relay = Relay::start(self.address);
        self.send(&relay, RetryPolicy::default());
        let (up, down) = relay.wait();
        assert!(up > 200 && down > 50, "{up} bytes up, {down} down");
        let resets: Vec<_> =
            (0..=up).map(Reset::Request).chain((0..down).map(Reset::Response)).collect();
        thread::scope(|scope| {
            for thread in 0..THREADS {
                let (case, resets) = (&case, &resets);
                scope.spawn(move || {
                    let relay = Relay::start(self.address);
                    resets.iter().skip(thread).step_by(THREADS).for_each(|it| case(&relay, *it));
                });
            }
        });
    }

    /// The first connection is reset, and the next ones work.
    fn check_one_reset(&self) {
        self.at_every_byte(|relay, reset| {
            relay.set(reset, false);
            let retry = RetryPolicy::default().with_initial(MS).with_cap(MS);
            let (id, account) = self.send(relay, retry);
            relay.wait();
            assert_eq!((account.exported, account.dropped_total()), (1, 0), "{reset:?}");
            assert!((1..=2).contains(&self.copies(id)), "{reset:?}: {}", self.copies(id));
        });
    }

    /// There is no second attempt.
    fn check_only_resets(&self) {
        let (ambiguous, certain) = (AtomicU64::new(0), AtomicU64::new(0));
        self.at_every_byte(|relay, reset| {
            relay.set(reset, true);
            let retry = RetryPolicy::default().with_initial(NO_RETRY).with_cap(NO_RETRY);
            let (id, account) = self.send(relay, retry);
            relay.wait();
            let copies = self.copies(id);
            assert_eq!(account.exported + account.dropped_total(), 1, "{reset:?}");
            if account.exported == 1 {
                return assert_eq!(copies, 1, "{reset:?}: exported, and the receiver has no span");
            }
            let (reason, _) = account.drops().next().unwrap();
            let known = [DropReason::AmbiguousTimeout, DropReason::RetryDeadline, DropReason::Tls];
            assert!(known.contains(&reason), "{reset:?}: {reason}");
            assert!(copies == 0 || reason.is_ambiguous(), "{reset:?}: {reason}, but it is stored");
            let count = if reason.is_ambiguous() { &ambiguous } else { &certain };
            count.fetch_add(1, Ordering::Relaxed);
        });
        let counts = (ambiguous.into_inner(), certain.into_inner());
        assert!(counts.0 > 30 && counts.1 > 0, "{counts:?} ambiguous and certain losses");
    }
}

#[cfg(feature = "grpc")]
mod grpc {
    use super::*;
    use spanwise_transport::{Endpoint, Protocol};

    fn site() -> Site {
        Site::new(Receiver::builder(), |address| {
            let endpoint = Endpoint::parse_grpc("ENDPOINT", &address.to_string(), true).unwrap();
            Transport::builder().with_protocol(Protocol::Grpc).with_endpoint(endpoint)
        })
    }

    #[test]
    fn a_span_is_exported_after_a_reset_at_any_byte_of_grpc() {
        site().check_one_reset();
    }

    #[test]
    fn a_span_that_a_reset_of_grpc_loses_is_lost_for_a_true_reason() {
        site().check_only_resets();
    }
}

#[cfg(feature = "tls")]
mod tls {
    use super::*;
    use spanwise_testkit::pki::{Authority, Template};
    use spanwise_transport::Endpoint;

    fn site() -> Site {
        let authority = Authority::new("servers").unwrap();
        let server = authority.issue(&Template::default()).unwrap();
        let receiver = Receiver::builder().with_tls_pem(&*server.certificate, &*server.key);
        Site::new(receiver, move |address| {
            let url = format!("https://localhost:{}", address.port());
            let endpoint = Endpoint::parse_base("ENDPOINT", &url).unwrap();
            let trusted = &*authority.certificate;
            Transport::builder().with_endpoint(endpoint).with_certificate_pem(trusted)
        })
    }

    #[test]
    fn a_span_is_exported_after_a_reset_at_any_byte_of_tls() {
        site().check_one_reset();
    }

    #[test]
    fn a_span_that_a_reset_of_tls_loses_is_lost_for_a_true_reason() {
        site().check_only_resets();
    }
}
