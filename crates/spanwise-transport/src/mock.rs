//! A wire that follows a script, so that the sending loop can be tested in paused time.

use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::Response;
use http_body_util::Full;
use tokio::time::Instant;

use crate::body::Sent;
use crate::classify::{self, AttemptOutcome};
use crate::exchange::exchange;
use crate::explain::ConnectionContext;
use crate::payload::Payload;
use crate::retry::Cause;
use crate::{Endpoint, Protocol};

/// What the peer does with one attempt.
#[derive(Debug, Clone)]
pub(crate) enum PeerAction {
    /// Answers with a status, and `Retry-After` if given, after a time.
    Answer(u16, Option<&'static str>, Duration),
    /// Takes the bytes and never answers.
    Silence,
    /// Never takes a byte.
    Blackhole,
    /// Refuses the connection.
    Refuse,
    /// No TLS session.
    NoTls,
    /// Takes the bytes, and breaks the connection.
    Break,
    /// Answers 200 with this partial success.
    Partial(u64),
}

/// Plays its scenes in order, the last one for ever, and keeps what it saw.
#[derive(Debug)]
pub(crate) struct MockBackend {
    scenes: Mutex<Vec<PeerAction>>,
    seen: Arc<Mutex<Vec<(Instant, Bytes)>>>,
}

impl MockBackend {
    pub(crate) fn new(scenes: &[PeerAction]) -> Self {
        let scenes = Mutex::new(scenes.iter().rev().cloned().collect());
        Self { scenes, seen: Arc::default() }
    }

