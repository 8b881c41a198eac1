//! Several endpoints in paused time: one that fails does not stop the others.

use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use crate::backend::Backend;
use crate::mock::{MockBackend, PeerAction, Received};
use crate::{
    CircuitBreaker, Delivery, Endpoint, EndpointSelection, Failure, FramedRequest, Outcome,
    Protocol, ResponseStatus, Transport, TransportBuilder,
};

const SECOND: Duration = Duration::from_secs(1);
const SELECTIONS: [EndpointSelection; 2] =
    [EndpointSelection::PickFirst, EndpointSelection::RoundRobin];

/// A transport to one endpoint for each script, and what they receive.
fn transport<const N: usize>(
    scripts: [&[PeerAction]; N],
    builder: TransportBuilder,
) -> (Transport, [Received; N]) {
    let mocks = scripts.map(MockBackend::new);
    let received = mocks.each_ref().map(MockBackend::received);
    let named = mocks.into_iter().map(|mock| ("peer".to_owned(), Backend::Mock(mock)));
    let endpoint = Endpoint::localhost(Protocol::HttpProtobuf);
    (Transport::new(&builder, endpoint, Backend::Several(named.collect())), received)
}

fn answer(status: u16, retry_after: Option<&'static str>) -> PeerAction {
    PeerAction::Answer(status, retry_after, Duration::ZERO)
}

async fn send(transport: &Transport) -> Delivery {
    transport.send(FramedRequest::from_message(b"\n\0")).await
}

fn counts<const N: usize>(received: &[Received; N]) -> [usize; N] {
    received.each_ref().map(|it| it.lock().unwrap().len())
}

#[tokio::test(start_paused = true)]
async fn the_throttle_of_one_endpoint_does_not_stop_the_others() {
    for selection in SELECTIONS {
        let asks = [answer(429, Some("30")), answer(200, None)];
        let builder = Transport::builder().with_endpoint_selection(selection);
        let (transport, received) = transport([&asks, &[answer(200, None)]], builder);
        let start = Instant::now();
        let first = send(&transport).await;
        assert!(first.is_accepted() && first.attempts == 2, "{selection:?}: {first}");
        for _ in 0..10 {
            assert_eq!(send(&transport).await.attempts, 1, "{selection:?}");
        }
        assert!(start.elapsed() < SECOND, "{selection:?}: {:?}", start.elapsed());
        assert_eq!(counts(&received), [1, 11], "{selection:?}");
        // The throttle ends, and the endpoint has its turn again.
        sleep(30 * SECOND).await;
        for _ in 0..4 {
            assert_eq!(send(&transport).await.attempts, 1, "{selection:?}");
        }
        let expected = match selection {
            EndpointSelection::PickFirst => [1, 15],
            EndpointSelection::RoundRobin => [3, 13],
        };
        assert_eq!(counts(&received), expected, "{selection:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_circuit_breaker_of_one_endpoint_does_not_stop_the_others() {
    for selection in SELECTIONS {
        let breaker = CircuitBreaker::default().with_failures(1).with_open_time(20 * SECOND);
        let builder =
            Transport::builder().with_endpoint_selection(selection).with_circuit_breaker(breaker);
        let (transport, received) =
            transport([&[PeerAction::Refuse], &[answer(200, None)]], builder);
        let start = Instant::now();
        let first = send(&transport).await;
        assert_eq!((first.is_accepted(), first.breaker_openings), (true, 1), "{selection:?}");
        for _ in 0..10 {
            assert_eq!(send(&transport).await.attempts, 1, "{selection:?}");
        }
        assert!(start.elapsed() < SECOND, "{selection:?}: {:?}", start.elapsed());
        assert_eq!(counts(&received), [1, 11], "{selection:?}");
        // Half-open: one request probes it in its turn, and all reach the other one.
        sleep(21 * SECOND).await;
        let mut tasks = JoinSet::new();
        for _ in 0..10 {
            let transport = transport.clone();
            tasks.spawn(async move { send(&transport).await });
        }
        let again = Instant::now();
        assert!(tasks.join_all().await.iter().all(Delivery::is_accepted));
        assert!(again.elapsed() < SECOND, "{selection:?}: {:?}", again.elapsed());
        let probes = usize::from(selection == EndpointSelection::RoundRobin);
        assert_eq!(counts(&received), [1 + probes, 21], "{selection:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_request_waits_for_the_endpoint_that_is_free_first() {
    for selection in SELECTIONS {
        let scripts = ["40", "7", "20"].map(|asked| [answer(503, Some(asked)), answer(200, None)]);
        let builder = Transport::builder().with_endpoint_selection(selection);
        let (transport, received) = transport(scripts.each_ref().map(|it| it.as_slice()), builder);
        let start = Instant::now();
        let delivery = send(&transport).await;
        assert_eq!((delivery.is_accepted(), delivery.attempts), (true, 4), "{delivery}");
        let waited = start.elapsed();
        assert!(waited >= 7 * SECOND && waited < 8 * SECOND, "{selection:?}: {waited:?}");
        assert_eq!(counts(&received), [1, 2, 1], "{selection:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_request_that_no_endpoint_can_take_in_time_fails_at_once() {
    let month = [answer(503, Some("2592000"))];
    let builder =
        Transport::builder().with_attempt_timeout(SECOND).with_request_timeout(2 * SECOND);
    let (transport, received) = transport([&month, &month], builder);
    let start = Instant::now();
    let delivery = send(&transport).await;
    let last = Some(ResponseStatus::Http(503));
    let waited = start.elapsed();
    // A server cannot impose more than a second here, which leaves time for one attempt more.
    assert_eq!(delivery.outcome, Outcome::Failed(Failure::RetryDeadline { last }), "{delivery}");
    assert!(waited <= 2 * SECOND && delivery.attempts <= 4, "{waited:?} {delivery}");
    assert!(counts(&received).iter().all(|it| (1..=2).contains(it)), "{delivery}");
}

#[tokio::test(start_paused = true)]
async fn a_cancelled_probe_is_released_at_its_own_endpoint() {
    let breaker = CircuitBreaker::default().with_failures(1).with_open_time(SECOND);
    let builder = Transport::builder()
        .with_endpoint_selection(EndpointSelection::RoundRobin)
        .with_circuit_breaker(breaker)
        .with_attempt_timeout(50 * SECOND);
    let dies = [PeerAction::Refuse, PeerAction::Silence, answer(200, None)];
    let (transport, received) = transport([&[answer(200, None)], &dies], builder);
    for _ in 0..2 {
        assert!(send(&transport).await.is_accepted());
    }
    assert_eq!(counts(&received), [2, 1]);
    // The breaker of the second endpoint is half-open, and no longer left out: a request probes it.
    sleep(6 * SECOND).await;
    let turns = [send_until_cancelled(&transport).await, send_until_cancelled(&transport).await];
    assert!(turns.contains(&false), "one of two requests hangs at the second endpoint");
    assert_eq!(counts(&received)[1], 2);
    // Another one takes the probe at once, and closes the breaker.
    for _ in 0..4 {
        assert!(send_until_cancelled(&transport).await);
    }
    assert!(counts(&received)[1] >= 3, "{:?}", counts(&received));
}

/// Whether a request is accepted within a tenth of a second; otherwise it is dropped.
async fn send_until_cancelled(transport: &Transport) -> bool {
    let sent = tokio::time::timeout(SECOND / 10, send(transport)).await;
    sent.is_ok_and(|delivery| delivery.is_accepted())
}
