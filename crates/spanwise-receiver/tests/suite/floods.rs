//! Clients that send frames and requests without spans, and legitimate clients with similar traffic.

use crate::support;

use std::io::Write;
use std::time::Instant;

use spanwise_receiver::{Limits, Receiver, Stats};
use support::raw::*;
use support::*;

/// Maximum of bytes of a flood: a few hundred frames, and the buffers of the sockets.
const MAX_BYTES: usize = 16 << 20;

/// Exports with a good client while `flood` runs.
async fn export_during(receiver: &Receiver, flood: impl FnOnce() + Send + 'static) {
    let mut http1 = Http1::connect(receiver).await;
    let mut http2 = Http2::connect(receiver).await;
    let flooding = tokio::task::spawn_blocking(flood);
    let (_, bytes) = request(10, "good");
    loop {
        let last = flooding.is_finished();
        let start = Instant::now();
        assert_eq!(http1.post(bytes.clone()).await.status, 200);
        assert_eq!(http2.export(&bytes).await.grpc("grpc-status"), Some("0"));
        assert!(start.elapsed() < PATIENCE / 4);
        if last {
            break;
        }
    }
    flooding.await.unwrap();
}

fn odd(round: u32) -> u32 {
    1 + 2 * (round % 1_000_000)
}

#[tokio::test]
async fn every_flood_is_closed_and_counted_and_delays_no_other_client() {
    for Flood { name, opening, unit } in floods() {
        let receiver = std::sync::Arc::new(Receiver::builder().start().unwrap());
        let flooded = std::sync::Arc::clone(&receiver);
        export_during(&receiver, move || {
            let written = flood(&flooded, &opening, unit);
            assert!(written < MAX_BYTES, "{name}: {written} bytes");
        })
        .await;
        // hyper itself closes a connection that violates HTTP; in a body, the request fails.
        let in_body = ["chunk extensions", "trailers"].contains(&name);
        let is_counted = |stats: &Stats| {
            let closed = stats.flood_connections + stats.broken_connections;
            closed == 1 || in_body && stats.rejected_requests == 1
        };
        // A client can see the close a moment before it is counted.
        let start = Instant::now();
        let mut stats = receiver.stats();
        while !is_counted(&stats) {
            assert!(start.elapsed() < PATIENCE, "{name}: {stats:?}");
            std::thread::yield_now();
            stats = receiver.stats();
        }
        assert_eq!((stats.bytes_in_memory, stats.evicted_connections), (0, 0), "{name}");
    }
}

#[test]
fn a_flood_receives_the_reason_in_its_go_away() {
    let receiver = Receiver::builder().start().unwrap();
    let mut stream = connect(&receiver);
    stream.write_all(&preface()).unwrap();
    // Few enough to be read completely before the close, so that no reset overtakes the `GOAWAY`.
    let mut sent = 0;
    let reason = loop {
        // Each ping is acknowledged, until the last one exceeds the tokens.
        if stream.write_all(&frame(PING, 0, 0, &[7; 8])).is_err() {
            break Vec::new();
        }
        sent += 1;
        assert!(sent < 100_000);
        let (kind, payload) = loop {
            match read_frame(&mut stream) {
                (PING, ACK, _) => break (PING, Vec::new()),
                (7, _, payload) => break (7, payload),
                _ => {}
            }
        };
        if kind == 7 {
            break payload;
        }
    };
    assert_eq!(reason[4..8], [0, 0, 0, 0xb], "ENHANCE_YOUR_CALM");
    assert!(reason[8..].starts_with(b"too many frames"));
}

#[test]
fn keep_alives_and_bandwidth_probes_of_an_exporting_client_are_no_flood() {
    let (receiver, collected) = Receiver::collecting().unwrap();
    let mut stream = connect(&receiver);
    stream.write_all(&preface()).unwrap();
    let (_, bytes) = request(1, "x");
    // Two pings, a window update for the connection and one for the stream around every export.
    for round in 0..2000 {
        let stream_id = odd(round);
        let mut frames = grpc_export(stream_id, &bytes);
        frames.extend(frame(PING, 0, 0, &[0; 8]).repeat(2));
        frames.extend(frame(WINDOW_UPDATE, 0, 0, &[0, 0, 0, 5]));
        stream.write_all(&frames).unwrap();
        // Wait for both acknowledgements and the response.
        let mut pings = 0;
        let mut ended = false;
        while pings < 2 || !ended {
            match read_frame(&mut stream) {
                (PING, ACK, _) => pings += 1,
                (HEADERS, flags, _) if flags & END_STREAM != 0 => ended = true,
                (7, _, _) => unreachable!("closed in round {round}"),
                _ => {}
            }
        }
    }
    assert_eq!(collected.spans(), 2000);
    assert_eq!(receiver.stats().flood_connections, 0);
}

