//! A mock backend, so that the retry loop can be tested in paused time.

use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::Response;
use http_body_util::Full;
use tokio::time::Instant;

use crate::classify::{self, AttemptOutcome};
use crate::exchange::exchange;
use crate::explain::ConnectionContext;
use crate::payload::Payload;
use crate::retry::Cause;
use crate::sent::Sent;
use crate::{Endpoint, Protocol};

/// The reaction of the peer to one attempt.
#[derive(Debug, Clone)]
pub(crate) enum PeerAction {
    /// Answers with a status, and `Retry-After` if given, after a time.
    Answer(u16, Option<&'static str>, Duration),
    /// Reads the bytes and never answers.
    Silence,
    /// Never reads a byte.
    Blackhole,
    /// Refuses the connection.
    Refuse,
    /// No TLS session.
    NoTls,
    /// Reads the bytes, and resets the connection.
    Break,
    /// Answers 200 with this partial success.
    Partial(u64),
}

/// Requests, with the times of their attempts.
pub(crate) type Received = Arc<Mutex<Vec<(Instant, Bytes)>>>;

/// Performs its actions in order, the last one forever, and records the requests.
#[derive(Debug)]
pub(crate) struct MockBackend {
    actions: Mutex<Vec<PeerAction>>,
    received: Received,
}

impl MockBackend {
    pub(crate) fn new(actions: &[PeerAction]) -> Self {
        let actions = Mutex::new(actions.iter().rev().cloned().collect());
        Self { actions, received: Arc::default() }
    }

    /// The requests so far, with the times of their attempts.
    pub(crate) fn received(&self) -> Received {
        self.received.clone()
    }

