//! Several endpoints of one transport.

#![cfg(feature = "tokio")]

use crate::peer;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use peer::{Act, Peer, answer, ok, send};
use spanwise_testkit::ClosedPort;
use spanwise_transport::{
    Endpoint, EndpointSelection, Failure, Outcome, RetryPolicy, Transport, TransportBuilder,
};

fn endpoint(url: &str) -> Endpoint {
    Endpoint::parse_base("TEST", url).unwrap()
}

fn to(endpoints: impl IntoIterator<Item = Endpoint>) -> TransportBuilder {
    let retry = RetryPolicy::default().with_cap(Duration::from_millis(2));
    Transport::builder().with_endpoints(endpoints).with_retry(retry)
}

fn of(peer: &Peer) -> Endpoint {
    endpoint(&format!("http://{}", peer.address))
}

#[tokio::test]
async fn the_next_endpoint_takes_over_from_one_that_fails() {
    let closed = ClosedPort::new().unwrap();
    let busy = Peer::new([Act::Answer(answer(503, "", b"busy"))]).await;
    let works = Peer::new([ok()]).await;
    let failed = Arc::new(Mutex::new(Vec::new()));
    let observed = failed.clone();
    let endpoints = [endpoint(&closed.endpoint().unwrap()), of(&busy), of(&works)];
    let transport = to(endpoints)
        .with_attempt_observer(move |attempt| observed.lock().unwrap().push(attempt.cause.clone()))
        .build()
        .unwrap();
    let delivery = send(&transport).await;
    assert!(delivery.is_accepted() && delivery.attempts == 3, "{delivery}");
    // The endpoint that works stays the one that is asked.
    for _ in 0..3 {
        assert_eq!(send(&transport).await.attempts, 1);
    }
    assert_eq!((busy.received().len(), works.received().len()), (1, 4));
    // Each failure names the endpoint.
    let causes = failed.lock().unwrap().clone();
    let [refused, unavailable] = &*causes else { panic!("{causes:?}") };
    assert!(refused.ends_with(&format!("(at {})", closed.address().unwrap())), "{refused}");
    assert!(unavailable.ends_with(&format!("busy (at {})", busy.address)), "{unavailable}");
}

#[tokio::test]
async fn a_rejection_is_final_at_any_endpoint() {
    let rejects = Peer::new([Act::Answer(answer(400, "", b""))]).await;
    let works = Peer::new([ok()]).await;
    let delivery = send(&to([of(&rejects), of(&works)]).build().unwrap()).await;
    assert!(matches!(delivery.outcome, Outcome::Failed(Failure::Rejected { .. })), "{delivery}");
    assert_eq!((delivery.attempts, works.received().len()), (1, 0));
}

#[tokio::test]
async fn round_robin_spreads_the_requests() {
    let peers = [Peer::new([ok()]).await, Peer::new([ok()]).await, Peer::new([ok()]).await];
    let builder = to(peers.iter().map(of));
    let transport = builder.with_endpoint_selection(EndpointSelection::RoundRobin).build().unwrap();
    for _ in 0..9 {
        assert!(send(&transport).await.is_accepted());
    }
    assert_eq!(peers.map(|peer| (peer.received().len(), peer.connections())), [(3, 1); 3]);
}

#[test]
fn a_list_that_is_empty_or_too_long_is_an_error() {
    let build = |count: usize| to((0..count).map(|i| endpoint(&format!("http://c{i}")))).build();
    for (count, value) in [(0, "is 0;"), (65, "is 65;"), (1_000, "is 65;")] {
        let error = build(count).unwrap_err().to_string();
        assert!(error.contains("with_endpoints") && error.contains(value), "{count}: {error}");
    }
    assert!(build(64).is_ok());
}