#[tokio::test]
async fn a_body_in_chunks_of_one_byte_is_accepted() {
    let (receiver, collected) = Receiver::collecting().unwrap();
    let (_, bytes) = request(100, "x");
    let chunks: Vec<u8> =
        bytes.iter().flat_map(|&byte| [&b"1\r\n"[..], &[byte], b"\r\n"].concat()).collect();
    let whole = [
        head("connection: close\r\ntransfer-encoding: chunked\r\n\r\n").into_bytes(),
        chunks,
        b"0\r\n\r\n".to_vec(),
    ];
    assert!(exchange(&receiver, &whole.concat()).starts_with("HTTP/1.1 200"));
    assert_eq!(collected.bodies(), [&bytes[..]]);
}

#[test]
fn ambiguous_lengths_are_rejected() {
    let (receiver, collected) = Receiver::collecting().unwrap();
    let hidden = head("content-length: 0\r\n\r\n");
    for lengths in [
        "content-length: 3\r\ncontent-length: 4\r\n",
        "content-length: 3, 4\r\n",
        "content-length: +3\r\n",
        "content-length: 0x3\r\n",
        "content-length: 99999999999999999999\r\n",
        "transfer-encoding: chunked, identity\r\n",
        "transfer-encoding: chunkedx\r\n",
        "content-length : 3\r\n",
    ] {
        let bytes = [head(lengths), "\r\nabc".into(), hidden.clone()].concat();
        let response = exchange(&receiver, bytes.as_bytes());
        assert!(response.starts_with("HTTP/1.1 400"), "{lengths}: {response}");
        assert_eq!(response.matches("HTTP/1.1").count(), 1, "{lengths}: {response}");
    }
    for chunk in ["-1\r\n", "g\r\n", "ffffffffffffffffff\r\n", "1\r\nxx\r\n", "1 \n"] {
        let bytes = [&head("transfer-encoding: chunked\r\n\r\n"), chunk, &hidden].concat();
        let response = exchange(&receiver, bytes.as_bytes());
        assert!(!response.contains("HTTP/1.1 200"), "{chunk:?}: {response}");
    }
    assert_eq!(collected.bodies().len(), 0);
    assert_eq!(receiver.stats().bytes_in_memory, 0);
}

#[tokio::test]
async fn deep_messages_and_huge_declared_lengths_are_rejected() {
    let (receiver, _) = Receiver::collecting().unwrap();
    let mut client = Http1::connect(&receiver).await;
    // Values in values: field 1 of length 2 and so on, far deeper than any stack.
    let mut deep = Vec::new();
    for _ in 0..100_000 {
        let mut outer = vec![0x0a, 0xff, 0xff, 0x7f];
        outer.extend_from_slice(&deep[..deep.len().min(8)]);
        deep = outer;
    }
    assert_eq!(client.post(deep).await.status, 400);
    // A length of 2⁶³.
    assert_eq!(client.post(b"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\x7f".to_vec()).await.status, 400);
    // A million empty groups are well framed, and hold no span.
    assert_eq!(client.post(b"\x0a\x00".repeat(1_000_000)).await.status, 200);
    assert_eq!(receiver.stats().spans, 0);
}

#[tokio::test]
async fn many_gzip_members_are_rejected_at_the_limit() {
    let receiver = Receiver::builder()
        .with_limits(Limits::default().with_body_bytes(1 << 20))
        .start()
        .unwrap();
    let mut client = Http1::connect(&receiver).await;
    let bomb = gzip(&vec![0; 512 << 10]).repeat(100);
    for (bytes, status) in [(bomb, 413), (gzip(b"").repeat(20_000), 400)] {
        let packed = post(bytes).header("content-encoding", "gzip").body_of();
        assert_eq!(client.send(packed).await.status, status);
    }
    assert_eq!(receiver.stats().bytes_in_memory, 0);
}
