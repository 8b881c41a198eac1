//! Requests that share a circuit breaker, in paused time.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use crate::backend::Backend;
use crate::mock::{MockBackend, PeerAction, Received};
use crate::{
    CircuitBreaker, Delivery, Endpoint, FailedAttempt, Failure, FramedRequest, Outcome, Protocol,
    Transport,
};

const SECOND: Duration = Duration::from_secs(1);

fn transport(actions: &[PeerAction], breaker: CircuitBreaker) -> (Transport, Received) {
    let mock = MockBackend::new(actions);
    let received = mock.received();
    let builder = Transport::builder().with_circuit_breaker(breaker);
    let endpoint = Endpoint::localhost(Protocol::HttpProtobuf);
    (Transport::new(&builder, endpoint, Backend::Mock(mock)), received)
}

fn request() -> FramedRequest {
    FramedRequest::from_message(b"\n\0")
}

fn send(transport: &Transport, requests: usize) -> JoinSet<Delivery> {
    let mut tasks = JoinSet::new();
    for _ in 0..requests {
        let transport = transport.clone();
        tasks.spawn(async move { transport.send(request()).await });
    }
    tasks
}

fn times(received: &Received, start: Instant) -> Vec<Duration> {
    received.lock().unwrap().iter().map(|(at, _)| *at - start).collect()
}

#[tokio::test(start_paused = true)]
async fn a_failed_attempt_states_that_the_breaker_opened_and_when_the_next_may_follow() {
    let breaker = CircuitBreaker::default().with_failures(2).with_open_time(8 * SECOND);
    let (transport, received) = transport(&vec![PeerAction::Refuse; 6], breaker);
    let failed = Arc::<Mutex<Vec<FailedAttempt>>>::default();
    let observed = failed.clone();
    let observe = move |failed: &FailedAttempt| observed.lock().unwrap().push(failed.clone());
    let start = Instant::now();
    let delivery = transport.with_attempt_observer(observe).send(request()).await;
    assert!(!delivery.is_accepted());
    let (times, failed) = (times(&received, start), failed.lock().unwrap());
    let opened: Vec<_> = failed.iter().map(|it| it.circuit_breaker_opened).collect();
    assert_eq!(opened[..3], [false, true, false]);
    assert!(failed[1].to_string().contains("; the circuit breaker opened"), "{}", failed[1]);
    for (index, gap) in times.windows(2).enumerate() {
        let (wait, stated) = (gap[1] - gap[0], failed[index].retry_in.unwrap());
        assert!(wait >= stated && wait - stated < SECOND / 50, "{index}: {wait:?} {stated:?}");
        assert_eq!(stated >= 4 * SECOND, index > 0, "{index}: {stated:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_open_breaker_sends_one_probe_at_a_time_and_a_success_lets_all_requests_go_on() {
    let mut actions = vec![PeerAction::Refuse; 12];
    actions.push(PeerAction::Answer(200, None, Duration::from_millis(5)));
    let breaker = CircuitBreaker::default().with_failures(8).with_open_time(4 * SECOND);
    let (transport, received) = transport(&actions, breaker);
    let start = Instant::now();
    let deliveries = send(&transport, 8).join_all().await;
    assert!(deliveries.iter().all(Delivery::is_accepted), "{deliveries:?}");
    let openings: u32 = deliveries.iter().map(|it| it.breaker_openings).sum();
    assert_eq!(openings, 1);
    let times = times(&received, start);
    // Eight attempts at once, four probes that fail, one that succeeds, and the other seven requests.
    assert_eq!((times.len(), times[7]), (20, Duration::ZERO));
    for probes in times[7..13].windows(2) {
        let wait = probes[1] - probes[0];
        assert!(wait >= 2 * SECOND && wait <= 4 * SECOND + SECOND / 50, "{wait:?}");
    }
    let closed = times[12] + Duration::from_millis(5);
    assert!(times[13..].iter().all(|at| *at == closed), "{times:?}");
}

#[tokio::test(start_paused = true)]
async fn a_probe_that_is_cancelled_is_another_request_s() {
    let actions = [PeerAction::Refuse, PeerAction::Silence];
    let breaker = CircuitBreaker::default().with_failures(1).with_open_time(SECOND);
    let (transport, received) = transport(&actions, breaker);
    let start = Instant::now();
    let mut first = send(&transport, 1);
    sleep(SECOND / 10).await;
    let mut second = send(&transport, 1);
    while times(&received, start).len() < 2 {
        sleep(SECOND / 100).await;
    }
    // One of them probes, and the other waits for it.
    sleep(SECOND).await;
    assert_eq!(times(&received, start).len(), 2);
    for tasks in [&mut first, &mut second] {
        let before = times(&received, start).len();
        tasks.abort_all();
        sleep(SECOND / 100).await;
        let now = times(&received, start);
        if now.len() > before {
            assert!(start + now[before] + SECOND / 50 >= Instant::now(), "at once: {now:?}");
            return;
        }
        // It was the one that waited: a new request takes its place.
        *tasks = send(&transport, 1);
    }
    panic!("no request took the probe: {:?}", times(&received, start));
}

#[tokio::test(start_paused = true)]
async fn a_request_that_waits_has_its_own_deadline_and_names_the_breaker() {
    let builder = Transport::builder()
        .with_attempt_timeout(SECOND)
        .with_request_timeout(4 * SECOND)
        .with_circuit_breaker(CircuitBreaker::default().with_failures(1));
    let mock = MockBackend::new(&[PeerAction::Blackhole]);
    let endpoint = Endpoint::localhost(Protocol::HttpProtobuf);
    let transport = Transport::new(&builder, endpoint, Backend::Mock(mock));
    // Its failure opens the breaker.
    assert!(!send(&transport, 1).join_all().await[0].is_accepted());
    let start = Instant::now();
    let deliveries = send(&transport, 20).join_all().await;
    assert_eq!(Instant::now() - start, 4 * SECOND);
    let (waited, probed): (Vec<_>, Vec<_>) = deliveries.iter().partition(|it| it.attempts == 0);
    assert!((1..=3).contains(&probed.len()), "{probed:?}");
    for delivery in waited {
        assert_eq!(delivery.outcome, Outcome::Failed(Failure::RetryDeadline { last: None }));
        assert!(delivery.cause.contains("circuit breaker"), "{delivery}");
    }
}
