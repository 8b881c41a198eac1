//! The spool against a file that is written and synced.
//!
//! `spool-append` stores requests of about 1 MiB by a `SpoolThread`, one sync each; its rival writes the same compressed bytes to one
//! file with as many syncs, and compresses nothing. Both run in turns, since the time of a sync changes by the second. `spool-replay`
//! reads and acknowledges them. Each row is per span, and each run checks that all spans that it stored are read back.
//!
//! `service` has the spans of `corpus.rs`, `w3` those of the other benches.

mod corpus;
#[path = "../../profiler.rs"]
mod profiler;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use spanwise_spool::format::{RECORD_HEADER_BYTES, RecordHeader, RecordPart, SEGMENT_HEADER_BYTES};
use spanwise_spool::{Spool, SpoolEvent, SpoolThread};
use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::time::{Duration, Instant, SystemTime};

type Requests = Vec<(Vec<u8>, u64)>;

/// Requests of a run: with the training of the dictionary.
const REQUESTS: usize = 128;
const QUEUE_BYTES: usize = 8 << 20;

fn spool(criterion: &mut Criterion) {
    let w3 = spanwise_benches::corpus::request(3_600);
    let w3: Requests = (0..REQUESTS).map(|_| (w3.clone(), 3_600)).collect();
    for (name, requests) in [("service", corpus::requests(REQUESTS)), ("w3", w3)] {
        let spans: u64 = requests.iter().map(|(_, spans)| spans).sum();
        let mut runs = Vec::new();
        let mut group = criterion.benchmark_group("spool-append");
        group.throughput(Throughput::Elements(1));
        group.sample_size(10).warm_up_time(Duration::from_millis(1));
        for row in ["spanwise", "write-and-sync"] {
            group.bench_function(format!("{name}/{row}"), |bencher| {
                bencher.iter_custom(|iterations| {
                    let run = Run::new(&requests, spans);
                    let took = if row == "spanwise" { run.append } else { run.rival };
                    runs.push(run);
                    took.mul_f64(iterations as f64 / spans as f64)
                });
            });
        }
        group.finish();
        report(name, &requests, &mut runs);
        let mut group = criterion.benchmark_group("spool-replay");
        group.throughput(Throughput::Elements(1));
        group.sample_size(10).warm_up_time(Duration::from_millis(1));
        group.bench_function(name, |bencher| {
            bencher.iter_custom(|iterations| {
                let run = Run::new(&requests, spans);
                run.replay.mul_f64(iterations as f64 / spans as f64)
            });
        });
        group.finish();
    }
}

/// Prints the medians of pairs, which no row has.
fn report(name: &str, requests: &Requests, runs: &mut [Run]) {
    let Some(disk_bytes) = runs.last().map(|run| run.disk_bytes) else { return };
    runs.sort_by(|a, b| a.ratio().total_cmp(&b.ratio()));
    let ratio = runs.get(runs.len() / 2).map_or(0.0, Run::ratio);
    let (least, most) = (runs.first(), runs.last());
    let raw: usize = requests.iter().map(|(request, _)| request.len()).sum();
    println!(
        "spool-append/{name}: {ratio:.2} of the rate of its rival, the median of {} pairs ({:.2} to {:.2}); {:.2} % of {} raw bytes on disk",
        runs.len(),
        least.map_or(0.0, Run::ratio),
        most.map_or(0.0, Run::ratio),
        100.0 * disk_bytes as f64 / raw as f64,
        raw,
    );
}

struct Run {
    append: Duration,
    rival: Duration,
    replay: Duration,
    disk_bytes: u64,
}

impl Run {
    #[expect(clippy::expect_used, reason = "a bench that cannot run must fail")]
    fn new(requests: &Requests, spans: u64) -> Self {
        let directory = Directory::new();
        let append = append(directory.path(), requests, spans);
        let (payloads, disk_bytes) = payloads(directory.path());
        let rival = rival(&directory.path().join("rival"), &payloads);
        let (mut spool, recovery) = Spool::builder().open(directory.path()).expect("a directory");
        assert_eq!(recovery.spans, spans, "spans of a start");
        let (mut read, begun) = (0, Instant::now());
        let mut expected = requests.iter();
        while let Some(stored) = spool.read_next(SystemTime::now()).expect("readable segments") {
            let (request, _) = expected.next().expect("no record that was not stored");
            assert!(stored.request == *request, "the request is read back");
            read += stored.spans;
            spool.acknowledge(stored.id);
        }
        let replay = begun.elapsed();
        assert_eq!((read, spool.take_losses().total()), (spans, 0), "spans in and spans out");
        Self { append, rival, replay, disk_bytes }
    }

