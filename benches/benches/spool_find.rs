//! `spool-find`: the spans of one trace out of a spool, with a cold page cache.
//!
//! A store is filled once with spans of a web service: 64 MiB, or the bytes of `SPOOL_FIND_BYTES`. Before each search the
//! pages of its files leave the page cache. Each search checks that it returns all spans of its trace and no other. The rows:
//! traces of the store, with their tables in memory; traces that the store does not have; the first search of a process,
//! which reads the tables of all indexes; and searches with a warm cache.

use rustix::fs::Advice;
use spanwise_spool::{Spool, SpoolReader};
use spanwise_wire::TraceId;
use spanwise_wire::read::TraceRequest;
use spanwise_wire::write::{put_bytes, put_message, put_varint};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

/// Searches of a row.
const SEARCHES: u64 = 500;
/// Spans of a request, of about 1 MiB.
const SPANS: u64 = 2_000;

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

#[expect(clippy::print_stdout, reason = "the result of a bench")]
fn main() -> Result<()> {
    let bytes = match std::env::var("SPOOL_FIND_BYTES") {
        Ok(bytes) => bytes.parse()?,
        Err(_) => 64 << 20,
    };
    let folder =
        std::env::var_os("SPOOL_FIND_DIRECTORY").map_or_else(std::env::temp_dir, PathBuf::from);
    let shapes = std::env::var("SPOOL_FIND_SPANS_PER_TRACE").unwrap_or_else(|_| "5,2,1".to_owned());
    for spans_per_trace in shapes.split(',') {
        let spans_per_trace: u64 = spans_per_trace.parse()?;
        let directory = folder.join(format!("spool-find-{}", std::process::id()));
        let measured = measure(&directory, bytes, spans_per_trace);
        std::fs::remove_dir_all(&directory)?;
        println!("{}", measured?);
    }
    Ok(())
}

fn measure(directory: &Path, bytes: u64, spans_per_trace: u64) -> Result<String> {
    let (mut spool, _) = Spool::builder().with_max_bytes(bytes + bytes / 8).open(directory)?;
    let (mut spans, begun) = (0, Instant::now());
    let mut generator = Generator { random: Random(1), traces: 0, spans_per_trace };
    while spool.stats().bytes < bytes {
        let request = generator.request();
        spool.append(SystemTime::now(), &request, SPANS)?;
        spool.sync(SystemTime::now())?;
        spans += SPANS;
    }
    let filled = begun.elapsed();
    // Completes the last segment, whose index the first search makes.
    drop(spool);
    let (mut spool, _) = Spool::builder().with_max_bytes(bytes + bytes / 8).open(directory)?;
    spool.find(TraceId(1));
    let files = synced(directory)?;
    let traces = generator.traces;
    let mut random = Random(2);
    let mut search = |is_present: bool, is_cold: bool| -> Result<Row> {
        let mut row = Row::default();
        for _ in 0..SEARCHES {
            let number =
                if is_present { random.next() % traces } else { traces + random.next() % traces };
            if is_cold {
                forget(&files)?;
            }
            let (read_before, begun) = (read_bytes(), Instant::now());
            let found = spool.find(trace_id(number));
            row.times.push(begun.elapsed());
            row.read_bytes += read_bytes().saturating_sub(read_before);
            row.blocks += found.blocks;
            row.false_records += found.false_records;
            let expected = if is_present { spans_per_trace } else { 0 };
            let is_right = found.spans == expected
                && TraceRequest::new(&found.request).count_spans() == Ok(expected);
            if !is_right || found.rebuilt_indexes + found.damaged_records > 0 {
                return Err(format!("trace {number}: {found:?}").into());
            }
        }
        Ok(row)
    };
    let (present, absent) = (search(true, true)?, search(false, true)?);
    for mut file in &files {
        std::io::copy(&mut file, &mut std::io::sink())?;
    }
    let warm = search(true, false)?;
    let rows = [("present, cold", present), ("absent, cold", absent), ("present, warm", warm)];
    forget(&files)?;
    let begun = Instant::now();
    let mut first = SpoolReader::open(directory)?;
    let opened = begun.elapsed();
    let found = first.find(trace_id(0));
    let first = begun.elapsed();
    if found.spans != spans_per_trace {
        return Err(format!("the reader has {found:?}").into());
    }
    let (segments, indexes) = (sum(directory, "segment")?, sum(directory, "index")?);
    let mut text = format!(
        "spool-find, {spans_per_trace} spans in a trace: {spans} spans in {} MiB, {:.1} bytes each ({:.1} % of {} raw bytes a span), {} \
         segments; index {:.2} % of the data, {:.2} bytes a span; filled in {filled:.1?}",
        segments.bytes >> 20,
        segments.bytes as f64 / spans as f64,
        100.0 * segments.bytes as f64 / (generator.raw_bytes() * spans) as f64,
        generator.raw_bytes(),
        segments.files,
        100.0 * indexes.bytes as f64 / segments.bytes as f64,
        indexes.bytes as f64 / spans as f64,
    );
    for (name, row) in rows {
        text.push_str(&format!("\n  {name}: {}", row.text()));
    }
    text.push_str(&format!(
        "\n  a new reader, cold: opened in {opened:.1?}, the first trace after {first:.1?}"
    ));
    Ok(text)
}

