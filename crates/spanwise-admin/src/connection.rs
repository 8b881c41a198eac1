//! A connection: reads requests one after the other, and writes a response to each, under deadlines.

use crate::request::Request;
use crate::response::{Response, Status};
use crate::router::Router;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::time::{Instant, timeout, timeout_at};

/// Serves requests until the client closes the connection, breaks a rule or is too slow.
pub(crate) async fn serve<S, T>(mut stream: S, router: Arc<Router<T>>)
where
    S: AsyncRead + AsyncWrite + Unpin,
    T: Send + Sync + 'static,
{
    let mut buffer = Vec::with_capacity(1024);
    for served in 1..=MAX_REQUESTS {
        let (response, is_head, keeps_alive) = match head(&mut stream, &mut buffer).await {
            Head::Complete(end) => {
                let parsed = Request::parse(buffer.get(..end).unwrap_or_default());
                buffer.drain(..(end + END.len()).min(buffer.len()));
                match parsed {
                    Ok(request) => {
                        let keeps_alive = request.keeps_alive && served < MAX_REQUESTS;
                        let is_head = request.is_head;
                        let response = match router.route(&request) {
                            Ok(route) => router.clone().answer(route, request).await,
                            Err(response) => response,
                        };
                        (response, is_head, keeps_alive)
                    }
                    // The bytes after such a head may be a body.
                    Err(error) => (Response::of_refusal(error), false, false),
                }
            }
            Head::TooLarge => {
                let line = "the request's headers are larger than 8 KiB";
                (Response::text(Status::HeadersTooLarge, line), false, false)
            }
            Head::TooSlow => {
                (Response::text(Status::RequestTimeout, "the request took too long"), false, false)
            }
            Head::Closed => return,
        };
        let bytes = response.encode(is_head, keeps_alive);
        if !matches!(timeout(WRITE, stream.write_all(&bytes)).await, Ok(Ok(()))) {
            return;
        }
        if !keeps_alive {
            return close(stream).await;
        }
    }
}

/// The end of the attempt to read a head.
enum Head {
    /// The length of the head without the empty line.
    Complete(usize),
    TooLarge,
    TooSlow,
    /// The client closed the connection, or sent nothing in time.
    Closed,
}

/// Reads until `buffer` has a whole head.
async fn head<S: AsyncRead + Unpin>(stream: &mut S, buffer: &mut Vec<u8>) -> Head {
    // One deadline for the head: a client that sends a byte now and then does not extend it.
    let mut until = Instant::now() + if buffer.is_empty() { IDLE } else { HEAD };
    let mut searched = 0_usize;
    loop {
        let from = searched.saturating_sub(END.len());
        let rest = buffer.get(from..).unwrap_or_default();
        if let Some(at) = rest.windows(END.len()).position(|window| window == END) {
            return match from + at {
                end if end > MAX_HEAD_BYTES => Head::TooLarge,
                end => Head::Complete(end),
            };
        }
        searched = buffer.len();
        if searched > MAX_HEAD_BYTES {
            return Head::TooLarge;
        }
        let was_empty = buffer.is_empty();
        let mut part = [0; 2048];
        match timeout_at(until, stream.read(&mut part)).await {
            Ok(Ok(0) | Err(_)) => return Head::Closed,
            Ok(Ok(bytes)) => buffer.extend_from_slice(part.get(..bytes).unwrap_or_default()),
            Err(_) if buffer.is_empty() => return Head::Closed,
            Err(_) => return Head::TooSlow,
        }
        if was_empty {
            until = Instant::now() + HEAD;
        }
    }
}

/// Closes the connection. With unread bytes the system would reset it, and the client could lose the response: so this reads what
/// still comes, for a bounded time.
async fn close<S: AsyncRead + AsyncWrite + Unpin>(mut stream: S) {
    if stream.shutdown().await.is_err() {
        return;
    }
    let drain = async {
        let mut part = [0; 2048];
        for _ in 0..MAX_DRAIN_READS {
            if !matches!(stream.read(&mut part).await, Ok(1..)) {
                return;
            }
        }
    };
    let _closed_by_client = timeout(DRAIN, drain).await;
}

const END: &[u8] = b"\r\n\r\n";
/// The largest head: that of a browser has about 1 KiB.
const MAX_HEAD_BYTES: usize = 8 << 10;
/// Requests of one connection.
const MAX_REQUESTS: u32 = 1000;
/// From the first byte of a head to its end.
const HEAD: Duration = Duration::from_secs(3);
/// Without a byte of the next request: a page asks every second.
const IDLE: Duration = Duration::from_secs(5);
/// For a whole response.
const WRITE: Duration = Duration::from_secs(10);
const DRAIN: Duration = Duration::from_millis(500);
const MAX_DRAIN_READS: u32 = 64;

#[cfg(test)]
mod tests;
