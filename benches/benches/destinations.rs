//! A request to several destinations: each makes the body for itself, or all with equal settings share it.
//!
//! The time is that of the processor on the thread that sends. A thread answers for the receivers.

#![allow(clippy::expect_used, reason = "a bench that cannot continue must fail")]

#[path = "../profiler.rs"]
mod profiler;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use spanwise::Compression;
use spanwise::transport::{Endpoint, FramedRequest, Protocol, Transport};
use spanwise_benches::corpus;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

fn destinations(criterion: &mut Criterion) {
    let endpoint = receiver();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.expect("a runtime");
    let request = FramedRequest::from_message(&corpus::request(SPANS));
    for (name, protocol, compression) in [
        ("none", Protocol::HttpProtobuf, Compression::None),
        ("gzip", Protocol::HttpProtobuf, Compression::Gzip),
        ("zstd", Protocol::HttpProtobuf, Compression::Zstd),
        ("json", Protocol::HttpJson, Compression::None),
        ("json-gzip", Protocol::HttpJson, Compression::Gzip),
    ] {
        let build = || {
            let builder =
                Transport::builder().with_protocol(protocol).with_compression(compression);
            builder.with_endpoint(endpoint.clone()).build().expect("a transport")
        };
        let transports = [build(), build()];
        let mut group = criterion.benchmark_group(format!("destinations/{name}"));
        group.throughput(Throughput::Elements(SPANS));
        for (case, count, is_shared) in
            [("one", 1, false), ("two", 2, false), ("two-shared", 2, true)]
        {
            group.bench_function(case, |bencher| {
                bencher.iter_custom(|ops| {
                    let started = thread_cpu();
                    for _ in 0..ops {
                        let request = request.clone();
                        let request =
                            if is_shared { request.with_shared_bodies() } else { request };
                        for transport in &transports[..count] {
                            let delivery = runtime.block_on(transport.send(request.clone()));
                            assert!(delivery.is_accepted(), "{delivery}");
                        }
                    }
                    thread_cpu().saturating_sub(started)
                });
            });
        }
        group.finish();
    }
}

/// Accepts every request on a thread of its own.
fn receiver() -> Endpoint {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("its address");
    std::thread::spawn(move || {
        for connection in listener.incoming().flatten() {
            std::thread::spawn(move || answer(connection));
        }
    });
    Endpoint::parse_base("endpoint", &format!("http://{address}")).expect("an endpoint")
}

/// Reads requests with a `Content-Length` until the connection ends.
fn answer(connection: TcpStream) -> std::io::Result<()> {
    let mut reader = BufReader::with_capacity(1 << 20, connection);
    let (mut line, mut body) = (String::new(), Vec::new());
    loop {
        let mut len = 0;
        loop {
            line.clear();
            if reader.read_line(&mut line)? == 0 {
                return Ok(());
            }
            match line.trim_end().to_ascii_lowercase().split_once(": ") {
                Some(("content-length", value)) => len = value.parse().unwrap_or(0),
                Some(_) => {}
                None if line.trim_end().is_empty() => break,
                None => {}
            }
        }
        body.resize(len, 0);
        reader.read_exact(&mut body)?;
        let answer =
            b"HTTP/1.1 200 OK\r\ncontent-type: application/x-protobuf\r\ncontent-length: 0\r\n\r\n";
        reader.get_mut().write_all(answer)?;
    }
}

fn thread_cpu() -> Duration {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the pointer is to a timespec of this thread.
    unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &mut time) };
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

/// A request of a usual size.
const SPANS: u64 = 512;

criterion_group! {
    name = benches;
    config = Criterion::default()
        .with_profiler(profiler::Pprof::default())
        .sample_size(10)
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_secs(2));
    targets = destinations
}
criterion_main!(benches);
