//! Requests that a destination refuses as too large.

use crate::destination::batch::max_copied;
use crate::destination::fakes::{Backend, Queued, message};
use spanwise_ledger::DropReason;

#[tokio::test]
async fn a_request_that_is_too_large_arrives_in_parts() {
    let backend = Backend::default();
    backend.lock().max_bytes = 2_000;
    let queued = Queued::new(backend.transport());
    queued.push(500);
    queued.send().await;
    let ledger = queued.ledger();
    assert_eq!((ledger.exported, ledger.in_flight), (500, 0));
    assert_eq!(backend.lock().spans, 500);
    assert!(queued.queue.is_idle());
}

/// A client chooses the resource, which each part repeats.
#[tokio::test]
async fn the_parts_of_a_request_with_a_large_resource_have_a_bound() {
    let backend = Backend::default();
    let message = message(20_000, 60_000);
    backend.lock().max_bytes = 60_200;
    let queued = Queued::new(backend.transport());
    queued.queue.push(queued.batch(&message, 20_000));
    queued.send().await;
    let sent = backend.lock().attempts * 60_000;
    assert!(sent <= 4 * max_copied(message.len()) + message.len(), "{sent}");
    let ledger = queued.ledger();
    assert_eq!(ledger.exported, backend.lock().spans);
    assert_eq!(ledger.exported + ledger.dropped(DropReason::TooLarge), 20_000);
    assert!(ledger.exported > 0 && queued.queue.is_idle());
}

/// A rest of a rest has the memory of the first request, and of itself.
#[tokio::test]
async fn a_request_in_parts_that_fails_again_and_again_is_charged_once() {
    let backend = Backend::default();
    let message = message(400, 0);
    let queued = Queued::new(backend.transport());
    let batch = queued.batch(&message, 400);
    queued.queue.push(batch);
    let spool = spanwise_worker::notify();
    queued.queue.set_spool(spool.0, None);
    for _ in 0..5 {
        backend.set(message.len() / 20, 1);
        queued.queue.probe();
        queued.send().await;
        let charged = queued.memory.requests.charged();
        assert!(charged > 0 && charged < message.len(), "{charged}");
    }
    let ledger = queued.ledger();
    assert!(ledger.exported > 0 && ledger.in_flight == 400 - ledger.exported);
    backend.set_up(true);
    queued.queue.probe();
    queued.send().await;
    assert_eq!((queued.ledger().exported, backend.lock().spans), (400, 400));
    assert_eq!(queued.memory.requests.charged(), 0);
}
