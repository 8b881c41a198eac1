//! Processes that append to a real directory and are killed at random instants: the next start finds each record that they reported
//! as stored, and the boot ledger reports the spans that they had in memory.
//!
//! `SPANWISE_CRASH_KILLS` is the number of processes; `cargo xtask spool-crash --kills` sets it.
#![cfg(unix)]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    clippy::indexing_slicing,
    dead_code,
    reason = "a test that cannot go on must fail"
)]

#[path = "support/requests.rs"]
mod requests;

use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant, SystemTime};

use requests::{Random, Request, Requests, number_of, request};
use spanwise_spool::boot_ledger::{BootIdentity, BootLedger, Precision, PreviousRun, SpanCounts};
use spanwise_spool::storage::{DirectoryFile, DirectoryStorage};
use spanwise_spool::{RecordId, Recovery, Spool, SpoolError};

const DIRECTORY: &str = "SPANWISE_KILL_DIRECTORY";
const FIRST: &str = "SPANWISE_KILL_FIRST";
const PADDING: u64 = 3_000;
/// The most spans of a request: the change that may be in progress when the process is killed.
const MAX_SPANS: u64 = 9;

struct Opened {
    spool: Spool<DirectoryStorage>,
    recovery: Recovery,
    ledger: BootLedger<DirectoryFile>,
    previous: PreviousRun,
}

fn open(directory: &Path) -> Opened {
    let mut storage = DirectoryStorage::open(directory).unwrap();
    let (ledger, previous) =
        BootLedger::open(&mut storage, BootIdentity::current(), Precision::OnChange).unwrap();
    let builder = Spool::builder().with_max_bytes(64 << 20).with_segment_bytes(64 << 10);
    let (spool, recovery) = builder.open_in(storage, SystemTime::now()).unwrap();
    Opened { spool, recovery, ledger, previous }
}

/// One line for the parent. The pipe has no buffer of this process: a line that was written survives the kill.
fn report(word: &str, number: u64) {
    let mut out = std::io::stdout().lock();
    out.write_all(format!("\n@{word} {number}\n").as_bytes()).unwrap();
    out.flush().unwrap();
}

/// The life of a process that is killed: it makes requests, appends, syncs, reads and acknowledges until then.
fn child(directory: &Path, first: u64) {
    let mut random = Random(first ^ 0xc41d);
    let Opened { mut spool, recovery, mut ledger, .. } = open(directory);
    let now = SystemTime::now();
    let recovered = recovery.spans;
    let mut counts = SpanCounts { recovered, spooled: recovered, ..SpanCounts::default() };
    ledger.write(now, &counts).unwrap();
    let mut numbers = first..;
    let mut delivered: Vec<(u64, u64, RecordId)> = Vec::new();
    // In memory only, as the spans of an exporter are before an outage.
    let mut in_memory: Vec<Request> = Vec::new();
    loop {
        let made = 1 + random.below(3) as usize;
        let batch: Vec<Request> =
            numbers.by_ref().take(made).map(|n| request(n, PADDING)).collect();
        for request in &batch {
            counts.created += request.spans;
            ledger.write(now, &counts).unwrap();
            report("created", request.number);
        }
        in_memory.extend(batch);
        if random.one_in(3) {
            let last = in_memory.last().map_or(0, |request| request.number);
            for request in in_memory.drain(..) {
                spool.append(SystemTime::now(), &request.bytes, request.spans).unwrap();
            }
            if random.one_in(2) {
                spool.sync(SystemTime::now()).unwrap();
                report("stored", last);
                counts.spooled = spool.stats().spans;
                ledger.write(now, &counts).unwrap();
            }
        }
        for _ in 0..random.below(4) {
            let Some(stored) = spool.read_next(SystemTime::now()).unwrap() else { break };
            delivered.push((number_of(&stored.request).unwrap(), stored.spans, stored.id));
        }
        for _ in 0..random.below(3).min(delivered.len() as u64) {
            let (number, spans, id) = delivered.remove(0);
            // Before the call: the record may be missing from here on.
            report("acknowledged", number);
            spool.acknowledge(id);
            counts.exported += spans;
            counts.spooled = spool.stats().spans;
            ledger.write(now, &counts).unwrap();
        }
    }
}

/// The lines of a process that was killed.
#[derive(Default)]
struct Reports {
    created: BTreeSet<u64>,
    last_stored: Option<u64>,
    acknowledged: BTreeSet<u64>,
}

/// Starts a process on the directory, whose standard output is a pipe.
fn spawn(directory: &Path, first: u64) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args([
            "a_killed_process_loses_no_stored_record",
            "--exact",
            "--nocapture",
            "--test-threads=1",
        ])
        .env(DIRECTORY, directory)
        .env(FIRST, first.to_string())
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .spawn()
        .unwrap()
}

/// Starts a process on the directory, kills it after `delay`, and returns what it reported.
fn kill_after(directory: &Path, first: u64, delay: Duration) -> Reports {
    let mut process = spawn(directory, first);
    let out = BufReader::new(process.stdout.take().unwrap());
    let reader = std::thread::spawn(move || {
        let mut reports = Reports::default();
        for line in out.lines() {
            let line = line.unwrap();
            // The kill can cut the last line.
            let Some((word, number)) = line.strip_prefix('@').and_then(|line| line.split_once(' '))
            else {
                continue;
            };
            let Ok(number) = number.parse() else { continue };
            match word {
                "created" => _ = reports.created.insert(number),
                "stored" => reports.last_stored = Some(number),
                "acknowledged" => _ = reports.acknowledged.insert(number),
                _ => {}
            }
        }
        reports
    });
    std::thread::sleep(delay);
    // SIGKILL, to the process started above.
    process.kill().unwrap();
    let status = process.wait().unwrap();
    assert_eq!(status.code(), None, "the process ended by itself: {status}");
    reader.join().unwrap()
}

