//! Servers that end an idle connection with 408, which crosses a request.

#![cfg(feature = "tokio")]

use crate::peer;

use peer::{Act, Peer, answer, ok, request};
use spanwise_transport::{Delivery, Endpoint, Failure, Outcome, ResponseStatus, Transport};

fn timed_out() -> Act {
    Act::AnswerAndClose(answer(408, "connection: close\r\n", b""))
}

const REJECTED: Outcome = Outcome::Failed(Failure::Rejected { status: ResponseStatus::Http(408) });

/// The acts of a server, the number of requests after the first that it gets, and the second outcome.
fn cases() -> [(Vec<Act>, usize, Outcome); 3] {
    let accepted = Outcome::Accepted { rejected: 0, message: None };
    [
        (vec![ok(), timed_out(), ok()], 2, accepted),
        // Once, and no more.
        (vec![ok(), timed_out(), timed_out(), ok()], 2, REJECTED),
        // Not over a new connection: the specification has no retry of 408.
        (
            vec![Act::AnswerAndClose(answer(200, "connection: close\r\n", b"")), timed_out(), ok()],
            1,
            REJECTED,
        ),
    ]
}

fn check(delivery: &Delivery, expected: &Outcome, peer: &Peer, requests: usize) {
    assert_eq!(&delivery.outcome, expected, "{delivery:?}");
    assert_eq!((delivery.attempts, delivery.ambiguous_attempts), (1, 0), "{delivery:?}");
    assert_eq!(peer.received().len(), 1 + requests);
}

#[tokio::test]
async fn a_request_that_crosses_a_408_is_repeated_once_on_a_new_connection() {
    for (acts, requests, expected) in cases() {
        let peer = Peer::new(acts).await;
        let endpoint = Endpoint::parse("TEST", &peer.url()).unwrap();
        let transport = Transport::builder().with_endpoint(endpoint).build().unwrap();
        assert!(transport.send(request(1)).await.is_accepted());
        check(&transport.send(request(1)).await, &expected, &peer, requests);
    }
}

#[tokio::test]
async fn a_blocking_transport_repeats_it_too() {
    for (acts, requests, expected) in cases() {
        let peer = Peer::new(acts).await;
        let endpoint = Endpoint::parse("TEST", &peer.url()).unwrap();
        let transport = Transport::builder().with_endpoint(endpoint).build_blocking().unwrap();
        let send = move || [(); 2].map(|()| transport.send(request(1)));
        let [first, second] = tokio::task::spawn_blocking(send).await.unwrap();
        assert!(first.is_accepted());
        check(&second, &expected, &peer, requests);
    }
}