    fn ratio(&self) -> f64 {
        self.rival.as_secs_f64() / self.append.as_secs_f64()
    }
}

/// Stores the requests; the time until the last one is synced.
#[expect(clippy::expect_used, reason = "a bench that cannot run must fail")]
fn append(directory: &Path, requests: &Requests, spans: u64) -> Duration {
    let (spool, _) = Spool::builder().open(directory).expect("a directory");
    let (events, received) = mpsc::channel();
    let send = move |event| _ = events.send(event);
    let thread = SpoolThread::start(spool, QUEUE_BYTES, send).expect("a thread");
    let handle = thread.handle();
    // Copies before the time begins.
    let copies: Vec<_> = requests.clone();
    let (mut stored, mut waiting) = (0, 0);
    let mut wait = |waiting: &mut usize| {
        if let Ok(SpoolEvent::Stored { spans, result: Ok(()), .. }) = received.recv() {
            stored += spans;
            *waiting -= 1;
        }
    };
    let begun = Instant::now();
    for (request, spans) in copies {
        let mut refused = Some(request);
        while let Some(request) = refused.take() {
            refused = handle.store(0, request, spans).err();
            if refused.is_some() {
                wait(&mut waiting);
            }
        }
        waiting += 1;
    }
    while waiting > 0 {
        wait(&mut waiting);
    }
    let took = begun.elapsed();
    assert_eq!(stored, spans, "stored spans");
    assert!(thread.shutdown(Duration::from_secs(60)));
    took
}

/// The compressed bytes of each record, and the bytes of all segments and indexes.
#[expect(clippy::expect_used, reason = "a bench that cannot run must fail")]
fn payloads(directory: &Path) -> (Vec<Vec<u8>>, u64) {
    let entries = std::fs::read_dir(directory).expect("a directory");
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.expect("an entry").path()).collect();
    paths.sort();
    let (mut payloads, mut disk_bytes) = (Vec::new(), 0);
    for path in paths {
        let bytes = std::fs::read(&path).expect("a file");
        disk_bytes += bytes.len() as u64;
        if path.extension().is_some_and(|suffix| suffix == "segment") {
            let mut at = SEGMENT_HEADER_BYTES;
            while at + RECORD_HEADER_BYTES < bytes.len() {
                let header = RecordHeader::decode(&bytes[at..], RecordPart::Header);
                let header = header.expect("an intact record");
                let payload = header.payload_offset() as usize..header.trailer_offset() as usize;
                at = header.end() as usize;
                if header.spans > 0 {
                    payloads.push(bytes[payload].to_vec());
                }
            }
        }
    }
    (payloads, disk_bytes)
}

/// Writes and syncs the bytes, one sync each.
#[expect(clippy::expect_used, reason = "a bench that cannot run must fail")]
fn rival(path: &Path, payloads: &[Vec<u8>]) -> Duration {
    let mut file = File::create_new(path).expect("a file");
    let begun = Instant::now();
    for payload in payloads {
        file.write_all(payload).expect("space");
        file.sync_data().expect("a disk");
    }
    let took = begun.elapsed();
    std::fs::remove_file(path).expect("the file");
    took
}

struct Directory(PathBuf);

impl Directory {
    #[expect(clippy::expect_used, reason = "a bench that cannot run must fail")]
    fn new() -> Self {
        // On the disk of the build: /tmp can be memory, whose sync does nothing.
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("spool-bench");
        let _not_found = std::fs::remove_dir_all(&path);
        std::fs::create_dir_all(&path).expect("a directory");
        Self(path)
    }

    fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _best_effort = std::fs::remove_dir_all(&self.0);
    }
}

criterion_group! {
    name = benches;
    config = Criterion::default().with_profiler(profiler::Pprof::default());
    targets = spool
}
criterion_main!(benches);
