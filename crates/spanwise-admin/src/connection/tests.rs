//! Slow clients, in virtual time.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on must fail")]
use super::*;
use spanwise_sdk::Spanwise;
use tokio::io::DuplexStream;
use tokio::task::JoinHandle;
use tokio::time::sleep;

/// A served connection whose buffers hold `bytes`.
fn served(bytes: usize) -> (DuplexStream, JoinHandle<()>) {
    let spanwise = Spanwise::builder().with_environment(|_| None).build().unwrap();
    let router = Arc::new(Router::new(spanwise.live_view(), crate::routes::all(false), Vec::new()));
    let (client, server) = tokio::io::duplex(bytes);
    let task = tokio::spawn(async move {
        let _alive = spanwise;
        serve(server, router).await;
    });
    (client, task)
}

async fn rest(mut client: DuplexStream) -> String {
    let mut answer = String::new();
    client.read_to_string(&mut answer).await.unwrap();
    answer
}

#[tokio::test(start_paused = true)]
async fn a_head_that_comes_byte_by_byte_is_refused_at_one_deadline() {
    let (mut client, task) = served(64 << 10);
    let began = Instant::now();
    for byte in b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nX-Slow: abcdefghijklmnop" {
        if client.write_all(&[*byte]).await.is_err() {
            break;
        }
        sleep(Duration::from_millis(200)).await;
        if task.is_finished() {
            break;
        }
    }
    let answer = rest(client).await;
    assert!(answer.starts_with("HTTP/1.1 408 Request Timeout\r\n"), "{answer}");
    task.await.unwrap();
    assert!(began.elapsed() < HEAD + DRAIN + Duration::from_secs(1), "{:?}", began.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_connection_without_a_request_is_closed_without_an_answer() {
    let (client, task) = served(1 << 10);
    let began = Instant::now();
    assert_eq!(rest(client).await, "");
    task.await.unwrap();
    assert_eq!(began.elapsed(), IDLE);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_does_not_read_its_response_is_disconnected() {
    let (mut client, task) = served(512);
    let began = Instant::now();
    client.write_all(b"GET /debug/spanwise HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
    task.await.unwrap();
    assert_eq!(began.elapsed(), WRITE);
    drop(client);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_sends_without_end_is_disconnected_after_its_refusal() {
    let (mut client, task) = served(64 << 10);
    let began = Instant::now();
    client.write_all(b"POST / HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
    while client.write_all(&[b'x'; 1024]).await.is_ok() {
        sleep(Duration::from_millis(20)).await;
    }
    task.await.unwrap();
    assert!(began.elapsed() <= DRAIN + Duration::from_millis(40), "{:?}", began.elapsed());
}
