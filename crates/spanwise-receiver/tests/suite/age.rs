//! Connections that end because of their age.

use crate::support;

use std::io::Write;
use std::time::{Duration, Instant};

use spanwise_receiver::{Answer, Limits, Receiver};
use support::raw::{connect, until_closed};
use support::*;

const AGE: Duration = Duration::from_millis(300);

fn start() -> Receiver {
    Receiver::builder().with_limits(Limits::default().with_connection_age(AGE)).start().unwrap()
}

#[tokio::test]
async fn an_http2_client_loses_no_request_and_connects_again() {
    let receiver = start();
    let (_, bytes) = request(1, "span");
    let mut client = Http2::connect(&receiver).await;
    let (start, mut connections, mut sent) = (Instant::now(), 1, 0);
    while connections < 4 {
        assert!(start.elapsed() < Duration::from_secs(60), "{connections}");
        match client.try_export(&bytes).await {
            Ok(answer) => {
                assert_eq!(answer.grpc("grpc-status"), Some("0"));
                sent += 1;
            }
            // Refused before it was sent, or by the GOAWAY: not processed.
            Err(_) => {
                client = Http2::connect(&receiver).await;
                connections += 1;
            }
        }
    }
    assert!(start.elapsed() >= 3 * AGE * 9 / 10);
    let stats = receiver.stats();
    assert_eq!((stats.spans, stats.connections), (sent, 4), "{stats:?}");
    assert_eq!((stats.broken_connections, stats.evicted_connections), (0, 0), "{stats:?}");
}

/// The response of a request that is open when the connection is old still comes.
#[tokio::test]
async fn an_open_request_has_its_response() {
    let slow = |_: spanwise_receiver::Export| {
        std::thread::sleep(4 * AGE);
        Answer::Accept
    };
    let limits = Limits::default().with_connection_age(AGE);
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
    let receiver = start();
    let (_, bytes) = request(1, "span");
    let mut client = Http1::connect(&receiver).await;
    assert_eq!(client.post(bytes.clone()).await.headers.get("connection"), None);
    // An idle connection stays: a client might send a request at the moment of its end.
    tokio::time::sleep(3 * AGE).await;
    let answer = client.post(bytes.clone()).await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.headers.get("connection").unwrap(), "close");
    assert!(client.try_send(post(bytes).body_of()).await.is_err());
    assert_eq!(receiver.stats().spans, 2);
}

/// A client that answers nothing holds its connection for no longer than one that does.
#[test]
fn a_client_that_ignores_the_end_is_cut_off() {
    let limits = Limits::default().with_connection_age(AGE).with_ping_interval(AGE);
    let limits = limits.with_ping_timeout(AGE);
    let receiver = Receiver::builder().with_limits(limits).start().unwrap();
    let mut stream = connect(&receiver);
    let settings = [0, 0, 0, 4, 0, 0, 0, 0, 0];
    stream.write_all(&[&b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"[..], &settings].concat()).unwrap();
    let start = Instant::now();
    until_closed(stream);
    assert!(start.elapsed() < Duration::from_secs(20), "{:?}", start.elapsed());
}
