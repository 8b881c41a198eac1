//! Effects on the host process: signals, forks, standard error, descriptors, memory.
//!
//! Each scenario runs in a process of its own, this binary started again. It may change its process as
//! it likes, and the parent checks how it ended.
#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on must fail")]

mod support;

use spanwise_receiver::Receiver;
use spanwise_sdk::{DropReason, Exporter, FlushError, SpanKind, Spanwise};
use spanwise_testkit::allocator::heap;
use spanwise_testkit::{ClosedPort, CountingAllocator, Peer, in_forked_child, rerun};
use std::collections::HashSet;
use std::io::{Read as _, Write as _};
use std::os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd};
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Output, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use support::{LONG, assert_idle, builder, wait_until_idle};

#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator;

const SCENARIO: &str = "SPANWISE_TEST_SCENARIO";
const URL: &str = "SPANWISE_TEST_URL";

/// Runs `scenario` in a process of its own.
fn run(scenario: &str, url: &str, stderr: Stdio) -> Output {
    rerun("child")
        .env(SCENARIO, scenario)
        .env(URL, url)
        .stderr(stderr)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
        .wait_with_output()
        .unwrap()
}

fn passed(scenario: &str, output: &Output) {
    let printed = format!(
        "{scenario}: {}\n{}\n{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    assert_eq!(output.status.signal(), None, "{printed}");
    assert!(output.status.success(), "{printed}");
    assert!(String::from_utf8_lossy(&output.stdout).contains(DONE), "{printed}");
}

/// The line that a scenario prints at its end.
const DONE: &str = "the scenario is done";

/// The process of a scenario; without its variable an empty test.
#[test]
fn child() {
    let Ok(scenario) = std::env::var(SCENARIO) else { return };
    let url = std::env::var(URL).unwrap();
    match scenario.as_str() {
        "sigpipe" => sigpipe(&url),
        "full stderr" => full_stderr(&url),
        "forks" => forks(),
        "fork without an exporter" => fork_without_an_exporter(),
        "fork of a provider" => fork_of_a_provider(&url),
        "dead providers" => dead_providers(&url),
        "last handle" => last_handle(),
        "dead receiver" => dead_receiver(&url),
        other => panic!("no scenario {other}"),
    }
    println!("{DONE}");
}

/// A pipe whose reader the caller closes or leaves idle.
fn pipe() -> (OwnedFd, OwnedFd) {
    let mut ends = [0; 2];
    // SAFETY: `ends` has space for two descriptors, which no other value owns yet.
    unsafe {
        assert_eq!(libc::pipe(ends.as_mut_ptr()), 0);
        (OwnedFd::from_raw_fd(ends[0]), OwnedFd::from_raw_fd(ends[1]))
    }
}

#[test]
fn a_process_with_sigpipe_at_its_default_survives() {
    let (read, write) = pipe();
    drop(read);
    // Its standard error is closed too: the lines of the default handler raise the same signal.
    let peer = Peer::start(|mut stream| drop(stream.read(&mut [0; 16]))).unwrap();
    passed("sigpipe", &run("sigpipe", &peer.endpoint(), write.into()));
}

fn sigpipe(url: &str) {
    // SAFETY: `SIG_DFL` installs no handler, so no code runs in a signal's context.
    unsafe { libc::signal(libc::SIGPIPE, libc::SIG_DFL) };
    let spanwise = Spanwise::builder()
        .with_environment(|name| (name == "OTEL_BSP_SCHEDULE_DELAY").then(|| "soon".to_owned()))
        .with_endpoint(url)
        .with_attempt_timeout(Duration::from_millis(200))
        .with_export_timeout(Duration::from_millis(400))
        .build()
        .unwrap();
    let tracer = spanwise.tracer("sigpipe");
    for _ in 0..5 {
        (0..20_000).for_each(|_| drop(tracer.root("span", SpanKind::Internal)));
        spanwise.force_flush_timeout(LONG).unwrap();
    }
    let ledger = spanwise.shutdown_timeout(LONG).unwrap().ledger;
    assert_idle(&ledger);
    assert_eq!(ledger.exported, 0);
}

#[test]
fn a_full_standard_error_stops_no_export() {
    let (receiver, collected) = Receiver::collecting().unwrap();
    let (_read, write) = pipe();
    // The test fills the pipe to its last byte, and then makes it blocking again.
    let mut full = std::fs::File::from(write);
    // SAFETY: changes the flags of a descriptor we own.
    unsafe { libc::fcntl(full.as_raw_fd(), libc::F_SETFL, libc::O_NONBLOCK) };
    while full.write(&[b'x'; 4096]).is_ok() {}
    while full.write(b"x").is_ok() {}
    // SAFETY: as above.
    unsafe { libc::fcntl(full.as_raw_fd(), libc::F_SETFL, 0) };
    let output = run("full stderr", &receiver.http_endpoint(), full.into());
    passed("full stderr", &output);
    assert_eq!(collected.spans(), 1000);
}

fn full_stderr(url: &str) {
    let spanwise = Spanwise::builder()
        // An invalid value, which the default handler reports.
        .with_environment(|name| (name == "OTEL_BSP_SCHEDULE_DELAY").then(|| "soon".to_owned()))
        .with_endpoint(url)
        .build()
        .unwrap();
    let tracer = spanwise.tracer("stderr");
    for _ in 0..10 {
        (0..100).for_each(|_| drop(tracer.root("span", SpanKind::Internal)));
        spanwise.force_flush_timeout(LONG).unwrap();
    }
    assert_idle(&spanwise.shutdown_timeout(LONG).unwrap().ledger);
}

#[test]
fn forked_children_with_their_own_provider_generate_unique_ids() {
    passed("forks", &run("forks", "", Stdio::piped()));
}

fn ids(spanwise: &Spanwise) -> Vec<String> {
    let tracer = spanwise.tracer("forks");
    let span = || {
        let span = tracer.root("span", SpanKind::Internal);
        format!("{:?} {:?}\n", span.context().trace_id(), span.context().span_id())
    };
    (0..100).map(|_| span()).collect()
}

fn own() -> Spanwise {
    let accepted = || spanwise_transport::Outcome::Accepted { rejected: 0, message: None };
    builder().with_sink(move |_| std::future::ready(accepted())).build().unwrap()
}

/// This thread generates ids before it forks; each child builds a provider of its own.
fn forks() {
    let before = own();
    let mut seen: HashSet<String> = ids(&before).into_iter().collect();
    for _ in 0..3 {
        let written = in_forked_child(|out| {
            let spanwise = own();
            ids(&spanwise).iter().for_each(|id| out.write_all(id.as_bytes()).unwrap());
            let ledger = spanwise.shutdown_timeout(LONG).unwrap().ledger;
            assert_idle(&ledger);
            assert_eq!(ledger.exported, 100);
        });
        let lines: Vec<_> =
            String::from_utf8(written).unwrap().lines().map(str::to_owned).collect();
        assert_eq!(lines.len(), 100);
        for line in lines {
            assert!(seen.insert(line + "\n"), "two processes generated one id");
        }
    }
    seen.extend(ids(&before));
    assert_eq!(seen.len(), 500);
    assert_idle(&before.shutdown_timeout(LONG).unwrap().ledger);
}

/// The exporter `none` has no worker that a child would lack.
#[test]
fn forked_children_without_an_exporter_generate_unique_ids() {
    passed("fork without an exporter", &run("fork without an exporter", "", Stdio::piped()));
}

fn fork_without_an_exporter() {
    let spanwise = builder().with_exporter(Exporter::None).build().unwrap();
    let mut seen: HashSet<String> = ids(&spanwise).into_iter().collect();
    for _ in 0..3 {
        let written = in_forked_child(|out| {
            ids(&spanwise).iter().for_each(|id| out.write_all(id.as_bytes()).unwrap());
            spanwise.shutdown_timeout(LONG).unwrap();
        });
        let lines: Vec<_> =
            String::from_utf8(written).unwrap().lines().map(str::to_owned).collect();
        assert_eq!(lines.len(), 100);
        for line in lines {
            assert!(seen.insert(line + "\n"), "two processes generated one id");
        }
    }
    seen.extend(ids(&spanwise));
    assert_eq!(seen.len(), 500);
    assert_eq!(spanwise.shutdown_timeout(LONG).unwrap().ledger.created, 0);
}

#[test]
fn a_forked_child_counts_its_spans_as_worker_unavailable_and_does_not_wait() {
    let (receiver, collected) = Receiver::collecting().unwrap();
    let output = run("fork of a provider", &receiver.http_endpoint(), Stdio::piped());
    passed("fork of a provider", &output);
    assert_eq!(collected.spans(), 1 + 101 + 100, "the parent's spans, each once");
}

fn fork_of_a_provider(url: &str) {
    let spanwise = builder().with_endpoint(url).build().unwrap();
    let tracer = spanwise.tracer("fork");
    let open = tracer.root("open at the fork", SpanKind::Internal);
    (0..100).for_each(|_| drop(tracer.root("before", SpanKind::Internal)));
    in_forked_child(|_| {
        let before = spanwise.ledger().created;
        (0..2000).for_each(|_| drop(tracer.root("in the child", SpanKind::Internal)));
        let ledger = spanwise.ledger();
        assert_eq!(ledger.created, before + 2000);
        assert_eq!(ledger.dropped(DropReason::WorkerUnavailable), 2000);
        let child = tracer.child("child", SpanKind::Internal, open.context());
        assert_eq!(child.context(), open.context(), "a context passes through");
        assert!(matches!(spanwise.force_flush_timeout(LONG), Err(FlushError::WorkerTerminated)));
        spanwise.set_sampler(spanwise_sdk::sampling::Sampler::always_off());
        drop(spanwise.tracer("another one, whose table may be locked"));
        assert!(matches!(spanwise.shutdown_timeout(LONG), Err(FlushError::WorkerTerminated)));
        assert!(matches!(spanwise.shutdown_timeout(LONG), Err(FlushError::AlreadyShutdown)));
        drop(spanwise.clone());
    });
    drop(open);
    (0..101).for_each(|_| drop(tracer.root("after", SpanKind::Internal)));
    let ledger = spanwise.shutdown_timeout(LONG).unwrap().ledger;
    assert_idle(&ledger);
    assert_eq!(ledger.exported, 202);
}

#[test]
fn a_provider_after_shutdown_retains_little_memory_for_an_open_span() {
    let (receiver, _) = Receiver::collecting().unwrap();
    passed("dead providers", &run("dead providers", &receiver.http_endpoint(), Stdio::piped()));
}

fn dead_providers(url: &str) {
    const PROVIDERS: usize = 40;
    let descriptors = || std::fs::read_dir("/dev/fd").unwrap().count();
    let one = |spans: &mut Vec<_>| {
        let spanwise = builder().with_endpoint(url).build().unwrap();
        let tracer = spanwise.tracer("dead");
        (0..1000).for_each(|_| drop(tracer.root("span", SpanKind::Internal)));
        spans.push(tracer.root("alive", SpanKind::Internal));
        spanwise.shutdown_timeout(LONG).unwrap();
        assert_eq!(spanwise.ledger().exported, 1000);
    };
    let mut alive = Vec::with_capacity(PROVIDERS + 1);
    one(&mut alive);
    let (open, held) = (descriptors(), heap().current);
    (0..PROVIDERS).for_each(|_| one(&mut alive));
    // Threads that have ended may still have resources that the system frees later.
    let patience = Instant::now() + LONG;
    let each = || heap().current.saturating_sub(held) / PROVIDERS as u64;
    while (descriptors() > open || each() > 40_000) && Instant::now() < patience {
        std::thread::sleep(Duration::from_millis(5));
    }
    assert!(descriptors() <= open, "{} descriptors, {open} before", descriptors());
    assert!(each() <= 40_000, "{} bytes each", each());
    drop(alive);
}

#[test]
fn the_worker_may_drop_the_last_handle() {
    passed("last handle", &run("last handle", "", Stdio::piped()));
}

async fn accepting(_request: spanwise_sdk::Bytes) -> spanwise_transport::Outcome {
    spanwise_transport::Outcome::Accepted { rejected: 0, message: None }
}

/// A sink holds and drops it. Neither a thread nor a descriptor leaks.
fn last_handle() {
    const PROVIDERS: usize = 20;
    let threads = || std::fs::read_dir("/proc/self/task").map_or(0, Iterator::count);
    let descriptors = || std::fs::read_dir("/dev/fd").unwrap().count();
    // With its feature `signal`, tokio opens two descriptors of the process at its first runtime.
    builder().with_sink(accepting).build().unwrap().shutdown_timeout(LONG).unwrap();
    let before = (threads(), descriptors());
    let taken = Arc::new(AtomicUsize::new(0));
    for _ in 0..PROVIDERS {
        let held: Arc<Mutex<Option<Spanwise>>> = Arc::default();
        let (inside, count) = (held.clone(), taken.clone());
        let sink = move |_| {
            let last = inside.lock().unwrap().take();
            if let Some(spanwise) = &last {
                let here = spanwise.force_flush_timeout(LONG);
                assert!(matches!(here, Err(FlushError::OnWorkerThread)), "{here:?}");
            }
            drop(last);
            count.fetch_add(1, SeqCst);
            std::future::ready(spanwise_transport::Outcome::Accepted { rejected: 0, message: None })
        };
        let spanwise = builder()
            .with_sink(sink)
            .with_scheduled_delay(Duration::from_millis(1))
            .build()
            .unwrap();
        let tracer = spanwise.tracer("worker");
        *held.lock().unwrap() = Some(spanwise);
        drop(tracer.root("span", SpanKind::Internal));
        drop(tracer);
    }
    let patience = Instant::now() + LONG;
    let now = || (threads(), descriptors());
    while (taken.load(SeqCst) < PROVIDERS || now().0 > before.0 || now().1 > before.1)
        && Instant::now() < patience
    {
        std::thread::sleep(Duration::from_millis(1));
    }
    assert_eq!(taken.load(SeqCst), PROVIDERS);
    assert!(now().0 <= before.0 && now().1 <= before.1, "{:?}, {before:?} before", now());
}

#[test]
fn a_long_run_without_a_receiver_stays_within_the_budget() {
    let port = ClosedPort::new().unwrap();
    let output = run("dead receiver", &port.endpoint().unwrap(), Stdio::piped());
    passed("dead receiver", &output);
}

fn dead_receiver(url: &str) {
    const BUDGET: usize = 4 << 20;
    let threads = || std::fs::read_dir("/proc/self/task").map_or(0, Iterator::count);
    let descriptors = || std::fs::read_dir("/dev/fd").unwrap().count();
    let before = heap().current;
    let spanwise = builder()
        .with_endpoint(url)
        .with_budget_bytes(BUDGET)
        .with_attempt_timeout(Duration::from_millis(100))
        .with_export_timeout(Duration::from_secs(2))
        .build()
        .unwrap();
    let tracer = spanwise.tracer("dead receiver");
    let span = || drop(tracer.root("GET /orders/{id}", SpanKind::Server));
    (0..1000).for_each(|_| span());
    let (running, open) = (threads(), descriptors());
    let until = Instant::now() + Duration::from_secs(8);
    let mut most = (0, 0, 0);
    while Instant::now() < until {
        (0..10_000).for_each(|_| span());
        std::thread::sleep(Duration::from_millis(20));
        let held = heap().current.saturating_sub(before) as usize;
        most = (most.0.max(held), most.1.max(threads()), most.2.max(descriptors()));
        assert!(spanwise.buffered_bytes().1 <= BUDGET);
    }
    // Queues, ledger, pools, runtime and connections are not charged to the budget.
    assert!(most.0 <= BUDGET + (2 << 20), "{} bytes", most.0);
    assert!(most.1 <= running + 3, "{} threads, {running} at first", most.1);
    // Four requests, each with one connection attempt.
    assert!(most.2 <= open + 8, "{} descriptors, {open} at first", most.2);
    let ledger = spanwise.ledger();
    assert!(ledger.dropped(DropReason::QueueBytes) > 0);
    assert!(ledger.dropped(DropReason::RetryDeadline) > 0, "requests end at their deadline");
    let _ = spanwise.shutdown_timeout(Duration::from_millis(100));
    assert_idle(&wait_until_idle(&spanwise));
}
