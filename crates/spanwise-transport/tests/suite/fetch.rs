//! Documents fetched from a peer on loopback.

#![cfg(feature = "tokio")]

use crate::peer;

use std::time::Duration;

use peer::{Act, Peer, answer};
use spanwise_transport::{Endpoint, FetchError, Fetcher};

fn fetcher(url: &str, max_bytes: usize) -> Fetcher {
    let endpoint = Endpoint::parse("TEST", url).unwrap();
    Fetcher::new(endpoint, Duration::from_millis(300), max_bytes).unwrap()
}

#[tokio::test]
async fn a_document_is_fetched_from_the_path_and_query_of_its_url() {
    let json = || Act::Answer(answer(200, "content-type: application/json\r\n", b"{}"));
    let peer = Peer::new([json(), json()]).await;
    let url = format!("http://{}/sampling?service=my%20shop", peer.address);
    let fetcher = fetcher(&url, 100);
    for _ in 0..2 {
        assert_eq!(&fetcher.get().await.unwrap()[..], b"{}");
    }
    let received = peer.received();
    assert!(received[0].head.starts_with("GET /sampling?service=my%20shop HTTP/1.1\r\n"));
    assert!(!received[0].head.contains("content-type") && received[0].body.is_empty());
}

#[tokio::test]
async fn json_is_posted_to_the_appended_path() {
    let peer = Peer::new([
        Act::Answer(answer(200, "", b"[1]")),
        Act::Answer(answer(200, "", &[b'x'; 101])),
    ])
    .await;
    let fetcher = fetcher(&format!("http://{}/proxy/", peer.address), 100);
    let post = |path: &'static str| fetcher.post(path, bytes::Bytes::from_static(b"{\"a\":1}"));
    assert_eq!(&post("/GetSamplingRules").await.unwrap()[..], b"[1]");
    assert_eq!(post("/SamplingTargets").await, Err(FetchError::TooLarge { max_bytes: 100 }));
    assert_eq!(post("/a b").await, Err(FetchError::NoPath));
    let received = peer.received();
    assert!(received[0].head.starts_with("POST /proxy/GetSamplingRules HTTP/1.1\r\n"));
    assert_eq!(received[0].header("content-type"), Some("application/json"));
    assert_eq!(received[0].header("content-length"), Some("7"));
    assert_eq!(received[0].body, b"{\"a\":1}");
}

#[tokio::test]
async fn a_failed_fetch_returns_its_error() {
    let large = || answer(200, "", &[b'x'; 101]);
    let redirect = answer(302, "location: http://127.0.0.1:1/\r\n", b"");
    let endless = b"HTTP/1.1 200 OK\r\n\r\n".to_vec();
    let acts = [
        Act::Answer(answer(404, "", b"no")),
        Act::Answer(redirect),
        Act::Answer(large()),
        Act::Flood(endless),
    ];
    let peer = Peer::new(acts).await;
    let fetcher = fetcher(&format!("http://{}/", peer.address), 100);
    assert_eq!(fetcher.get().await, Err(FetchError::Status(404)));
    assert_eq!(fetcher.get().await, Err(FetchError::Status(302)));
    assert_eq!(fetcher.get().await, Err(FetchError::TooLarge { max_bytes: 100 }));
    assert_eq!(fetcher.get().await, Err(FetchError::TooLarge { max_bytes: 100 }));
}

#[tokio::test]
async fn a_peer_that_does_not_answer_is_an_error() {
    let peer = Peer::new([Act::Hold, Act::Drip(b"HTTP/1.1 200 OK\r\n\r\n".to_vec())]).await;
    let fetcher = fetcher(&format!("http://{}/", peer.address), 1 << 20);
    for _ in 0..2 {
        let error = fetcher.get().await.unwrap_err();
        assert!(matches!(error, FetchError::Unreachable { .. }), "{error}");
    }
}

#[test]
fn a_fetch_outside_a_runtime_is_an_error_without_a_panic() {
    let fetcher = fetcher("http://127.0.0.1:1/", 1);
    let mut get = Box::pin(fetcher.get());
    let waker = std::task::Waker::noop();
    let polled = get.as_mut().poll(&mut std::task::Context::from_waker(waker));
    assert!(matches!(polled, std::task::Poll::Ready(Err(FetchError::NoRuntime))));
}