#[derive(Default)]
struct Row {
    times: Vec<Duration>,
    blocks: u64,
    false_records: u64,
    /// From the disk.
    read_bytes: u64,
}

impl Row {
    fn text(mut self) -> String {
        self.times.sort();
        let at = |part: f64| {
            let last = self.times.len().saturating_sub(1);
            self.times.get((last as f64 * part).round() as usize).copied().unwrap_or_default()
        };
        let searches = self.times.len().max(1) as f64;
        format!(
            "p50 {:.2?}, p99 {:.2?}, max {:.2?}; {:.1} blocks, {:.3} of them records in vain, and {:.0} KiB from the disk a search",
            at(0.5),
            at(0.99),
            at(1.0),
            self.blocks as f64 / searches,
            self.false_records as f64 / searches,
            self.read_bytes as f64 / 1024.0 / searches
        )
    }
}

/// Opens all files, with no page in memory that is not on disk: the system forgets no other.
fn synced(directory: &Path) -> Result<Vec<File>> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(directory)? {
        let file = File::open(entry?.path())?;
        file.sync_all()?;
        files.push(file);
    }
    Ok(files)
}

/// Has the system forget the pages of all files.
fn forget(files: &[File]) -> Result<()> {
    for file in files {
        rustix::fs::fadvise(file, 0, None, Advice::DontNeed)?;
    }
    Ok(())
}

/// Bytes that this process has read from the disk, which the page cache did not have; 0 on other systems than Linux.
fn read_bytes() -> u64 {
    let counts = std::fs::read_to_string("/proc/self/io").unwrap_or_default();
    let line = counts.lines().find_map(|line| line.strip_prefix("read_bytes: "));
    line.and_then(|number| number.parse().ok()).unwrap_or_default()
}

#[derive(Default)]
struct Sum {
    files: u64,
    bytes: u64,
}

fn sum(directory: &Path, extension: &str) -> Result<Sum> {
    let mut sum = Sum::default();
    for entry in std::fs::read_dir(directory)? {
        let path = entry?.path();
        if path.extension().is_some_and(|it| it == extension) {
            sum.files += 1;
            sum.bytes += path.metadata()?.len();
        }
    }
    Ok(sum)
}

