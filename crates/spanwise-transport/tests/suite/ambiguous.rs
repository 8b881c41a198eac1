//! A request that failed without ambiguity is stored nowhere: over real sockets, against a peer's list.

#![cfg(feature = "tokio")]

use std::collections::HashSet;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTracePartialSuccess, ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span};
use proptest::prelude::*;
use prost::Message as _;
use spanwise_transport::{Delivery, Endpoint, Failure, Outcome, RetryPolicy, Transport};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::Instant;

const SPANS: u64 = 5;
const SECOND: Duration = Duration::from_secs(1);
const HASTE: Duration = Duration::from_millis(60);

fn request() -> Vec<u8> {
    let span = |id: u64| Span { span_id: id.to_be_bytes().into(), ..Span::default() };
    let scope = ScopeSpans { spans: (0..SPANS).map(span).collect(), ..ScopeSpans::default() };
    let resource = ResourceSpans { scope_spans: vec![scope], ..ResourceSpans::default() };
    ExportTraceServiceRequest { resource_spans: vec![resource] }.encode_to_vec()
}

/// The reaction of the peer to one connection.
#[derive(Debug, Clone)]
enum Fate {
    /// Resets after this share of the request, in per mille.
    Reset(usize),
    /// Reads the request, stores `stored` spans, writes `share` per mille of an answer with `status`
    /// that states the rejected spans, and resets.
    Answer { stored: u64, status: u16, share: usize },
}

fn fate() -> impl Strategy<Value = Fate> {
    let whole = prop_oneof![3 => Just(1000usize), 1 => 0usize..1000];
    let honest = whole.prop_flat_map(|share| {
        prop_oneof![
            (0..=SPANS).prop_map(move |stored| Fate::Answer { stored, status: 200, share }),
            prop::sample::select(vec![400, 413, 429, 500, 503, 503, 503])
                .prop_map(move |status| Fate::Answer { stored: 0, status, share }),
            (0..=SPANS).prop_map(move |stored| Fate::Answer { stored, status: 504, share }),
        ]
    });
    prop_oneof![2 => (0usize..=1000).prop_map(Fate::Reset), 5 => honest]
}

/// The ids of all spans that a peer has stored.
type Stored = Arc<Mutex<HashSet<Vec<u8>>>>;

/// Accepts a connection for each fate, and then no more.
async fn serve(listener: TcpListener, fates: Vec<Fate>, stored: Stored) {
    for fate in fates {
        let Ok((stream, _)) = listener.accept().await else { return };
        meet(stream, &fate, &stored).await;
    }
}

async fn meet(mut stream: TcpStream, fate: &Fate, stored: &Stored) {
    stream.set_zero_linger().unwrap();
    let mut read = Vec::new();
    let body = request();
    let is_whole = |read: &[u8]| {
        let end = read.windows(4).position(|four| four == b"\r\n\r\n");
        end.is_some_and(|end| read.len() >= end + 4 + body.len())
    };
    while !is_whole(&read) {
        // 250 bytes of head, more or less.
        let until = match fate {
            Fate::Reset(share) => (250 + body.len()) * share / 1000,
            Fate::Answer { .. } => usize::MAX,
        };
        if read.len() >= until {
            return;
        }
        let mut some = vec![0; (until - read.len()).min(4096)];
        match stream.read(&mut some).await {
            Ok(len @ 1..) => read.extend_from_slice(&some[..len]),
            _ => return,
        }
    }
    let Fate::Answer { stored: count, status, share } = *fate else { return };
    let whole = ExportTraceServiceRequest::decode(&read[read.len() - body.len()..]).unwrap();
    let spans = whole.resource_spans[0].scope_spans[0].spans.iter().take(count as usize);
    stored.lock().unwrap().extend(spans.map(|span| span.span_id.clone()));
    let partial = ExportTracePartialSuccess {
        rejected_spans: (SPANS - count) as i64,
        error_message: "left out".into(),
    };
    let partial_success =
        ExportTraceServiceResponse { partial_success: Some(partial) }.encode_to_vec();
    let body = if status == 200 { partial_success } else { b"no".to_vec() };
    let head = format!("HTTP/1.1 {status} Any\r\ncontent-length: {}\r\n\r\n", body.len());
    let answer = [head.as_bytes(), &body].concat();
    if stream.write_all(&answer[..answer.len() * share / 1000]).await.is_ok() {
        // A reset may overtake what was written: whole answers are left to arrive.
        if share == 1000 {
            let _closed = stream.shutdown().await;
            while matches!(stream.read(&mut [0; 64]).await, Ok(1..)) {}
        }
    }
}

