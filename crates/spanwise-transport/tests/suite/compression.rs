//! Compressed requests, and receivers that refuse their encoding.

#![cfg(feature = "tokio")]

use crate::peer;

use std::io::Read as _;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use peer::{Act, Peer, ReceivedRequest, answer, ok, request};
use prost::encoding::string;
use spanwise_transport::{
    BuildError, Compression, Delivery, Endpoint, FailedAttempt, Failure, Outcome, ResponseStatus,
    RetryPolicy, Transport, TransportBuilder,
};

fn to(peer: &Peer) -> TransportBuilder {
    Transport::builder().with_endpoint(Endpoint::parse("TEST", &peer.url()).unwrap())
}

/// Every compression of this build.
fn compressions() -> impl Iterator<Item = Compression> {
    [Compression::Gzip].into_iter().chain(cfg!(feature = "zstd").then_some(Compression::Zstd))
}

async fn send(transport: &Transport, spans: usize) -> Delivery {
    transport.send_until(request(spans), Instant::now() + Duration::from_secs(30)).await
}

/// The body as decoders of others read it.
fn decoded(received: &ReceivedRequest) -> Vec<u8> {
    let mut plain = Vec::new();
    match received.header("content-encoding") {
        None => plain = received.body.clone(),
        Some("gzip") => {
            let mut decoder = flate2::read::GzDecoder::new(&received.body[..]);
            decoder.read_to_end(&mut plain).unwrap();
        }
        Some("zstd") => {
            let mut decoder = ruzstd::decoding::StreamingDecoder::new(&received.body[..]).unwrap();
            decoder.read_to_end(&mut plain).unwrap();
        }
        Some(other) => panic!("{other}"),
    }
    plain
}

#[tokio::test]
async fn the_receiver_decompresses_to_the_request_at_every_level() {
    for compression in compressions() {
        let levels = if compression == Compression::Gzip { 1..=9 } else { -7..=9 };
        for level in levels {
            let peer = Peer::new([ok()]).await;
            let builder = to(&peer).with_compression(compression).with_compression_level(level);
            let transport = builder.build().unwrap();
            // The last one is larger than a window, at one level.
            let last = if level == 1 { 20_000 } else { 3_000 };
            for spans in [1, 500, last] {
                let delivery = send(&transport, spans).await;
                assert!(delivery.is_accepted(), "{delivery:?}");
                let received = peer.received().pop().unwrap();
                let packed = (spans > 1).then_some(compression.name());
                assert_eq!(received.header("content-encoding"), packed, "{spans}");
                assert_eq!(decoded(&received), request(spans), "{compression} {level} {spans}");
                assert_eq!(delivery.body_bytes, received.body.len());
            }
        }
    }
}

#[tokio::test]
async fn the_threshold_decides_which_requests_are_compressed() {
    let peer = Peer::new([ok()]).await;
    let len = request(500).len();
    for (threshold, is_compressed) in [(len, true), (len + 1, false), (0, true)] {
        let builder = to(&peer).with_compression(Compression::Gzip);
        let transport = builder.with_compression_threshold(threshold).build().unwrap();
        assert!(send(&transport, 500).await.is_accepted());
        let received = peer.received().pop().unwrap();
        assert_eq!(received.header("content-encoding").is_some(), is_compressed, "{threshold}");
        assert_eq!(transport.compressed_bound(len) > 0, is_compressed);
    }
}

/// The status of a receiver that refuses the encoding, with and without the words of the Collector.
fn refusals() -> [(Act, bool); 6] {
    let with_text = |status, text: &[u8]| Act::Answer(answer(status, "", text));
    let collector = "unsupported Content-Encoding: zstd";
    let mut rpc = Vec::new();
    string::encode(2, &collector.to_owned(), &mut rpc);
    [
        (with_text(415, b""), true),
        (with_text(415, b"only identity"), true),
        (with_text(400, collector.as_bytes()), true),
        (with_text(400, &rpc), true),
        (with_text(400, b"bad request"), false),
        (with_text(501, collector.as_bytes()), false),
    ]
}

#[tokio::test]
async fn a_refused_encoding_costs_one_attempt_and_is_remembered() {
    for compression in compressions() {
        for (refusal, falls_back) in refusals() {
            let peer = Peer::new([refusal.clone(), ok()]).await;
            let seen = Arc::new(Mutex::new(Vec::<FailedAttempt>::new()));
            let observer = seen.clone();
            let builder = to(&peer).with_compression(compression);
            let transport = builder
                .with_attempt_observer(move |failed| observer.lock().unwrap().push(failed.clone()))
                .build()
                .unwrap();
            let first = send(&transport, 500).await;
            assert_eq!(first.is_accepted(), falls_back, "{refusal:?}: {first:?}");
            let second = send(&transport, 500).await;
            assert!(second.is_accepted(), "{second:?}");
            let encodings: Vec<_> = peer
                .received()
                .iter()
                .map(|received| received.header("content-encoding").is_some())
                .collect();
            assert!(peer.received().iter().all(|received| decoded(received) == request(500)));
            let seen = seen.lock().unwrap();
            assert_eq!(seen.len(), 1);
            if falls_back {
                assert_eq!(encodings, [true, false, false], "{refusal:?}");
                assert_eq!((first.attempts, first.ambiguous_attempts), (2, 0));
                assert_eq!(first.body_bytes, request(500).len());
                assert_eq!(seen[0].refused_compression, Some(compression));
                let line = seen[0].to_string();
                assert!(line.contains("the request follows uncompressed"), "{line}");
                assert!(line.contains("with_compression"), "{line}");
            } else {
                assert_eq!(encodings, [true, true], "{refusal:?}");
                assert_eq!(seen[0].refused_compression, None);
            }
        }
    }
}

