//! The end of the destinations.

use super::fakes::{Backend, Queued, memory};
use super::*;
use std::sync::mpsc::channel;

/// The task is in the middle of a push on another thread when it is aborted: its request is counted nevertheless.
#[test]
fn a_shutdown_waits_for_the_last_push_of_the_task_that_joins() {
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    let runtime = runtime.worker_threads(2).enable_all().build().unwrap();
    let queued = Arc::new(Queued::new(Backend::default().transport()));
    let queues: Arc<[_]> = [Arc::clone(&queued.queue)].into();
    let timeout = Duration::from_secs(1);
    let (max_request_bytes, max_whole_bytes) = (1, usize::MAX);
    let limits =
        JoinerLimits { max_spans: 1, max_bytes: 1, max_request_bytes, max_whole_bytes, timeout };
    let joiner = Arc::new(Joiner::new(limits, Arc::clone(&queues), &memory()));
    let destinations = Destinations { joiner, queues };
    let (begun, has_begun) = channel();
    let (release, released) = channel();
    let pushing = Arc::clone(&queued);
    let joining = runtime.spawn(async move {
        begun.send(()).unwrap();
        // As a thread that the system does not run.
        released.recv().unwrap();
        pushing.push(7);
    });
    has_begun.recv().unwrap();
    let (ended, has_ended) = channel();
    runtime.spawn(async move {
        let tasks = DestinationTasks { joining, senders: Vec::new(), spoolers: Vec::new() };
        let now = Instant::now();
        destinations.shutdown(tasks, (now, now)).await;
        ended.send(()).unwrap();
    });
    // It must not end before: the other thread waits for this one.
    let has_ended_early = has_ended.recv_timeout(Duration::from_millis(200)).is_ok();
    release.send(()).unwrap();
    assert!(!has_ended_early);
    has_ended.recv_timeout(Duration::from_secs(60)).unwrap();
    let ledger = queued.ledger();
    assert_eq!((ledger.in_flight, ledger.dropped_total()), (0, 7));
}