async fn send(to: SocketAddr, cancel_after: Duration, deadline: Duration) -> Delivery {
    let endpoint = Endpoint::parse("TEST", &format!("http://{to}/v1/traces")).unwrap();
    let millis = Duration::from_millis;
    let transport = Transport::builder()
        .with_endpoint(endpoint)
        .with_request_timeout(deadline)
        .with_retry(RetryPolicy::default().with_initial(millis(2)).with_cap(millis(4)))
        .build()
        .unwrap();
    transport.send_until(request(), (Instant::now() + cancel_after).into()).await
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]
    #[test]
    fn exported_is_stored_and_stored_is_exported_or_ambiguous(
        fates in prop::collection::vec(fate(), 1..6),
        cancel_after in prop_oneof![3 => Just(30_000u64), 1 => 0u64..30],
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let (delivery, stored) = runtime.block_on(async {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let (address, stored) = (listener.local_addr().unwrap(), Stored::default());
            // The list is complete: the peer is stopped before the test reads it.
            let peer = tokio::spawn(serve(listener, fates.clone(), stored.clone()));
            let delivery = send(address, Duration::from_millis(cancel_after), HASTE).await;
            peer.abort();
            let _aborted = peer.await;
            let stored = stored.lock().unwrap().len() as u64;
            (delivery, stored)
        });
        let exported = match delivery.outcome {
            Outcome::Accepted { rejected, .. } => SPANS - rejected,
            Outcome::Failed(_) => 0,
        };
        let ambiguous = if delivery.may_have_been_accepted() { SPANS - exported } else { 0 };
        prop_assert!(exported <= stored, "{exported} {stored} {delivery:?}");
        prop_assert!(stored <= exported + ambiguous, "{exported} {stored} {delivery:?}");
        if let Outcome::Failed(Failure::RetryDeadline { .. }) = delivery.outcome {
            prop_assert_eq!(stored, 0);
        }
    }
}

/// A deadline after an attempt without an answer is never an unambiguous failure.
#[tokio::test]
async fn a_request_accepted_without_an_answer_is_ambiguous() {
    for status in [503, 400] {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (address, stored) = (listener.local_addr().unwrap(), Stored::default());
        let mut fates = vec![Fate::Answer { stored: SPANS, status: 200, share: 0 }];
        fates.extend(vec![Fate::Answer { stored: 0, status, share: 1000 }; 10_000]);
        let peer = tokio::spawn(serve(listener, fates, stored.clone()));
        let delivery = send(address, 30 * SECOND, 2 * SECOND).await;
        peer.abort();
        assert_eq!(stored.lock().unwrap().len() as u64, SPANS);
        assert!(delivery.may_have_been_accepted(), "{delivery:?}");
        assert!(delivery.attempts > 1, "{delivery:?}");
        match delivery.outcome {
            Outcome::Failed(Failure::AmbiguousTimeout) => assert_eq!(status, 503),
            Outcome::Failed(Failure::Rejected { .. }) => assert_eq!(status, 400),
            _ => panic!("{delivery:?}"),
        }
    }
}

/// HTTP/2 frame by frame: the peer declares which streams it did not process.
#[cfg(feature = "grpc")]
#[tokio::test]
async fn a_stream_that_the_peer_did_not_process_is_unambiguous() {
    fn frame(kind: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
        let len = (payload.len() as u32).to_be_bytes();
        [&len[1..], &[kind, 0], &stream.to_be_bytes(), payload].concat()
    }
    let reset = |code: u32| frame(3, 1, &code.to_be_bytes());
    let goaway =
        |last: u32, code: u32| frame(7, 0, &[last.to_be_bytes(), code.to_be_bytes()].concat());
    let (no_error, internal, refused, cancel) = (0, 2, 7, 8);
    let cases = [
        (reset(refused), false),
        (reset(cancel), true),
        (reset(internal), true),
        (goaway(0, no_error), false),
        (goaway(0, internal), false),
        (goaway(1, no_error), true),
        (goaway(1, internal), true),
        (Vec::new(), true),
    ];
    // HEADERS that end the stream: `:status: 200`, and `grpc-status: 3` spelled out.
    let rejected = |stream: u32| {
        let mut answer = frame(1, stream, b"\x88\x00\x0bgrpc-status\x013");
        answer[4] = 0x5;
        answer
    };
    for (last_frame, may_have_been_accepted) in cases {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let frame_bytes = last_frame.clone();
        let peer = tokio::spawn(async move {
            let mut frame_bytes = Some(frame_bytes);
            while let Ok((mut stream, _)) = listener.accept().await {
                stream.read_exact(&mut [0; 24]).await.unwrap();
                stream.write_all(&frame(4, 0, &[])).await.unwrap();
                loop {
                    let mut head = [0; 9];
                    if stream.read_exact(&mut head).await.is_err() {
                        break;
                    }
                    let len = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
                    stream.read_exact(&mut vec![0; len]).await.unwrap();
                    let id = u32::from_be_bytes([head[5], head[6], head[7], head[8]]);
                    match (head[3] == 0 && head[4] & 1 == 1, frame_bytes.take()) {
                        // The first request has come to its end.
                        (true, Some(frame_bytes)) => {
                            stream.write_all(&frame_bytes).await.unwrap();
                            // Others than a reset are the connection's end.
                            if frame_bytes.get(3) != Some(&3) {
                                break;
                            }
                        }
                        (true, None) => stream.write_all(&rejected(id)).await.unwrap(),
                        (false, unused) => frame_bytes = unused,
                    }
                }
            }
        });
        let endpoint = Endpoint::parse_grpc("TEST", &address.to_string(), true).unwrap();
        let transport = Transport::builder()
            .with_protocol(spanwise_transport::Protocol::Grpc)
            .with_endpoint(endpoint)
            .with_retry(RetryPolicy::default().with_cap(Duration::from_millis(20)))
            .build()
            .unwrap();
        let delivery = transport.send_until(request(), (Instant::now() + 30 * SECOND).into()).await;
        peer.abort();
        let status = spanwise_transport::ResponseStatus::Grpc(3);
        let end = Outcome::Failed(Failure::Rejected { status });
        assert_eq!(delivery.outcome, end, "{last_frame:?}: {delivery:?}");
        assert_eq!(delivery.attempts, 2, "{last_frame:?}: {delivery:?}");
        assert_eq!(delivery.may_have_been_accepted(), may_have_been_accepted, "{last_frame:?}");
    }
}
