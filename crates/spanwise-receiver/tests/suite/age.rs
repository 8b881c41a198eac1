//! Connections that end because of their age.

use crate::support;

use std::io::Write;
use std::time::{Duration, Instant};

use spanwise_receiver::{Answer, Limits, Receiver};
use support::raw::{connect, read_frame, until_closed};
use support::*;

const AGE: Duration = Duration::from_millis(300);

fn start(age: Duration) -> Receiver {
    let limits = Limits::default().with_connection_age(age);
    Receiver::builder().with_limits(limits).start().unwrap()
}

#[tokio::test]
async fn an_http2_client_loses_no_request_and_connects_again() {
    let receiver = start(AGE);
    let (_, bytes) = request(1, "span");
    let start = Instant::now();
    let mut client = Http2::connect(&receiver).await;
    let (mut connections, mut sent, mut sent_by_last) = (1, 0, 0);
    // Three connections end; an export over the fourth shows that the receiver has accepted it.
    while connections < 4 || sent_by_last == 0 {
        assert!(start.elapsed() < Duration::from_secs(60), "{connections}");
        match client.try_export(&bytes).await {
            Ok(answer) => {
                assert_eq!(answer.grpc("grpc-status"), Some("0"));
                (sent, sent_by_last) = (sent + 1, sent_by_last + 1);
            }
            // Refused before it was sent, or by the GOAWAY: not processed.
            Err(_) => {
                client = Http2::connect(&receiver).await;
                (connections, sent_by_last) = (connections + 1, 0);
            }
        }
    }
    assert!(start.elapsed() >= 3 * AGE * 9 / 10);
    let stats = receiver.stats();
    assert_eq!((stats.spans, stats.connections), (sent, 4), "{stats:?}");
    assert_eq!((stats.broken_connections, stats.evicted_connections), (0, 0), "{stats:?}");
    count_aged(&receiver, 3).await;
}

/// A client knows of the end of its connection before the receiver has counted it.
async fn count_aged(receiver: &Receiver, expected: u64) {
    let start = Instant::now();
    while receiver.stats().aged_connections < expected {
        assert!(start.elapsed() < Duration::from_secs(20), "{:?}", receiver.stats());
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    assert_eq!(receiver.stats().aged_connections, expected);
}

/// The receiver accepts all of them before it looks at any.
#[tokio::test]
async fn connections_that_come_at_once_end_one_by_one() {
    const COUNT: usize = 12;
    let age = Duration::from_secs(3);
    let receiver = start(age);
    let clients: Vec<_> = (0..COUNT).map(|_| connect(&receiver)).collect();
    let mut ended = Vec::new();
    std::thread::scope(|scope| {
        let threads: Vec<_> = clients
            .into_iter()
            .map(|mut client| {
                scope.spawn(move || {
                    client.write_all(&preface()).unwrap();
                    while read_frame(&mut client).0 != GOAWAY {}
                    Instant::now()
                })
            })
            .collect();
        ended.extend(threads.into_iter().map(|thread| thread.join().unwrap()));
    });
    ended.sort();
    let (first, last) = (ended[0], ended[COUNT - 1]);
    // Up to a tenth apart, of which this number of shares has more than three quarters.
    assert!(last - first >= age / 10 / 2, "{:?}", last - first);
}

/// The response of a request that is open when the connection is old still comes.
#[tokio::test]
async fn an_open_request_has_its_response() {
    let age = Duration::from_secs(2);
    let slow = move |_: spanwise_receiver::Export| {
        std::thread::sleep(2 * age);
        Answer::Accept
    };
    let limits = Limits::default().with_connection_age(age);
    let receiver = Receiver::builder().with_limits(limits).with_handler(slow).start().unwrap();
    let (_, bytes) = request(1, "span");
    let mut client = Http2::connect(&receiver).await;
    assert_eq!(client.export(&bytes).await.grpc("grpc-status"), Some("0"));
    let closed = async {
        while !client.is_closed() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), closed).await.unwrap();
}

#[tokio::test]
async fn an_http1_client_sees_the_end_in_a_response() {
    let age = Duration::from_secs(2);
    let receiver = start(age);
    let (_, bytes) = request(1, "span");
    let [mut client, mut refused] =
        [Http1::connect(&receiver).await, Http1::connect(&receiver).await];
    assert_eq!(client.post(bytes.clone()).await.headers.get("connection"), None);
    // An idle connection stays: a client might send a request at the moment of its end.
    tokio::time::sleep(age + MOMENT).await;
    let answer = client.post(bytes.clone()).await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.headers.get("connection").unwrap(), "close");
    assert!(client.try_send(post(bytes).body_of()).await.is_err());
    let answer = refused.send(draft("GET", "/elsewhere", "").body_of()).await;
    assert_eq!(answer.status, 404);
    assert_eq!(answer.headers.get("connection").unwrap(), "close");
    assert_eq!(receiver.stats().spans, 2);
    count_aged(&receiver, 2).await;
}

/// A client that answers no ping holds its connection for no longer than before.
#[test]
fn a_client_that_ignores_the_end_is_cut_off() {
    let limits = Limits::default().with_connection_age(AGE).with_ping_interval(AGE);
    let limits = limits.with_ping_timeout(AGE);
    let receiver = Receiver::builder().with_limits(limits).start().unwrap();
    let mut stream = connect(&receiver);
    stream.write_all(&preface()).unwrap();
    let start = Instant::now();
    until_closed(stream);
    assert!(start.elapsed() < Duration::from_secs(20), "{:?}", start.elapsed());
}

/// The first bytes of an HTTP/2 client.
fn preface() -> Vec<u8> {
    let settings = [0, 0, 0, 4, 0, 0, 0, 0, 0];
    [&b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"[..], &settings].concat()
}

const MOMENT: Duration = Duration::from_millis(50);
// RFC 9113, section 6.8.
const GOAWAY: u8 = 7;
