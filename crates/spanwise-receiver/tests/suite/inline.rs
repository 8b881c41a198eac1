//! Inline handlers, and interceptors, which decide before a body is read.

use crate::support;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::thread;
use std::time::Duration;

use spanwise_receiver::{Answer, Headers, Receiver};
use support::*;

fn refuse(http_status: u16, grpc_code: u16, retry_after: Option<Duration>) -> Answer {
    Answer::Refuse { http_status, grpc_code, message: "no".to_owned(), retry_after }
}

#[tokio::test]
async fn an_inline_handler_runs_on_the_thread_of_the_connections() {
    let threads = Arc::new(AtomicU64::new(0));
    let receiver = Receiver::builder().with_inline_handler({
        let threads = Arc::clone(&threads);
        move |export| {
            let is_servers = thread::current().name() == Some("spanwise-receiver");
            threads.fetch_add(u64::from(is_servers), SeqCst);
            assert!(export.spans < 3, "a panic");
            Answer::Accept
        }
    });
    let receiver = receiver.start().unwrap();
    let mut client = Http1::connect(&receiver).await;
    assert_eq!(client.post(request(2, "a").1).await.status, 200);
    assert_eq!(client.post(request(3, "a").1).await.status, 500);
    assert_eq!(client.post(request(1, "a").1).await.status, 200);
    assert_eq!(threads.load(SeqCst), 3);
    let stats = receiver.stats();
    assert_eq!((stats.spans, stats.rejected_requests, stats.bytes_in_memory), (3, 1, 0));
}

#[tokio::test]
async fn an_intercepted_request_reaches_no_handler_and_its_body_no_memory() {
    let handled = Arc::new(AtomicU64::new(0));
    let builder = Receiver::builder().with_inline_handler({
        let handled = Arc::clone(&handled);
        move |export| {
            handled.fetch_add(export.spans, SeqCst);
            Answer::Accept
        }
    });
    let receiver = builder.with_interceptor(|headers: &Headers| match headers.get("case") {
        None => Err(refuse(401, 16, None)),
        Some(b"busy") => Err(refuse(503, 14, Some(Duration::from_secs(2)))),
        Some(b"panic") => panic!("of an interceptor"),
        Some(_) => Ok(()),
    });
    let receiver = receiver.start().unwrap();
    let body = request(5000, "a name").1;
    let mut client = Http1::connect(&receiver).await;
    let answer = client.post(body.clone()).await;
    assert_eq!(
        (answer.status.as_u16(), &answer.headers["www-authenticate"]),
        (401, &"Bearer".parse().unwrap())
    );
    let answer = client.send(post(body.clone()).header("case", "busy").body_of()).await;
    assert_eq!(
        (answer.status.as_u16(), &answer.headers["retry-after"]),
        (503, &"2".parse().unwrap())
    );
    let answer = client.send(post(body.clone()).header("case", "panic").body_of()).await;
    assert_eq!(answer.status, 500);
    assert_eq!(handled.load(SeqCst), 0);
    let answer = client.send(post(body.clone()).header("case", "").body_of()).await;
    assert_eq!((answer.status.as_u16(), handled.load(SeqCst)), (200, 5000));

    let mut client = Http2::connect(&receiver).await;
    let answer = client.export(&body).await;
    assert_eq!(answer.grpc("grpc-status"), Some("16"));
    let answer = client.send(grpc(framed(0, &body)).header("case", "busy").body_of()).await;
    assert_eq!(answer.grpc("grpc-status"), Some("14"));
    let answer = client.send(grpc(framed(0, &body)).header("case", "").body_of()).await;
    assert_eq!((answer.grpc("grpc-status"), handled.load(SeqCst)), (Some("0"), 10_000));
    let stats = receiver.stats();
    assert_eq!((stats.requests, stats.rejected_requests, stats.bytes_in_memory), (7, 5, 0));
}

/// A client that tries again as it was asked to is no flood.
#[tokio::test]
async fn a_client_that_is_refused_with_a_delay_stays_connected() {
    let receiver = Receiver::builder()
        .with_interceptor(|_| Err(refuse(503, 14, Some(Duration::from_secs(1)))))
        .start()
        .unwrap();
    let body = request(10, "a").1;
    let mut client = Http1::connect(&receiver).await;
    for _ in 0..1000 {
        assert_eq!(client.post(body.clone()).await.status, 503);
    }
    assert_eq!((receiver.stats().flood_connections, receiver.stats().connections), (0, 1));
}