/// The id of trace `number`: random, as those of the SDK.
fn trace_id(number: u64) -> TraceId {
    let mut random = Random(number.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    TraceId(u128::from(random.next()) << 64 | u128::from(random.next()))
}

/// Makes the requests of a service: a server span and its database spans, whose ids, times, users and rows differ.
struct Generator {
    random: Random,
    traces: u64,
    spans_per_trace: u64,
}

impl Generator {
    fn request(&mut self) -> Vec<u8> {
        let mut out = Vec::with_capacity(1 << 20);
        put_message(&mut out, 0x0a, |group| {
            put_message(group, 0x0a, |resource| {
                for (key, value) in [("service.name", "shop"), ("host.name", "node-17")] {
                    put_text(resource, 0x0a, key, value);
                }
            });
            put_message(group, 0x12, |scope| {
                for at in 0..SPANS {
                    let is_root = at % self.spans_per_trace == 0;
                    self.traces += u64::from(is_root);
                    let trace_id = trace_id(self.traces - 1);
                    put_message(scope, 0x12, |span| self.span(span, trace_id, is_root));
                }
            });
        });
        out
    }

    fn span(&mut self, span: &mut Vec<u8>, trace_id: TraceId, is_root: bool) {
        put_bytes(span, 0x0a, &trace_id.to_bytes());
        put_bytes(span, 0x12, &self.random.next().to_be_bytes());
        if !is_root {
            put_bytes(span, 0x22, &trace_id.to_bytes()[8..]);
        }
        let table = ["orders", "users", "items", "carts"][(self.random.next() % 4) as usize];
        let name =
            if is_root { "GET /api/orders/{id}".to_owned() } else { format!("SELECT {table}") };
        put_bytes(span, 0x2a, name.as_bytes());
        span.extend_from_slice(&[0x30, if is_root { 2 } else { 3 }]);
        let start = START + self.traces * 1_000_000 + self.random.next() % 65_536;
        span.push(0x39);
        span.extend_from_slice(&start.to_le_bytes());
        span.push(0x41);
        span.extend_from_slice(&(start + self.random.next() % 65_536 * 64).to_le_bytes());
        if is_root {
            put_text(span, 0x4a, "http.request.method", "GET");
            put_text(span, 0x4a, "http.route", "/api/orders/{id}");
            put_text(
                span,
                0x4a,
                "url.path",
                &format!("/api/orders/{}", self.random.next() % 10_000),
            );
            put_text(
                span,
                0x4a,
                "user_agent.original",
                "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36",
            );
            put_text(span, 0x4a, "client.address", &format!("10.0.{}.7", self.random.next() % 256));
            put_text(span, 0x4a, "network.protocol.version", "1.1");
            put_text(span, 0x4a, "server.address", "shop.example.com");
            put_text(span, 0x4a, "url.scheme", "https");
        } else {
            put_text(span, 0x4a, "db.system.name", "postgresql");
            put_text(span, 0x4a, "db.namespace", "shop");
            let text = format!(
                "SELECT id, name, price, created_at FROM {table} WHERE tenant_id = $1 ORDER BY created_at DESC LIMIT 50"
            );
            put_text(span, 0x4a, "db.query.text", &text);
            put_text(span, 0x4a, "db.collection.name", table);
            put_text(span, 0x4a, "server.address", "postgres-primary.shop.svc.cluster.local");
        }
        put_text(span, 0x4a, "session.id", &format!("{:016x}", self.random.next()));
        put_text(span, 0x4a, "request.id", &format!("{:016x}", self.random.next()));
        put_message(span, 0x4a, |attribute| {
            put_bytes(attribute, 0x0a, b"thread.id");
            put_message(attribute, 0x12, |value| {
                value.push(0x18);
                put_varint(value, self.random.next() % 16);
            });
        });
    }

    /// Bytes of a span before compression, about.
    fn raw_bytes(&self) -> u64 {
        let mut other =
            Self { random: Random(1), traces: 0, spans_per_trace: self.spans_per_trace };
        other.request().len() as u64 / SPANS
    }
}

/// An attribute; `tag` is that of its field.
fn put_text(out: &mut Vec<u8>, tag: u8, key: &str, value: &str) {
    put_message(out, tag, |attribute| {
        put_bytes(attribute, 0x0a, key.as_bytes());
        put_message(attribute, 0x12, |out| put_bytes(out, 0x0a, value.as_bytes()));
    });
}

/// SplitMix64.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }
}

const START: u64 = 1_795_964_645_000_000_000;
