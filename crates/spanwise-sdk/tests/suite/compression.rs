//! Compressed requests, and a receiver that refuses them.

use crate::support;

use opentelemetry::trace::Tracer as _;
use spanwise_receiver::Receiver;
use spanwise_sdk::{Compression, SpanKind};
use spanwise_testkit::Peer;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use support::{DiagnosticLog, LONG, builder};

/// Every compression of this build.
fn compressions() -> Vec<Compression> {
    let mut all = vec![Compression::Gzip];
    all.extend(cfg!(feature = "zstd").then_some(Compression::Zstd));
    all
}

/// Each request is compressed at the level and from the size that are set.
#[test]
fn requests_are_compressed_as_set() {
    for compression in compressions() {
        let (receiver, collected) = Receiver::collecting().unwrap();
        let spanwise = builder()
            .with_endpoint(receiver.http_endpoint())
            .with_compression(compression)
            .with_compression_level(3)
            .with_compression_threshold(1)
            .with_shutdown_timeout(LONG)
            .build()
            .unwrap();
        let tracer = spanwise.tracer("x");
        (0..300).for_each(|_| drop(tracer.start("compressed")));
        let ledger = spanwise.shutdown().unwrap().ledger;
        assert_eq!((ledger.exported, collected.spans()), (300, 300), "{compression}");
    }
}

/// The spans of a trace are side by side where that makes a compressed request shorter, and otherwise in the order of their ends.
#[test]
fn traces_are_grouped_in_requests_that_are_compressed() {
    for compression in compressions().into_iter().map(Some).chain([None]) {
        let (receiver, collected) = Receiver::collecting().unwrap();
        let mut builder = builder().with_endpoint(receiver.http_endpoint());
        if let Some(compression) = compression {
            builder = builder.with_compression(compression);
        }
        let spanwise = builder.with_shutdown_timeout(LONG).build().unwrap();
        let tracer = spanwise.tracer("x");
        let roots = ["a", "b", "c"].map(|name| tracer.root(name, SpanKind::Server));
        for _ in 0..50 {
            for root in &roots {
                tracer.child("child", SpanKind::Internal, root.context()).finish();
            }
        }
        let traces = roots.each_ref().map(|root| root.context().trace_id().to_bytes());
        for root in roots {
            root.finish();
        }
        spanwise.shutdown().unwrap();
        let found: Vec<_> = collected.span_ids().into_iter().map(|(trace, _)| trace).collect();
        let in_turns = || (0..153).map(|number| traces[number % 3]);
        match compression {
            None => assert!(found.into_iter().eq(in_turns())),
            Some(_) => {
                let grouped: Vec<_> = traces.iter().flat_map(|trace| [*trace; 51]).collect();
                assert_eq!(found, grouped, "{compression:?}");
            }
        }
    }
}

/// Answers 415 to each request with a `Content-Encoding`, 200 to the others, and counts both.
fn refuse_encodings(stream: TcpStream, refused: &AtomicU64, accepted: &AtomicU64) {
    let (mut reader, mut writer) = (BufReader::new(stream.try_clone().unwrap()), stream);
    let (mut len, mut is_encoded, mut line) = (0, false, String::new());
    while reader.read_line(&mut line).is_ok_and(|read| read > 0) {
        match line.trim().to_ascii_lowercase().split_once(": ") {
            Some(("content-length", value)) => len = value.parse().unwrap(),
            Some(("content-encoding", _)) => is_encoded = true,
            Some(_) => {}
            None if line.trim().is_empty() => {
                reader.read_exact(&mut vec![0; len]).unwrap();
                let (status, counter) = match std::mem::take(&mut is_encoded) {
                    true => ("415 Unsupported Media Type", refused),
                    false => ("200 OK", accepted),
                };
                counter.fetch_add(1, SeqCst);
                let head = format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\n\r\n");
                writer.write_all(head.as_bytes()).unwrap();
            }
            None => {}
        }
        line.clear();
    }
}

#[test]
fn a_refused_compression_loses_no_span_and_is_reported_once() {
    for compression in compressions() {
        let (refused, accepted) = (Arc::<AtomicU64>::default(), Arc::<AtomicU64>::default());
        let (refuse, accept) = (refused.clone(), accepted.clone());
        let peer = Peer::start(move |stream| refuse_encodings(stream, &refuse, &accept)).unwrap();
        let log = DiagnosticLog::default();
        let spanwise = log
            .attach(builder())
            .with_endpoint(peer.endpoint())
            .with_compression(compression)
            .with_shutdown_timeout(LONG)
            .build()
            .unwrap();
        let tracer = spanwise.tracer("x");
        for _ in 0..3 {
            (0..300).for_each(|_| drop(tracer.start("compressed")));
            spanwise.force_flush_timeout(LONG).unwrap();
        }
        let report = spanwise.shutdown().unwrap();
        report.ledger.check().unwrap();
        assert_eq!((report.ledger.exported, report.ledger.dropped_total()), (900, 0));
        assert_eq!(report.ledger.ambiguous(), 0);
        assert_eq!((refused.load(SeqCst), accepted.load(SeqCst)), (1, 3), "{compression}");
        let lines = log.lines();
        let expected = format!("refuses {compression}: HTTP 415 Unsupported Media Type; requests");
        assert_eq!(lines.len(), 1, "{lines:?}");
        assert!(lines[0].contains(&expected), "{lines:?}");
    }
}
