//! Requests that a destination refuses as too large, or because of some of their spans.

use crate::destination::batch::max_copied;
use crate::destination::fakes::{Backend, Queued, message};
use spanwise_ledger::DropReason;
use spanwise_transport::{Endpoint, Failure, Outcome, ResponseStatus, TransportBuilder};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;

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

#[tokio::test]
async fn a_span_that_a_destination_does_not_accept_costs_no_other() {
    let spans = [vec![0], vec![499], vec![249], vec![250], vec![3, 4, 490]];
    let as_forbidden = spans.iter().map(|refused| (refused, true, false));
    let before_spool = spans.iter().map(|refused| (refused, true, true));
    let as_invalid = spans.iter().map(|refused| (refused, false, false));
    for (refused, has_firewall, has_spool) in as_invalid.chain(as_forbidden).chain(before_spool) {
        let backend = Backend::default();
        backend.lock().has_firewall = has_firewall;
        // With what follows a name in a span: `span 4` is not `span 490`.
        let names = refused.iter().map(|number| format!("*{}span {number}", name_len(*number)));
        backend.lock().refused_names = names.collect();
        let queued = Queued::new(backend.transport());
        if has_spool {
            queued.queue.set_spool(spanwise_worker::notify().0, None);
        }
        queued.push(500);
        queued.send().await;
        let ledger = queued.ledger();
        let lost = refused.len() as u64;
        assert_eq!((ledger.exported, ledger.dropped(DropReason::Rejected)), (500 - lost, lost));
        assert_eq!((backend.lock().spans, ledger.in_flight), (500 - lost, 0));
        // Halves until a span is found, those behind it, and a request without spans for each that is forbidden.
        let most = 60 * if has_firewall { 2 } else { 1 };
        assert!(backend.lock().attempts <= most, "{refused:?}: {}", backend.lock().attempts);
        assert!(queued.queue.is_idle() && queued.queue.account().is_up);
    }
}

/// A client chooses the resource of its spans, and not how many spans of others are found.
#[tokio::test]
async fn a_large_resource_of_a_refused_span_costs_no_span_behind_it() {
    let backend = Backend::default();
    backend.lock().refused_names = vec!["span 60".to_owned()];
    let queued = Queued::new(backend.transport());
    let joined = [message(100, 1 << 20), message(50, 0)].concat();
    queued.queue.push(queued.batch(&joined, 150));
    queued.send().await;
    let ledger = queued.ledger();
    assert_eq!((ledger.exported, ledger.dropped(DropReason::Rejected)), (149, 1));
}

/// Whether the spans or the credentials are refused is asked while the destination is down, too.
#[tokio::test]
async fn a_firewall_in_front_of_a_destination_that_was_down_costs_one_span() {
    let backend = Backend::default();
    backend.set_up(false);
    let queued = Queued::new(backend.transport());
    queued.push(5);
    queued.send().await;
    assert!(!queued.queue.account().is_up);
    backend.set_up(true);
    backend.lock().has_firewall = true;
    backend.lock().refused_names = vec!["span 77".to_owned()];
    queued.push(100);
    queued.send().await;
    assert_eq!(queued.ledger().exported, 99);
    assert!(queued.queue.account().is_up);
}

/// Behind a part that is accepted, the rest of one that was refused has the span.
#[tokio::test]
async fn no_part_is_sent_that_is_known_to_be_refused() {
    let backend = Backend::default();
    backend.lock().refused_names = vec![format!("{}span 4095", name_len(4_095))];
    let queued = Queued::new(backend.transport());
    queued.push(8_192);
    queued.send().await;
    assert_eq!(queued.ledger().exported, 8_191);
    // 14 that are refused, 13 in front of the span, and 13 behind it.
    assert!(backend.lock().attempts <= 14 + 13 + 13, "{}", backend.lock().attempts);
}

/// The length of the name `span N` in its field, as a character.
fn name_len(number: u64) -> char {
    let digits = number.to_string().len();
    char::from(u8::try_from("span ".len() + digits).unwrap())
}

#[tokio::test]
async fn requests_to_a_destination_that_accepts_none_are_not_divided_for_ever() {
    let backend = Backend::default();
    backend.lock().refused_names = vec!["span ".to_owned()];
    let queued = Queued::new(backend.transport());
    for _ in 0..100 {
        queued.push(500);
        queued.send().await;
    }
    let ledger = queued.ledger();
    assert_eq!((ledger.dropped(DropReason::Rejected), ledger.in_flight), (50_000, 0));
    assert!(backend.lock().attempts < 400, "{}", backend.lock().attempts);
    // One that is accepted shows that others may be.
    backend.lock().refused_names = vec!["span 77".to_owned()];
    queued.push(50);
    queued.push(100);
    queued.send().await;
    assert_eq!(queued.ledger().exported, 50 + 99);
}