    pub(crate) async fn attempt(
        &self,
        payload: &Payload,
        sent: Sent,
        deadline: Instant,
    ) -> AttemptOutcome {
        self.seen.lock().unwrap().push((Instant::now(), payload.bytes.clone()));
        let scene = {
            let mut scenes = self.scenes.lock().unwrap();
            if scenes.len() > 1 { scenes.pop().unwrap() } else { scenes[0].clone() }
        };
        let call = async {
            match scene {
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
        if matches!(scene, PeerAction::NoTls) {
            return AttemptOutcome::retryable(Cause::Tls, "no certificate");
        }
        if matches!(scene, PeerAction::Refuse) {
            return AttemptOutcome::retryable(Cause::NotSent, "connection refused");
        }
        let context = ConnectionContext::new(
            Protocol::HttpProtobuf,
            &Endpoint::localhost(Protocol::HttpProtobuf),
        );
        match exchange(call, &sent, &context, 64 << 10, deadline).await {
            Ok(reply) => classify::http(&reply, SystemTime::now()),
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

    type Seen = Arc<Mutex<Vec<(Instant, Bytes)>>>;

    fn transport(scenes: &[PeerAction], builder: TransportBuilder) -> (Transport, Seen) {
        let script = MockBackend::new(scenes);
        let seen = script.seen.clone();
        let endpoint = Endpoint::localhost(Protocol::HttpProtobuf);
        (Transport::new(&builder, endpoint, Backend::Mock(script)), seen)
    }

    fn request() -> FramedRequest {
        FramedRequest::from_message(&[b'\n'; 2000])
    }

    /// Sends one request, with an hour until it is cancelled.
    async fn send(scenes: &[PeerAction]) -> (Delivery, Duration, Seen) {
        let (transport, seen) = transport(scenes, Transport::builder());
        let start = Instant::now();
        let delivery = transport.send_until(request(), (start + HOUR).into()).await;
        (delivery, start.elapsed(), seen)
    }

    #[tokio::test(start_paused = true)]
    async fn retries_send_the_very_same_bytes() {
        for compression in [Compression::None, Compression::Gzip] {
            let scenes = [ask(503), PeerAction::Silence, PeerAction::Refuse, ask(200)];
            let builder = Transport::builder().with_compression(compression);
            let (transport, seen) = transport(&scenes, builder);
            let delivery = transport.send_until(request(), (Instant::now() + HOUR).into()).await;
            assert!(delivery.is_accepted(), "{delivery:?}");
            assert_eq!((delivery.attempts, delivery.ambiguous_attempts), (4, 1));
            let seen = seen.lock().unwrap();
            // The same address, so not even a copy.
            let addresses: HashSet<_> = seen.iter().map(|(_, b)| (b.as_ptr(), b.len())).collect();
            assert_eq!((seen.len(), addresses.len()), (4, 1));
            assert_eq!(delivery.body_bytes, seen[0].1.len());
            assert_eq!(delivery.body_bytes < 2000, compression == Compression::Gzip);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_deadline_bounds_every_kind_of_failure() {
        let cases = [
            (ask(503), Failure::RetryDeadline { last: Some(ResponseStatus::Http(503)) }),
            (PeerAction::Refuse, Failure::RetryDeadline { last: None }),
            (PeerAction::Blackhole, Failure::RetryDeadline { last: None }),
            (PeerAction::Silence, Failure::AmbiguousTimeout),
        ];
        for (scene, failure) in cases {
            let (delivery, took, seen) = send(std::slice::from_ref(&scene)).await;
            assert_eq!(delivery.outcome, Outcome::Failed(failure), "{scene:?}");
            // No earlier than one wait of ours before the deadline.
            assert!(took <= MINUTE && took > MINUTE - 6 * SECOND, "{scene:?}: {took:?}");
            assert_eq!(seen.lock().unwrap().len(), delivery.attempts as usize);
            let ambiguous =
                if matches!(scene, PeerAction::Silence) { delivery.attempts } else { 0 };
            assert_eq!(delivery.ambiguous_attempts, ambiguous, "{scene:?}");
            assert!((5..200).contains(&delivery.attempts), "{}", delivery.attempts);
            assert_eq!(delivery.detail.is_empty(), matches!(scene, PeerAction::Answer(..)));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn an_attempt_cut_off_before_it_got_anywhere_says_nothing() {
        let busy = PeerAction::Answer(503, Some("55"), Duration::ZERO);
        let (delivery, took, _) = send(&[busy, PeerAction::Blackhole]).await;
        let last = Some(ResponseStatus::Http(503));
        assert_eq!(delivery.outcome, Outcome::Failed(Failure::RetryDeadline { last }));
        assert_eq!((delivery.attempts, took), (2, MINUTE));
    }

    #[tokio::test(start_paused = true)]
    async fn a_slow_answer_is_waited_for_and_a_slower_one_is_not() {
        let slow = |secs| PeerAction::Answer(200, None, Duration::from_secs(secs));
        let (delivery, took, _) = send(&[slow(9)]).await;
        assert_eq!((delivery.is_accepted(), delivery.attempts), (true, 1));
        assert_eq!(took, 9 * SECOND);
        let (delivery, _, _) = send(&[slow(11), slow(1)]).await;
        assert_eq!((delivery.attempts, delivery.ambiguous_attempts), (2, 1));
        assert!(delivery.is_accepted());
    }

    #[tokio::test(start_paused = true)]
    async fn permanent_answers_are_not_repeated() {
        let cases = [
            (302, Failure::Redirect { status: 302 }),
            (400, Failure::Rejected { status: ResponseStatus::Http(400) }),
            (413, Failure::TooLarge),
            (500, Failure::Rejected { status: ResponseStatus::Http(500) }),
        ];
        for (status, failure) in cases {
            let (delivery, took, _) = send(&[ask(status)]).await;
            assert_eq!(delivery.outcome, Outcome::Failed(failure));
            assert_eq!((delivery.attempts, took), (1, Duration::ZERO));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_servers_wait_is_honoured() {
        for (after, wait) in [("5", 5 * SECOND), ("0", Duration::ZERO)] {
            let scenes = [PeerAction::Answer(429, Some(after), Duration::ZERO), ask(200)];
            let (delivery, took, _) = send(&scenes).await;
            assert_eq!((delivery.is_accepted(), delivery.attempts), (true, 2));
            assert!(took >= wait && took < wait + SECOND, "{took:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_wait_past_the_deadline_ends_the_request_and_holds_back_the_next_for_a_while() {
        let scenes = [PeerAction::Answer(503, Some("1000000000"), Duration::ZERO), ask(200)];
        let (transport, _) = transport(&scenes, Transport::builder());
        let start = Instant::now();
        let first = transport.send_until(request(), (start + HOUR).into()).await;
        let last = Some(ResponseStatus::Http(503));
        assert_eq!(first.outcome, Outcome::Failed(Failure::RetryDeadline { last }));
        assert_eq!(start.elapsed(), Duration::ZERO);
        let second = transport.send_until(request(), (start + HOUR).into()).await;
        assert!(second.is_accepted(), "{second:?}");
        assert_eq!(start.elapsed(), 50 * SECOND);
    }

    #[tokio::test(start_paused = true)]
    async fn one_wait_holds_back_every_request() {
        let scenes = [PeerAction::Answer(503, Some("7"), Duration::ZERO), ask(200)];
        let (transport, seen) = transport(&scenes, Transport::builder());
        let start = Instant::now();
        let (first, second) =
            tokio::join!(transport.send_until(request(), (start + HOUR).into()), async {
                tokio::time::sleep(SECOND).await;
                transport.clone().send_until(request(), (start + HOUR).into()).await
            });
        assert!(first.is_accepted() && second.is_accepted());
        assert_eq!((first.attempts, second.attempts), (2, 1));
        let seen: Vec<_> = seen.lock().unwrap().iter().map(|(at, _)| *at - start).collect();
        assert_eq!(seen[0], Duration::ZERO);
        assert!(seen[1..].iter().all(|at| *at >= 7 * SECOND), "{seen:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn cancelling_ends_it_and_tells_what_is_unknown() {
        for (scene, ambiguous) in [(PeerAction::Silence, 1), (PeerAction::Blackhole, 0)] {
            let (transport, _) = transport(&[scene], Transport::builder());
            let start = Instant::now();
            let delivery = transport.send_until(request(), (start + 3 * SECOND).into()).await;
            assert_eq!(delivery.outcome, Outcome::Failed(Failure::Shutdown));
            assert_eq!((delivery.attempts, delivery.ambiguous_attempts), (1, ambiguous));
            assert_eq!(start.elapsed(), 3 * SECOND);
        }
        // In a wait between attempts.
        let (transport, seen) =
            transport(&[PeerAction::Answer(503, Some("30"), Duration::ZERO)], Transport::builder());
        let (cancel, cancelled) = tokio::sync::oneshot::channel::<()>();
        let sending = transport.send_with_cancel(request(), async { drop(cancelled.await) });
        let (delivery, ()) = tokio::join!(sending, async {
            tokio::time::sleep(SECOND).await;
            cancel.send(()).unwrap();
        });
        assert_eq!(delivery.outcome, Outcome::Failed(Failure::Shutdown));
        assert_eq!((delivery.attempts, delivery.ambiguous_attempts), (1, 0));
        assert_eq!(seen.lock().unwrap().len(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn a_dropped_send_stops_there() {
        let (transport, seen) = transport(&[PeerAction::Silence], Transport::builder());
        {
            let mut sending = pin!(transport.send_until(request(), (Instant::now() + HOUR).into()));
            assert!(tokio::time::timeout(SECOND, &mut sending).await.is_err());
        }
        tokio::time::sleep(HOUR).await;
        assert_eq!(seen.lock().unwrap().len(), 1);
    }

    #[test]
    fn outside_a_runtime_it_fails_and_does_not_panic() {
        let transport = Transport::builder().build().unwrap();
        let mut sending = pin!(transport.send_with_cancel(request(), std::future::pending()));
        let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
        let std::task::Poll::Ready(delivery) = sending.as_mut().poll(&mut cx) else {
            panic!("nothing to wait for")
        };
        assert_eq!(delivery.outcome, Outcome::Failed(Failure::Unsendable));
    }

    #[test]
    fn the_handle_is_one_to_share() {
        fn shareable<T: Send + Sync + Clone + 'static>(_: &T) {}
        fn movable<T: Send>(_: &T) {}
        let transport = Transport::builder().with_headers(Headers::new()).build().unwrap();
        shareable(&transport);
        movable(&transport.send_with_cancel(request(), std::future::pending()));
    }

    /// One attempt in a world of whose server we know everything.
    #[derive(Debug, Clone)]
    struct Event {
        scene: PeerAction,
        /// Spans of the request that the server keeps, whatever it answers.
        stored: u64,
    }

    const SPANS: u64 = 10;

    fn event() -> impl Strategy<Value = Event> {
        let said = |status: u16, stored: u64| Event { scene: ask(status), stored };
        prop_oneof![
            // Answers that say what was stored.
            2 => Just(said(200, SPANS)),
            3 => (0..=SPANS).prop_map(|rejected| Event {
                scene: PeerAction::Partial(rejected), stored: SPANS - rejected }),
            12 => prop::sample::select(vec![429, 503, 503, 503, 400, 413, 500, 307])
                .prop_map(move |status| said(status, 0)),
            // Those of a gateway, which does not know.
            4 => (prop::sample::select(vec![502, 504]), prop::sample::select(vec![0, SPANS]))
                .prop_map(move |(status, stored)| said(status, stored)),
            // No answer, or none in time.
            8 => (
                prop::sample::select(vec![
                    PeerAction::Silence,
                    PeerAction::Break,
                    PeerAction::Answer(200, None, Duration::from_secs(11)),
                ]),
                prop::sample::select(vec![0, 3, SPANS]),
            ).prop_map(|(scene, stored)| Event { scene, stored }),
            8 => prop::sample::select(vec![PeerAction::Refuse, PeerAction::NoTls, PeerAction::Blackhole])
                .prop_map(|scene| Event { scene, stored: 0 }),
        ]
    }

    proptest! {
        #[test]
        fn what_is_surely_lost_is_nowhere(
            events in prop::collection::vec(event(), 1..12),
            cancel_after in prop_oneof![Just(3600u64), 0u64..70],
            deadline in 1u64..70,
        ) {
            let scenes: Vec<_> = events.iter().map(|event| event.scene.clone()).collect();
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all().start_paused(true).build().unwrap();
            let (delivery, attempts) = runtime.block_on(async {
                let builder = Transport::builder().with_request_timeout(Duration::from_secs(deadline));
                let (transport, seen) = transport(&scenes, builder);
                let cancel_at = Instant::now() + Duration::from_secs(cancel_after);
                let delivery = transport.send_until(request(), cancel_at.into()).await;
                let attempts = seen.lock().unwrap().len();
                (delivery, attempts)
            });
            // The last event goes on for ever.
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

    fn ask(status: u16) -> PeerAction {
        PeerAction::Answer(status, None, Duration::ZERO)
    }

    const SECOND: Duration = Duration::from_secs(1);
    const MINUTE: Duration = Duration::from_secs(60);
    const HOUR: Duration = Duration::from_secs(3600);
}