struct TestDirectory(PathBuf);

impl Drop for TestDirectory {
    fn drop(&mut self) {
        let _best_effort = std::fs::remove_dir_all(&self.0);
    }
}

#[test]
fn a_killed_process_loses_no_stored_record() {
    if let (Some(directory), Ok(first)) = (std::env::var_os(DIRECTORY), std::env::var(FIRST)) {
        return child(Path::new(&directory), first.parse().unwrap());
    }
    let number = |name| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let kills = number("SPANWISE_CRASH_KILLS").unwrap_or(20);
    let mut random = Random(number("SPANWISE_CRASH_SEED").unwrap_or_default());
    let directory = TestDirectory(
        std::env::temp_dir().join(format!("spanwise-spool-kill-{}", std::process::id())),
    );
    let mut requests = Requests::new(PADDING);
    // Of the records on disk: those that must be there, and those that may.
    let (mut must, mut may) = (BTreeSet::new(), BTreeSet::new());
    let (mut lost_exactly, mut lost, mut duplicates, mut torn, mut stored) =
        (0u64, 0u64, 0u64, 0u64, 0u64);
    let (begin, mut first, mut crashes) = (Instant::now(), 0, 0u64);
    for kill in 0..kills {
        // From the start of the process to a second segment and its checkpoints.
        let longest = random.pick(&[40_000, 40_000, 120_000]);
        let delay = Duration::from_micros(random.below(longest));
        let reports = kill_after(&directory.0, first, delay);
        // Requests that were made and not reported are at most one batch.
        let end = reports.created.last().map_or(first, |last| last + 1) + 3;
        may.extend(first..end);
        if let Some(last) = reports.last_stored {
            must.extend(first..=last);
        }
        for number in &reports.acknowledged {
            must.remove(number);
        }
        let before: u64 = must.len() as u64;
        let Opened { mut spool, recovery, ledger, previous } = open(&directory.0);
        let mut found = BTreeSet::new();
        while let Some(record) = spool.read_next(SystemTime::now()).unwrap() {
            let number = number_of(&record.request).unwrap();
            assert_eq!(record.request, requests.get(number).bytes, "kill {kill}");
            assert!(found.insert(number), "kill {kill}: request {number} is delivered twice");
            assert!(may.contains(&number), "kill {kill}: request {number} was never made");
        }
        let missing: Vec<_> = must.difference(&found).collect();
        assert!(missing.is_empty(), "kill {kill}: stored requests {missing:?} are lost");
        let losses = spool.take_losses();
        assert_eq!(losses.total(), 0, "kill {kill}: {losses:?}");
        let spans: u64 = found.iter().map(|number| requests.get(*number).spans).sum();
        assert_eq!(recovery.spans, spans, "kill {kill}");
        duplicates += found.intersection(&reports.acknowledged).count() as u64;
        torn += u64::from(recovery.torn_bytes > 0);
        stored += before;
        // The boot ledger: what was made and is not on disk was in memory.
        if let PreviousRun::Crashed(crash) = previous {
            let loss = previous.loss(recovery.spans);
            assert!(loss.is_exact(), "kill {kill}: {loss:?}");
            let in_memory = reports
                .created
                .iter()
                .filter(|number| !found.contains(number) && !reports.acknowledged.contains(number));
            let in_memory: u64 = in_memory.map(|number| requests.get(*number).spans).sum();
            // Acknowledged records that were found again hide spans that were lost: the window of the checkpoint.
            let again: u64 = found
                .intersection(&reports.acknowledged)
                .map(|number| requests.get(*number).spans)
                .sum();
            let difference = loss.spans.abs_diff(in_memory);
            assert!(
                difference <= MAX_SPANS + again,
                "kill {kill}: {loss:?}, {in_memory} in memory, {crash:?}"
            );
            crashes += 1;
            lost_exactly += u64::from(difference == 0);
            lost += loss.spans;
        }
        // The next process goes on with what is there, and the parent delivers what is old.
        must = found;
        first = end;
        if must.len() > 200 {
            spool.rewind();
            while let Some(record) = spool.read_next(SystemTime::now()).unwrap() {
                spool.acknowledge(record.id);
            }
            spool.checkpoint();
            requests = Requests::new(PADDING);
            must.clear();
            may.clear();
        }
        let live = spool.stats().spans;
        let counts = SpanCounts { recovered: live, spooled: live, ..SpanCounts::default() };
        ledger.close(SystemTime::now(), &counts).unwrap();
    }
    eprintln!(
        "{kills} kills, {stored} stored records judged, {duplicates} delivered again, {torn} torn tails, {lost} spans lost in memory, \
         exact in {lost_exactly} of {crashes} starts, {:.1} s",
        begin.elapsed().as_secs_f64()
    );
}

#[test]
fn d9_the_directory_of_a_running_process_is_refused_until_it_ends() {
    let path = std::env::temp_dir().join(format!("spanwise-spool-lock-{}", std::process::id()));
    let directory = TestDirectory(path);
    let mut process = spawn(&directory.0, 0);
    // Its first report follows the lock.
    let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
    let is_open = lines.any(|line| line.is_ok_and(|line| line.starts_with("@created")));
    let result = Spool::builder().open(&directory.0);
    process.kill().unwrap();
    process.wait().unwrap();
    assert!(is_open, "the process ended by itself");
    assert!(matches!(result, Err(SpoolError::Locked { .. })));
    assert!(
        Spool::builder().open(&directory.0).is_ok(),
        "the kernel frees the lock of a killed process"
    );
}