/// Requests have spans of many clients, one of which sends a bad one each time.
#[tokio::test]
async fn a_destination_that_accepts_again_is_found_out_though_each_request_has_a_bad_span() {
    let backend = Backend::default();
    backend.lock().refused_names = vec!["span ".to_owned()];
    let queued = Queued::new(backend.transport());
    for _ in 0..10 {
        queued.push(500);
        queued.send().await;
    }
    backend.lock().refused_names = vec!["span 77".to_owned()];
    let patience = std::time::Instant::now() + Duration::from_secs(60);
    while queued.ledger().exported == 0 {
        assert!(std::time::Instant::now() < patience);
        queued.push(100);
        queued.send().await;
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(queued.ledger().exported, 99);
    queued.push(100);
    queued.send().await;
    assert_eq!(queued.ledger().exported, 2 * 99);
}

#[tokio::test]
async fn a_request_that_is_tried_in_vain_goes_on_with_the_next_transport() {
    // Nothing listens there: port 9 is reserved for a service that discards.
    let endpoint = Endpoint::parse_base("endpoint", "http://127.0.0.1:9").unwrap();
    let wrong = TransportBuilder::default()
        .with_endpoint(endpoint)
        .with_request_timeout(Duration::from_secs(3_600))
        .build()
        .unwrap();
    let queued = Queued::new(wrong);
    queued.push(5);
    let replaced = async {
        while !queued.queue.is_failing() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        let backend = Backend::default();
        queued.queue.set_transport(backend.transport());
        backend
    };
    let (sent, backend) = tokio::join!(queued.send(), replaced);
    assert_eq!((sent, backend.lock().spans), (1, 5));
    assert_eq!((queued.ledger().exported, queued.ledger().in_flight), (5, 0));
}

/// The first attempt of a request hangs while the transport is replaced, and fails later.
#[tokio::test]
async fn a_request_whose_attempt_fails_behind_a_reload_goes_on_with_the_next_transport() {
    let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let silent = TransportBuilder::default()
        .with_endpoint(Endpoint::parse_base("endpoint", &address).unwrap())
        .with_attempt_timeout(Duration::from_millis(200))
        .with_request_timeout(Duration::from_secs(3_600))
        .build()
        .unwrap();
    let queued = Queued::new(silent);
    queued.push(5);
    let backend = Backend::default();
    let replaced = async {
        tokio::time::sleep(Duration::from_millis(20)).await;
        queued.queue.set_transport(backend.transport());
    };
    let (sent, ()) = tokio::join!(queued.send(), replaced);
    assert_eq!((sent, backend.lock().spans), (1, 5));
    assert_eq!((queued.ledger().exported, queued.ledger().in_flight), (5, 0));
}

/// Its answer comes when the credentials have changed.
#[tokio::test]
async fn a_request_that_is_refused_behind_a_reload_goes_on_with_the_next_transport() {
    let (asked, answered) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (asking, answers) = (Arc::clone(&asked), Arc::clone(&answered));
    let old = move |_| {
        let (asking, answers) = (Arc::clone(&asking), Arc::clone(&answers));
        async move {
            asking.notify_one();
            answers.notified().await;
            Outcome::Failed(Failure::Rejected { status: ResponseStatus::Http(401) })
        }
    };
    let queued = Queued::new(TransportBuilder::default().with_sink(old).build().unwrap());
    queued.push(5);
    let backend = Backend::default();
    let replaced = async {
        asked.notified().await;
        queued.queue.set_transport(backend.transport());
        answered.notify_one();
    };
    let (sent, ()) = tokio::join!(queued.send(), replaced);
    assert_eq!((sent, backend.lock().spans, queued.ledger().exported), (1, 5, 5));
    assert!(queued.queue.account().is_up);
}

#[tokio::test]
async fn a_destination_without_the_right_credentials_is_down_and_costs_no_span_in_front_of_a_spool()
{
    for has_spool in [false, true] {
        let backend = Backend::default();
        backend.lock().is_unauthorized = true;
        let queued = Queued::new(backend.transport());
        if has_spool {
            queued.queue.set_spool(spanwise_worker::notify().0, None);
        }
        queued.push(5);
        queued.send().await;
        assert!(!queued.queue.account().is_up);
        let lost = if has_spool { 0 } else { 5 };
        let ledger = queued.ledger();
        assert_eq!((ledger.dropped(DropReason::Rejected), ledger.in_flight), (lost, 5 - lost));
        backend.lock().is_unauthorized = false;
        queued.queue.probe();
        queued.send().await;
        assert_eq!(queued.ledger().exported, 5 - lost);
    }
}
