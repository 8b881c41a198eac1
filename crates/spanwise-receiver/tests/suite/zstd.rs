//! Zstandard requests over both protocols, and hostile frames.

use crate::support;

use ruzstd::encoding::{CompressionLevel, compress_to_vec};
use spanwise_receiver::{Limits, Receiver};
use spanwise_testkit::SplitMix64;
use support::{Http1, Http2, RpcStatus, framed, grpc, post, request};

/// As libzstd writes it, at a level.
fn zstd(bytes: &[u8], level: i32) -> Vec<u8> {
    let mut out = Vec::with_capacity(zstd_safe::compress_bound(bytes.len()));
    zstd_safe::compress(&mut out, bytes, level).unwrap();
    out
}

#[tokio::test]
async fn frames_of_two_writers_arrive_over_both_protocols() {
    let (receiver, collected) = Receiver::collecting().unwrap();
    let (_, bytes) = request(5000, "again and again");
    let (mut http1, mut http2) = (Http1::connect(&receiver).await, Http2::connect(&receiver).await);
    let mut frames: Vec<_> = [-7, 1, 3, 19].map(|level| zstd(&bytes, level)).into();
    frames.push(compress_to_vec(&bytes[..], CompressionLevel::Fastest));
    let count = frames.len();
    for frame in frames {
        let http = || post(frame.clone()).header("content-encoding", "zstd").body_of();
        assert_eq!(http1.send(http()).await.status, 200);
        assert_eq!(http2.send(http()).await.status, 200);
        let call = grpc(framed(1, &frame)).header("grpc-encoding", "ZStd").body_of();
        assert_eq!(http2.send(call).await.grpc("grpc-status"), Some("0"));
    }
    assert_eq!(collected.bodies(), vec![&bytes[..]; 3 * count]);
    assert_eq!(receiver.stats().bytes, 3 * (count * bytes.len()) as u64);
    assert_eq!(receiver.stats().bytes_in_memory, 0);
}

#[tokio::test]
async fn hostile_frames_have_their_status_and_leave_nothing_in_memory() {
    let limits = Limits::default().with_body_bytes(8 << 20);
    let receiver = Receiver::builder().with_limits(limits).start().unwrap();
    let (_, bytes) = request(500, "again and again");
    let whole = zstd(&bytes, 1);
    let magic = [0x28, 0xb5, 0x2f, 0xfd];
    // A block of 128 KiB of zeros, not the last one.
    let zeros = [0b10, 0, 0b1_0000, 0];
    let table: [(&str, Vec<u8>, u16, &str); 9] = [
        ("truncated", whole[..whole.len() - 1].to_vec(), 400, "3"),
        ("trailing bytes", [&whole[..], b"x"].concat(), 400, "3"),
        ("no frame", bytes.clone(), 400, "3"),
        ("a window of 2 GiB", [&magic[..], &[0, 21 << 3], &zeros].concat(), 400, "3"),
        ("2^64 bytes", [&magic[..], &[0xe0], &[0xff; 8]].concat(), 400, "3"),
        (
            "a bomb beyond the ratio",
            [&magic[..], &[0, 7 << 3], &zeros.repeat(50)].concat(),
            400,
            "3",
        ),
        ("a body beyond the limit", zstd(&noisy(9 << 20), 1), 413, "8"),
        ("not OTLP", zstd(&[0xff; 1000], 1), 400, "3"),
        ("reserved block", [&magic[..], &[0, 7 << 3, 0b110, 0, 0]].concat(), 400, "3"),
    ];
    let (mut http1, mut http2) = (Http1::connect(&receiver).await, Http2::connect(&receiver).await);
    for (name, frame, status, code) in table {
        let http = post(frame.clone()).header("content-encoding", "zstd").body_of();
        let answer = http1.send(http).await;
        assert_eq!(answer.status, status, "{name}");
        let message = <RpcStatus as prost::Message>::decode(answer.body).unwrap().message;
        assert!(!message.is_empty(), "{name}");
        let call = grpc(framed(1, &frame)).header("grpc-encoding", "zstd").body_of();
        assert_eq!(http2.send(call).await.grpc("grpc-status"), Some(code), "{name}");
        assert_eq!(receiver.stats().bytes_in_memory, 0, "{name}");
    }
    let skippable = [&[0x50, 0x2a, 0x4d, 0x18, 3, 0, 0, 0], &b"abc"[..], &whole].concat();
    let http = post(skippable).header("content-encoding", "zstd").body_of();
    assert_eq!(http1.send(http).await.status, 200);
}

/// Bytes that compress to a half, so that the limit is reached before the ratio.
fn noisy(len: usize) -> Vec<u8> {
    let mut random = SplitMix64::new(7);
    (0..len).map(|at| if at % 64 < 32 { random.next_u64() as u8 } else { 7 }).collect()
}

#[tokio::test]
async fn mutated_frames_never_break_the_receiver() {
    let receiver = Receiver::builder().start().unwrap();
    let whole = zstd(&request(300, "again and again").1, 3);
    let mut random = SplitMix64::new(42);
    let mut client = Http1::connect(&receiver).await;
    for number in 1..=2_000 {
        // A connection that sends many requests without spans is closed.
        if number % 20 == 0 {
            client = Http1::connect(&receiver).await;
        }
        let mut frame = whole.clone();
        for _ in 0..=random.below(4) {
            let at = random.below(frame.len() as u64) as usize;
            frame[at] = random.next_u64() as u8;
        }
        frame.truncate(1 + random.below(frame.len() as u64) as usize);
        let request = post(frame).header("content-encoding", "zstd").body_of();
        let status = client.send(request).await.status.as_u16();
        assert!([200, 400, 413].contains(&status), "{status}");
    }
    assert_eq!(receiver.stats().bytes_in_memory, 0);
    assert_eq!(receiver.stats().broken_connections, 0);
}