#[tokio::test]
async fn a_receiver_that_refuses_the_request_itself_does_not_change_the_encoding() {
    let refused = || Act::Answer(answer(415, "", b"only application/json"));
    let peer = Peer::new([refused(), refused(), ok()]).await;
    let transport = to(&peer).with_compression(Compression::Gzip).build().unwrap();
    let first = send(&transport, 500).await;
    let rejected = Failure::Rejected { status: ResponseStatus::Http(415) };
    assert_eq!((first.outcome, first.attempts), (Outcome::Failed(rejected), 2));
    assert!(send(&transport, 500).await.is_accepted());
    let received = peer.received();
    let encodings = received.iter().map(|received| received.header("content-encoding").is_some());
    assert_eq!(encodings.collect::<Vec<_>>(), [true, false, true]);
}

#[tokio::test]
async fn an_uncompressed_request_is_retried_like_any_other() {
    let busy = Act::Answer(answer(503, "", b""));
    let peer = Peer::new([busy.clone(), Act::Answer(answer(415, "", b"")), busy, ok()]).await;
    let transport = to(&peer)
        .with_compression(Compression::Gzip)
        .with_retry(RetryPolicy::default().with_cap(Duration::from_millis(2)))
        .build()
        .unwrap();
    let delivery = send(&transport, 500).await;
    assert!(delivery.is_accepted(), "{delivery:?}");
    assert_eq!(delivery.attempts, 4);
    let received = peer.received();
    assert_eq!(received[0].body, received[1].body, "compressed once");
    assert_eq!(received[2].body, request(500));
    assert_eq!(received[3].body, request(500));
}

#[tokio::test]
async fn a_blocking_transport_falls_back_too() {
    let peer = Peer::new([Act::Answer(answer(415, "", b"")), ok()]).await;
    let transport = to(&peer).with_compression(Compression::Gzip).build_blocking().unwrap();
    let sending = tokio::task::spawn_blocking(move || {
        [transport.send(request(500)), transport.send(request(500))]
    });
    let attempts =
        sending.await.unwrap().map(|delivery| (delivery.is_accepted(), delivery.attempts));
    assert_eq!(attempts, [(true, 2), (true, 1)]);
    let received = peer.received();
    let encodings = received.iter().map(|received| received.header("content-encoding").is_some());
    assert_eq!(encodings.collect::<Vec<_>>(), [true, false, false]);
    assert!(received.iter().all(|received| decoded(received) == request(500)));
}

#[tokio::test]
async fn a_refusal_at_the_deadline_ends_the_request() {
    let peer = Peer::new([Act::Answer(answer(415, "", b"")), Act::Hold]).await;
    let transport = to(&peer)
        .with_compression(Compression::Gzip)
        .with_request_timeout(Duration::from_millis(300))
        .build()
        .unwrap();
    let delivery = send(&transport, 500).await;
    assert_eq!(delivery.outcome, Outcome::Failed(Failure::AmbiguousTimeout));
    assert_eq!((delivery.attempts, delivery.ambiguous_attempts), (2, 1));
}

#[test]
fn a_compression_that_is_not_compiled_in_is_an_error_that_names_the_feature() {
    let built = Transport::builder().with_compression(Compression::Zstd).build();
    match built {
        Ok(transport) => {
            let is_compiled_in = cfg!(feature = "zstd");
            assert!(is_compiled_in && transport.encoder_bytes() > 512 << 10);
            assert_eq!(transport.compression(), Compression::Zstd);
        }
        Err(error) => {
            assert!(matches!(error, BuildError::NoZstd { .. }) && cfg!(not(feature = "zstd")));
            let (error, line) = (error.to_string(), "features = [\"zstd\"] to spanwise or");
            assert!(error.contains("feature `zstd`") && error.contains(line), "{error}");
        }
    }
    let gzip = Transport::builder().with_compression(Compression::Gzip);
    assert!(gzip.clone().with_compression_level(0).build_blocking().is_err());
    let error = gzip.clone().with_compression_level(0).build().unwrap_err();
    assert_eq!(error.to_string(), "with_compression_level (of gzip) is 0; accepted is 1 to 9");
    // A level without compression has no effect.
    assert!(gzip.with_compression(Compression::None).with_compression_level(99).build().is_ok());
}

/// Settings of compression do not apply to sinks, in whatever order they are set.
#[tokio::test]
async fn a_sink_receives_plain_messages() {
    let taken = Arc::new(Mutex::new(Vec::new()));
    let retained = taken.clone();
    let sink = move |request: bytes::Bytes| {
        retained.lock().unwrap().push(request.to_vec());
        async { Outcome::Accepted { rejected: 0, message: None } }
    };
    let builder = Transport::builder().with_sink(sink).with_compression(Compression::Gzip);
    let transport = builder.build().unwrap();
    assert!(send(&transport, 500).await.is_accepted());
    assert_eq!(*taken.lock().unwrap(), [request(500)]);
    assert_eq!((transport.compression(), transport.encoder_bytes()), (Compression::None, 0));
}