    pub(crate) async fn attempt(
        &self,
        payload: &Payload,
        sent: Sent,
        deadline: Instant,
    ) -> AttemptOutcome {
        self.received.lock().unwrap().push((Instant::now(), payload.bytes.clone()));
        let action = {
            let mut actions = self.actions.lock().unwrap();
            if actions.len() > 1 { actions.pop().unwrap() } else { actions[0].clone() }
        };
        let call = async {
            match action {
                PeerAction::Answer(status, after, wait) => {
                    sent.set();
                    tokio::time::sleep(wait).await;
                    let mut answer = Response::builder().status(status);
                    if let Some(after) = after {
                        answer = answer.header("retry-after", after);
                    }
                    Ok::<_, std::io::Error>(answer.body(Full::new(Bytes::new())).unwrap())
                }
                PeerAction::Silence => {
                    sent.set();
                    std::future::pending().await
                }
                PeerAction::Partial(rejected) => {
                    sent.set();
                    // partial_success { rejected_spans }, below 128 of them.
                    let body = Bytes::from(vec![0x0a, 2, 0x08, rejected as u8]);
                    Ok(Response::new(Full::new(body)))
                }
                PeerAction::Break => {
                    sent.set();
                    Err(std::io::Error::from(std::io::ErrorKind::ConnectionReset))
                }
                _ => std::future::pending().await,
            }
        };
        if matches!(action, PeerAction::NoTls) {
            return AttemptOutcome::retryable(Cause::Tls, "no certificate");
        }
        if matches!(action, PeerAction::Refuse) {
            return AttemptOutcome::retryable(Cause::NotSent, "connection refused");
        }
        let context = ConnectionContext::new(
            Protocol::HttpProtobuf,
            &Endpoint::localhost(Protocol::HttpProtobuf),
        );
        match exchange(call, &sent, &context, 64 << 10, deadline).await {
            Ok(reply) => classify::http(&reply, Protocol::HttpProtobuf, SystemTime::now()),
            Err(outcome) => outcome,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::pin::pin;

    use proptest::prelude::*;

    use super::*;
    use crate::backend::Backend;
    use crate::{
        Compression, Delivery, Endpoint, Failure, FramedRequest, Headers, Outcome, Protocol,
        ResponseStatus, Transport, TransportBuilder,
    };

    fn transport(actions: &[PeerAction], builder: TransportBuilder) -> (Transport, Received) {
        let mock = MockBackend::new(actions);
        let received = mock.received();
        let endpoint = Endpoint::localhost(Protocol::HttpProtobuf);
        (Transport::new(&builder, endpoint, Backend::Mock(mock)), received)
    }

    fn request() -> FramedRequest {
        FramedRequest::from_message(&[b'\n'; 2000])
    }

    /// Sends one request, with an hour until it is cancelled.
    async fn send(actions: &[PeerAction]) -> (Delivery, Duration, Received) {
        let (transport, received) = transport(actions, Transport::builder());
        let start = Instant::now();
        let delivery = transport.send_until(request(), (start + HOUR).into()).await;
        (delivery, start.elapsed(), received)
    }

    #[tokio::test(start_paused = true)]
    async fn every_attempt_sends_the_same_bytes() {
        for compression in [Compression::None, Compression::Gzip] {
            let actions = [respond(503), PeerAction::Silence, PeerAction::Refuse, respond(200)];
            let builder = Transport::builder().with_compression(compression);
            let (transport, received) = transport(&actions, builder);
            let delivery = transport.send_until(request(), (Instant::now() + HOUR).into()).await;
            assert!(delivery.is_accepted(), "{delivery:?}");
            assert_eq!((delivery.attempts, delivery.ambiguous_attempts), (4, 1));
            let received = received.lock().unwrap();
            // The same address, so not even a copy.
            let addresses: HashSet<_> =
                received.iter().map(|(_, b)| (b.as_ptr(), b.len())).collect();
            assert_eq!((received.len(), addresses.len()), (4, 1));
            assert_eq!(delivery.body_bytes, received[0].1.len());
            assert_eq!(delivery.body_bytes < 2000, compression == Compression::Gzip);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_deadline_bounds_every_kind_of_failure() {
        let cases = [
            (respond(503), Failure::RetryDeadline { last: Some(ResponseStatus::Http(503)) }),
            (PeerAction::Refuse, Failure::RetryDeadline { last: None }),
            (PeerAction::Blackhole, Failure::RetryDeadline { last: None }),
            (PeerAction::Silence, Failure::AmbiguousTimeout),
        ];
        for (action, failure) in cases {
            let (delivery, took, received) = send(std::slice::from_ref(&action)).await;
            assert_eq!(delivery.outcome, Outcome::Failed(failure), "{action:?}");
            // No earlier than one wait of ours before the deadline.
            assert!(took <= MINUTE && took > MINUTE - 6 * SECOND, "{action:?}: {took:?}");
            assert_eq!(received.lock().unwrap().len(), delivery.attempts as usize);
            let ambiguous =
                if matches!(action, PeerAction::Silence) { delivery.attempts } else { 0 };
            assert_eq!(delivery.ambiguous_attempts, ambiguous, "{action:?}");
            assert!((5..200).contains(&delivery.attempts), "{}", delivery.attempts);
            assert_eq!(delivery.detail.is_empty(), matches!(action, PeerAction::Answer(..)));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn an_attempt_cut_off_before_it_connects_does_not_change_the_failure() {
        let busy = PeerAction::Answer(503, Some("55"), Duration::ZERO);
        let (delivery, took, _) = send(&[busy, PeerAction::Blackhole]).await;
        let last = Some(ResponseStatus::Http(503));
        assert_eq!(delivery.outcome, Outcome::Failed(Failure::RetryDeadline { last }));
        assert_eq!((delivery.attempts, took), (2, MINUTE));
    }

    #[tokio::test(start_paused = true)]
    async fn an_attempt_waits_for_a_slow_answer_until_its_timeout() {
        let slow = |secs| PeerAction::Answer(200, None, Duration::from_secs(secs));
        let (delivery, took, _) = send(&[slow(9)]).await;
        assert_eq!((delivery.is_accepted(), delivery.attempts), (true, 1));
        assert_eq!(took, 9 * SECOND);
        let (delivery, _, _) = send(&[slow(11), slow(1)]).await;
        assert_eq!((delivery.attempts, delivery.ambiguous_attempts), (2, 1));
        assert!(delivery.is_accepted());
    }

    #[tokio::test(start_paused = true)]
    async fn permanent_failures_are_not_retried() {
        let cases = [
            (302, Failure::Redirect { status: 302 }),
            (400, Failure::Rejected { status: ResponseStatus::Http(400) }),
            (413, Failure::TooLarge),
            (500, Failure::Rejected { status: ResponseStatus::Http(500) }),
        ];
        for (status, failure) in cases {
            let (delivery, took, _) = send(&[respond(status)]).await;
            assert_eq!(delivery.outcome, Outcome::Failed(failure));
            assert_eq!((delivery.attempts, took), (1, Duration::ZERO));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_wait_that_the_server_requests_is_honoured() {
        for (after, wait) in [("5", 5 * SECOND), ("0", Duration::ZERO)] {
            let actions = [PeerAction::Answer(429, Some(after), Duration::ZERO), respond(200)];
            let (delivery, took, _) = send(&actions).await;
            assert_eq!((delivery.is_accepted(), delivery.attempts), (true, 2));
            assert!(took >= wait && took < wait + SECOND, "{took:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_wait_past_the_deadline_is_cut_so_that_an_attempt_follows() {
        let asks = |after, slow| PeerAction::Answer(503, Some(after), slow);
        let (now, last) = (Duration::ZERO, Some(ResponseStatus::Http(503)));
        let failed = Outcome::Failed(Failure::RetryDeadline { last });
        // Each with the answers, and the end of the request: whether it is accepted, its attempts, when.
        let cases = [
            (vec![asks("59", now), respond(200)], true, 2, 50 * SECOND),
            (vec![asks("60", now), respond(200)], true, 2, 50 * SECOND),
            (vec![asks("1000000000", now), respond(200)], true, 2, 50 * SECOND),
            (vec![asks("1000000000", 9 * SECOND), respond(200)], true, 2, 59 * SECOND),
            // No attempt can follow: the request does not wait for its deadline.
            (vec![asks("60", now), asks("60", now), respond(200)], false, 2, 50 * SECOND),
            (vec![asks("45", now), asks("15", now), respond(200)], false, 2, 45 * SECOND),
        ];
        for (actions, is_accepted, attempts, end) in cases {
            let (delivery, took, _) = send(&actions).await;
            assert_eq!((delivery.attempts, took), (attempts, end), "{actions:?}");
            match is_accepted {
                true => assert!(delivery.is_accepted(), "{actions:?}: {delivery}"),
                false => assert_eq!(delivery.outcome, failed, "{actions:?}"),
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn an_absurd_wait_holds_back_all_requests_for_a_while() {
        let actions = [PeerAction::Answer(503, Some("1000000000"), Duration::ZERO), respond(200)];
        let (transport, _) = transport(&actions, Transport::builder());
        let start = Instant::now();
        let first = transport.send_until(request(), (start + SECOND).into()).await;
        assert_eq!(first.outcome, Outcome::Failed(Failure::Shutdown));
        let second = transport.send_until(request(), (start + HOUR).into()).await;
        assert!(second.is_accepted(), "{second:?}");
        assert_eq!(start.elapsed(), 50 * SECOND);
    }

    #[tokio::test(start_paused = true)]
    async fn a_throttle_beyond_the_request_timeout_lasts_if_it_is_permitted() {
        let busy = PeerAction::Answer(503, Some("90"), Duration::ZERO);
        let builder = Transport::builder().with_request_timeout(20 * SECOND);
        let (unwilling, _) = transport(&[busy.clone(), respond(200)], builder.clone());
        let accepted = unwilling.send(request()).await;
        assert_eq!((accepted.is_accepted(), accepted.attempts), (true, 2), "{accepted}");

        let (patient, received) =
            transport(&[busy, respond(200)], builder.with_max_throttle(2 * MINUTE));
        let first = patient.send(request()).await;
        assert_eq!((first.is_accepted(), first.attempts), (false, 1), "{first}");
        tokio::time::sleep(30 * SECOND).await;
        let second = patient.send(request()).await;
        assert_eq!((second.is_accepted(), second.attempts), (false, 0), "{second}");
        tokio::time::sleep(MINUTE).await;
        assert!(patient.send(request()).await.is_accepted());
        assert_eq!(received.lock().unwrap().len(), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn one_throttle_delays_every_request() {
        let actions = [PeerAction::Answer(503, Some("7"), Duration::ZERO), respond(200)];
        let (transport, received) = transport(&actions, Transport::builder());
        let start = Instant::now();
        let (first, second) =
            tokio::join!(transport.send_until(request(), (start + HOUR).into()), async {
                tokio::time::sleep(SECOND).await;
                transport.clone().send_until(request(), (start + HOUR).into()).await
            });
        assert!(first.is_accepted() && second.is_accepted());
        assert_eq!((first.attempts, second.attempts), (2, 1));
        let received: Vec<_> = received.lock().unwrap().iter().map(|(at, _)| *at - start).collect();
        assert_eq!(received[0], Duration::ZERO);
        assert!(received[1..].iter().all(|at| *at >= 7 * SECOND), "{received:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn cancelling_ends_the_request_and_counts_the_ambiguous_attempt() {
        for (action, ambiguous) in [(PeerAction::Silence, 1), (PeerAction::Blackhole, 0)] {
            let (transport, _) = transport(&[action], Transport::builder());
            let start = Instant::now();
            let delivery = transport.send_until(request(), (start + 3 * SECOND).into()).await;
            assert_eq!(delivery.outcome, Outcome::Failed(Failure::Shutdown));
            assert_eq!((delivery.attempts, delivery.ambiguous_attempts), (1, ambiguous));
            assert_eq!(start.elapsed(), 3 * SECOND);
        }
        // In a wait between attempts.
        let (transport, received) =
            transport(&[PeerAction::Answer(503, Some("30"), Duration::ZERO)], Transport::builder());
        let (cancel, cancelled) = tokio::sync::oneshot::channel::<()>();
        let sending = transport.send_with_cancel(request(), async { drop(cancelled.await) });
        let (delivery, ()) = tokio::join!(sending, async {
            tokio::time::sleep(SECOND).await;
            cancel.send(()).unwrap();
        });
        assert_eq!(delivery.outcome, Outcome::Failed(Failure::Shutdown));
        assert_eq!((delivery.attempts, delivery.ambiguous_attempts), (1, 0));
        assert_eq!(received.lock().unwrap().len(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn a_dropped_send_makes_no_further_attempt() {
        let (transport, received) = transport(&[PeerAction::Silence], Transport::builder());
        {
            let mut sending = pin!(transport.send_until(request(), (Instant::now() + HOUR).into()));
            assert!(tokio::time::timeout(SECOND, &mut sending).await.is_err());
        }
        tokio::time::sleep(HOUR).await;
        assert_eq!(received.lock().unwrap().len(), 1);
    }

    #[test]
    fn send_outside_a_runtime_fails_without_a_panic() {
        let transport = Transport::builder().build().unwrap();
        let mut sending = pin!(transport.send_with_cancel(request(), std::future::pending()));
        let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
        let std::task::Poll::Ready(delivery) = sending.as_mut().poll(&mut cx) else {
            panic!("nothing to wait for")
        };
        assert_eq!(delivery.outcome, Outcome::Failed(Failure::Unsendable));
    }

    #[test]
    fn a_transport_is_send_sync_and_clone() {
        fn shareable<T: Send + Sync + Clone + 'static>(_: &T) {}
        fn movable<T: Send>(_: &T) {}
        let transport = Transport::builder().with_headers(Headers::new()).build().unwrap();
        shareable(&transport);
        movable(&transport.send_with_cancel(request(), std::future::pending()));
    }

    /// One attempt, with the number of spans that the server stores.
    #[derive(Debug, Clone)]
    struct Event {
        action: PeerAction,
        /// Spans of the request that the server stores, independent of its answer.
        stored: u64,
    }

    const SPANS: u64 = 10;

    fn event() -> impl Strategy<Value = Event> {
        let answered = |status: u16, stored: u64| Event { action: respond(status), stored };
        prop_oneof![
            // Answers that state the stored spans.
            2 => Just(answered(200, SPANS)),
            3 => (0..=SPANS).prop_map(|rejected| Event {
                action: PeerAction::Partial(rejected), stored: SPANS - rejected }),
            12 => prop::sample::select(vec![429, 503, 503, 503, 400, 413, 500, 307])
                .prop_map(move |status| answered(status, 0)),
            // Those of a gateway, which leave the storage unknown.
            4 => (prop::sample::select(vec![502, 504]), prop::sample::select(vec![0, SPANS]))
                .prop_map(move |(status, stored)| answered(status, stored)),
            // No answer, or none in time.
            8 => (
                prop::sample::select(vec![
                    PeerAction::Silence,
                    PeerAction::Break,
                    PeerAction::Answer(200, None, Duration::from_secs(11)),
                ]),
                prop::sample::select(vec![0, 3, SPANS]),
            ).prop_map(|(action, stored)| Event { action, stored }),
            8 => prop::sample::select(vec![PeerAction::Refuse, PeerAction::NoTls, PeerAction::Blackhole])
                .prop_map(|action| Event { action, stored: 0 }),
        ]
    }

    proptest! {
        #[test]
        fn a_request_lost_without_ambiguity_is_not_stored(
            events in prop::collection::vec(event(), 1..12),
            cancel_after in prop_oneof![Just(3600u64), 0u64..70],
            deadline in 1u64..70,
        ) {
            let actions: Vec<_> = events.iter().map(|event| event.action.clone()).collect();
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all().start_paused(true).build().unwrap();
            let (delivery, attempts) = runtime.block_on(async {
                let builder = Transport::builder().with_request_timeout(Duration::from_secs(deadline));
                let (transport, received) = transport(&actions, builder);
                let cancel_at = Instant::now() + Duration::from_secs(cancel_after);
                let delivery = transport.send_until(request(), cancel_at.into()).await;
                let attempts = received.lock().unwrap().len();
                (delivery, attempts)
            });
            // The last event repeats forever.
            let played = (0..attempts).map(|n| &events[n.min(events.len() - 1)]);
            // Attempts carry the same spans: what is stored twice is stored.
            let stored = played.map(|event| event.stored).max().unwrap_or(0);
            let exported = match delivery.outcome {
                Outcome::Accepted { rejected, .. } => SPANS - rejected,
                Outcome::Failed(_) => 0,
            };
            let ambiguous = if delivery.may_have_been_accepted() { SPANS - exported } else { 0 };
            prop_assert!(exported <= stored && stored <= exported + ambiguous,
                "{exported} {stored} {ambiguous}: {delivery:?}");
            if let Outcome::Failed(Failure::RetryDeadline { .. } | Failure::Tls) = delivery.outcome {
                prop_assert!(!delivery.may_have_been_accepted(), "{delivery:?}");
            }
        }
    }

    fn respond(status: u16) -> PeerAction {
        PeerAction::Answer(status, None, Duration::ZERO)
    }

    const SECOND: Duration = Duration::from_secs(1);
    const MINUTE: Duration = Duration::from_secs(60);
    const HOUR: Duration = Duration::from_secs(3600);
}
