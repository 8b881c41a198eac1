//! Sinks that fail, hang and panic: the request has its outcome, and nothing unwinds.

#![cfg(feature = "tokio")]

use std::panic::panic_any;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use spanwise_testkit::PanicOnDrop;
use spanwise_transport::{
    Delivery, Failure, FramedRequest, Outcome, PREFIX, ResponseStatus, Sink, SinkFuture, Transport,
};
use spanwise_wire::{Chunk, Framer, RequestLimits, SpanMeta};
use tokio::time::Instant;

const ACCEPTED: Outcome = Outcome::Accepted { rejected: 0, message: None };

/// Where a sink panics.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Place {
    Name,
    Call,
    Poll,
    FutureDrop,
    SinkDrop,
    MemoryDrop,
    Nowhere,
}

struct Hostile {
    place: Place,
    ends: bool,
}

struct Future {
    place: Place,
    ends: bool,
    _request: Bytes,
}

impl std::future::Future for Future {
    type Output = Outcome;

    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Outcome> {
        if self.place == Place::Poll {
            panic_any(PanicOnDrop);
        }
        if self.ends { Poll::Ready(ACCEPTED) } else { Poll::Pending }
    }
}

impl Drop for Future {
    fn drop(&mut self) {
        if self.place == Place::FutureDrop {
            panic_any(PanicOnDrop);
        }
    }
}

impl Sink for Hostile {
    fn take(&self, request: Bytes) -> SinkFuture<'_> {
        if self.place == Place::Call {
            panic_any(PanicOnDrop);
        }
        Box::pin(Future { place: self.place, ends: self.ends, _request: request })
    }

    fn name(&self) -> String {
        if self.place == Place::Name {
            panic_any(PanicOnDrop);
        }
        "a file\nof \x1b[31mtests".to_owned()
    }
}

impl Drop for Hostile {
    fn drop(&mut self) {
        if self.place == Place::SinkDrop {
            panic_any(PanicOnDrop);
        }
    }
}

/// Memory whose last owner panics.
struct Memory(Vec<u8>, Place);

impl AsRef<[u8]> for Memory {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        if self.1 == Place::MemoryDrop {
            panic_any(PanicOnDrop);
        }
    }
}

fn request(place: Place) -> FramedRequest {
    let mut requests = Vec::new();
    let limits = RequestLimits::default().with_prefix(PREFIX);
    let mut framer = Framer::new(&[], |_| [], limits);
    framer.frame(&[&Chunk::single(b"x", SpanMeta::default())], |request| requests.push(request));
    let share = |whole| Bytes::from_owner(Memory(whole, place));
    FramedRequest::in_memory(requests.remove(0), share).unwrap()
}

async fn send(sink: impl Sink, place: Place, cancel_after: u64) -> Delivery {
    let transport = Transport::builder()
        .with_attempt_timeout(Duration::from_secs(2))
        .with_sink(sink)
        .build()
        .unwrap();
    transport
        .send_until(request(place), (Instant::now() + Duration::from_secs(cancel_after)).into())
        .await
}

#[tokio::test(start_paused = true)]
async fn a_panic_of_a_sink_is_caught_at_every_place() {
    use Place::*;
    for place in [Name, Call, Poll, FutureDrop, SinkDrop, MemoryDrop, Nowhere] {
        for (ends, cancel_after) in [(true, 30), (false, 30), (false, 1)] {
            let delivery = send(Hostile { place, ends }, place, cancel_after).await;
            let expected = match place {
                Call | Poll => Outcome::Failed(Failure::SinkPanicked),
                // The outcome is final; a panic in a later drop does not change it.
                _ if ends => ACCEPTED,
                _ if cancel_after == 1 => Outcome::Failed(Failure::Shutdown),
                _ => Outcome::Failed(Failure::AmbiguousTimeout),
            };
            assert_eq!(delivery.outcome, expected, "{place:?}");
            let taken = delivery.outcome == ACCEPTED;
            assert_eq!(delivery.may_have_been_accepted(), !taken, "{place:?}: {delivery:?}");
            assert_eq!(delivery.attempts, 1);
        }
    }
}

#[test]
fn diagnostics_name_the_sink() {
    let destination = |sink| Transport::builder().with_sink(sink).build().unwrap().destination();
    let hostile = |place| Hostile { place, ends: true };
    assert_eq!(destination(hostile(Place::Nowhere)), r"a file of \u{1b}[31mtests");
    assert_eq!(destination(hostile(Place::Name)), "the sink");
}

#[tokio::test(start_paused = true)]
async fn a_sink_that_takes_too_long_is_named() {
    let delivery = send(Hostile { place: Place::Nowhere, ends: false }, Place::Nowhere, 30).await;
    let detail = r"a file of \u{1b}[31mtests had not ended when the attempt's time was up";
    assert_eq!(delivery.detail, detail);
}

#[tokio::test(start_paused = true)]
async fn the_message_of_a_panic_is_sanitized() {
    let message = format!("out of \x1b[31mpaper{}", "!".repeat(10_000));
    let sink = move |_| {
        if !message.is_empty() {
            panic!("{message}");
        }
        std::future::ready(ACCEPTED)
    };
    let delivery = send(sink, Place::Nowhere, 30).await;
    assert_eq!(delivery.outcome, Outcome::Failed(Failure::SinkPanicked));
    let detail = delivery.detail;
    assert!(detail.contains("paper") && detail.len() <= 256, "{detail}");
    assert!(!detail.chars().any(char::is_control), "{detail}");
}

#[tokio::test(start_paused = true)]
async fn the_failure_of_a_sink_determines_the_ambiguity() {
    let cases = [
        (Failure::RetryDeadline { last: None }, false),
        (Failure::Rejected { status: ResponseStatus::Http(400) }, false),
        (Failure::Redirect { status: 302 }, false),
        (Failure::TooLarge, false),
        (Failure::Tls, false),
        (Failure::Unsendable, false),
        (Failure::AmbiguousTimeout, true),
        (Failure::AmbiguousResponse, true),
        (Failure::ResponseTooLarge, true),
        (Failure::Shutdown, true),
        (Failure::SinkPanicked, true),
    ];
    for (failure, maybe) in cases {
        let sink = move |_| std::future::ready(Outcome::Failed(failure));
        let delivery = send(sink, Place::Nowhere, 30).await;
        assert_eq!(delivery.outcome, Outcome::Failed(failure));
        assert_eq!(delivery.may_have_been_accepted(), maybe, "{failure:?}");
    }
}
