//! One connection: its HTTP version, its deadlines and its end.

use std::error::Error;
use std::future::{pending, poll_fn};
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::task::Context;
use std::time::Duration;

use http::HeaderValue;
use http::header::CONNECTION;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::select;
use tokio::sync::watch::Receiver as Signal;
use tokio::time::{Instant, sleep, sleep_until, timeout, timeout_at};

use crate::age::Age;
use crate::budget::Charge;
use crate::limits::{FOREVER, Limits, READ_BUFFER};
use crate::service::Server;
use crate::socket::{self, Socket, Stream};
use crate::stream::Metered;
use crate::watch::Watch;

/// Serves `socket` until it ends, is evicted or overdue, or `stop` has a time.
pub(crate) async fn serve(server: Arc<Server>, socket: Socket, age: Age, mut stop: Stop) {
    // Responses are small; waiting to fill a segment would only delay them.
    socket::set_nodelay(&socket);
    let limits = &server.limits;
    let charge = Charge::connection(&server.budget);
    let opened = select! {
        opened = timeout(limits.header_timeout.min(FOREVER), open(&server, socket, &charge)) => opened,
        () = charge.evicted() => {
            server.counters.evicted_connections.fetch_add(1, Relaxed);
            return;
        }
        () = stopped(&mut stop) => return,
    };
    let (version, stream) = match opened {
        Ok(Ok(opened)) => opened,
        #[cfg(feature = "tls")]
        Ok(Err(Unopened::NoMemory)) => {
            server.counters.refused_connections.fetch_add(1, Relaxed);
            return;
        }
        Ok(Err(Unopened::Failed)) | Err(_) => {
            if server.is_tls() {
                server.counters.failed_handshakes.fetch_add(1, Relaxed);
            }
            return;
        }
    };
    let watch = Watch::new(version == Version::Http1, charge);
    let service = service_fn({
        let (server, watch, stop) = (Arc::clone(&server), Arc::clone(&watch), stop.clone());
        move |request| {
            let (server, busy) = (Arc::clone(&server), watch.begin());
            // No request is served after the stop, nor any that a flood left in the buffers.
            let is_closed = watch.is_flooded() || stop.borrow().is_some();
            async move {
                if is_closed {
                    return Err(Closed);
                }
                let mut response = server.serve(request, busy.watch()).await;
                // Not before: a request that an HTTP/1 client sends while the connection is closed may be lost.
                if version == Version::Http1 && age.is_old() {
                    response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
                    busy.watch().end_by_age();
                }
                drop(busy);
                Ok(response)
            }
        }
    });
    let max_header = limits.header_bytes as usize;
    let end = match version {
        Version::Http1 => {
            let io = Metered::http1(stream, Arc::clone(&watch), 2 * max_header + MAX_IDLE);
            let connection = http1(limits).serve_connection(TokioIo::new(io), service);
            let end = Ends { age: Age::NONE, stop };
            drive(connection, http1::Connection::graceful_shutdown, &watch, limits, end).await
        }
        Version::Http2 => {
            let frame = limits.frame_bytes;
            let is_wide = watch.charge().try_grow_buffer(2 * frame as usize);
            let frame = if is_wide { frame } else { MIN_FRAME };
            let max_block = 4 * max_header + MIN_FRAME as usize;
            let io = Metered::http2(stream, Arc::clone(&watch), frame as usize, max_block);
            let http2 = if is_wide {
                http2(limits, frame, limits.concurrent_streams, MAX_WINDOW)
            } else {
                http2(limits, frame, limits.concurrent_streams.min(NARROW_STREAMS), NARROW_WINDOW)
            };
            let connection = http2.serve_connection(TokioIo::new(io), service);
            let end = Ends { age, stop };
            drive(connection, http2::Connection::graceful_shutdown, &watch, limits, end).await
        }
    };
    let counters = &server.counters;
    let counter = match end {
        _ if watch.is_flooded() => &counters.flood_connections,
        End::Evicted => &counters.evicted_connections,
        End::Broken => &counters.broken_connections,
        End::Regular if watch.has_ended_by_age() => &counters.aged_connections,
        End::Regular => return,
    };
    counter.fetch_add(1, Relaxed);
}

/// Why a connection serves no request.
#[derive(Debug)]
enum Unopened {
    /// The memory has no space for a TLS session.
    #[cfg(feature = "tls")]
    NoMemory,
    /// The client closed, or sent something else than a TLS handshake.
    Failed,
}

impl From<io::Error> for Unopened {
    fn from(_: io::Error) -> Self {
        Self::Failed
    }
}

/// Makes the TLS session, if there is one, and determines the version.
async fn open(
    server: &Server,
    socket: Socket,
    charge: &Charge,
) -> Result<(Version, Stream), Unopened> {
    #[cfg(feature = "tls")]
    if let Some(tls) = server.tls() {
        // A client that sends nothing gets no session, which would hold memory.
        if socket::peek(&socket, &mut [0]).await? == 0 {
            return Err(Unopened::Failed);
        }
        let handshake = tls.handshake_bytes();
        if !charge.grow_session(handshake).await {
            return Err(Unopened::NoMemory);
        }
        let stream = tls.accept(socket).await?;
        charge.shrink_session_by(handshake.saturating_sub(crate::tls::session_bytes(&stream)));
        // RFC 9113, 3.2: HTTP/2 over TLS is negotiated.
        let is_http2 = crate::tls::is_http2(&stream);
        let version = if is_http2 { Version::Http2 } else { Version::Http1 };
        return Ok((version, Stream::Right(Box::new(stream))));
    }
    let _ = (server, charge);
    let version = Version::of(&socket).await?;
    #[cfg(feature = "tls")]
    let socket = Stream::Left(socket);
    Ok((version, socket))
}

/// Error of a request without a response, because its connection is being closed.
#[derive(Debug, thiserror::Error)]
#[error("the connection is being closed")]
struct Closed;

/// How a connection ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Regular,
    Evicted,
    /// By a protocol error.
    Broken,
}

impl End {
    fn of(ended: hyper::Result<()>) -> Self {
        let Err(error) = ended else { return Self::Regular };
        if error.is_incomplete_message() || error.is_user() {
            return Self::Regular;
        }
        // A client that closes in the middle of a request is a regular end.
        let mut cause: Option<&dyn Error> = Some(&error);
        while let Some(error) = cause {
            if error.is::<io::Error>() {
                return Self::Regular;
            }
            cause = error.source();
        }
        Self::Broken
    }
}

/// The time that open requests have, once the receiver stops.
pub(crate) type Stop = Signal<Option<Duration>>;

/// Completes when the receiver stops or is dropped.
pub(crate) async fn stopped(stop: &mut Stop) {
    _ = stop.wait_for(Option::is_some).await;
}

/// The ends of a connection that do not depend on its client.
struct Ends {
    age: Age,
    stop: Stop,
}

async fn drive<C: Future<Output = hyper::Result<()>>>(
    connection: C,
    close: impl Fn(Pin<&mut C>),
    watch: &Watch,
    limits: &Limits,
    Ends { age, mut stop }: Ends,
) -> End {
    let mut connection = pin!(connection);
    let poll = |connection: &mut Pin<&mut C>, cx: &mut Context<'_>| {
        watch.begin_turn();
        connection.as_mut().poll(cx)
    };
    let deadline = || watch.deadline(limits.header_timeout, limits.idle_timeout);
    // No deadline that starts after now can be earlier than this.
    let shortest = limits.header_timeout.min(limits.idle_timeout).clamp(MIN_CHECK, FOREVER);
    let mut timer = pin!(sleep_until(Instant::now() + shortest));
    let mut old = pin!(age.reached());
    let mut closed_at = None;
    loop {
        select! {
            biased;
            () = watch.charge().evicted() => return End::Evicted,
            // Before the connection, which may use up the turn of its task each time.
            () = stopped(&mut stop) => break,
            () = grace(closed_at) => return End::Regular,
            () = old.as_mut(), if closed_at.is_none() => {
                close(connection.as_mut());
                watch.end_by_age();
                closed_at = Some(Instant::now());
            }
            ended = poll_fn(|cx| poll(&mut connection, cx)) => return End::of(ended),
            () = timer.as_mut() => {
                let now = Instant::now();
                match deadline() {
                    Some(due) if due <= now => break,
                    // Headers that start meanwhile may be due before the idle timeout.
                    due => {
                        let check = now + shortest;
                        timer.as_mut().reset(due.map_or(check, |due| due.min(check)));
                    }
                }
            }
        }
    }
    close(connection.as_mut());
    let now = Instant::now();
    let of_stop = stop.borrow().unwrap_or(CLOSE_TIMEOUT);
    let closed =
        timeout_at(now + CLOSE_TIMEOUT.min(of_stop), poll_fn(|cx| poll(&mut connection, cx))).await;
    if closed.is_err() && watch.is_busy() {
        let timeout = stop.borrow().unwrap_or(limits.shutdown_timeout).min(FOREVER);
        _ = timeout_at(now + timeout, poll_fn(|cx| poll(&mut connection, cx))).await;
    }
    End::Regular
}

/// Completes once the open requests of a connection that was closed because of its age have had their time.
async fn grace(closed_at: Option<Instant>) {
    match closed_at {
        Some(at) => sleep_until(at + AGE_GRACE).await,
        None => pending().await,
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Version {
    Http1,
    Http2,
}

impl Version {
    /// Peeks at the first bytes of the connection.
    async fn of(socket: &Socket) -> io::Result<Self> {
        let mut seen = [0; PREFACE.len()];
        loop {
            let len = socket::peek(socket, &mut seen).await?;
            if len == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            if seen[..len] != PREFACE[..len] {
                return Ok(Self::Http1);
            }
            if len == PREFACE.len() {
                return Ok(Self::Http2);
            }
            // The socket stays readable with the known bytes, so only a timer can find more.
            sleep(PEEK_PAUSE).await;
        }
    }
}

fn http1(limits: &Limits) -> http1::Builder {
    let mut builder = http1::Builder::new();
    builder
        .header_read_timeout(None)
        .max_header_size(limits.header_bytes as usize)
        .max_buf_size(READ_BUFFER);
    builder
}

fn http2(
    limits: &Limits,
    frame_bytes: u32,
    streams: u32,
    max_window: u32,
) -> http2::Builder<TokioExecutor> {
    let mut builder = http2::Builder::new(TokioExecutor::new());
    builder
        .timer(TokioTimer::new())
        .initial_stream_window_size(limits.stream_window.min(max_window))
        .initial_connection_window_size(limits.connection_window.min(max_window))
        .max_frame_size(frame_bytes)
        .max_concurrent_streams(streams)
        .max_header_list_size(limits.header_bytes)
        .max_pending_accept_reset_streams(PENDING_RESETS)
        .max_local_error_reset_streams(LOCAL_ERROR_RESETS)
        .keep_alive_interval(limits.ping_interval.min(FOREVER))
        .keep_alive_timeout(limits.ping_timeout.min(FOREVER));
    builder
}

const PREFACE: [u8; 4] = *b"PRI ";
const PEEK_PAUSE: Duration = Duration::from_millis(10);
/// Time for the open requests of a connection that ends because of its age.
const AGE_GRACE: Duration = Duration::from_secs(30);
/// Time for a connection without requests to close.
const CLOSE_TIMEOUT: Duration = Duration::from_millis(100);
/// Minimum time between two checks of the deadlines, whatever the limits are.
const MIN_CHECK: Duration = Duration::from_millis(1);
/// Bytes that clients may send between HTTP/1 requests beside headers.
const MAX_IDLE: usize = 64 << 10;
/// Windows and requests of a connection without memory for large frames.
const NARROW_WINDOW: u32 = 256 << 10;
const NARROW_STREAMS: u32 = 8;
// RFC 9113, sections 4.2 and 6.9.1.
const MAX_WINDOW: u32 = (1 << 31) - 1;
const MIN_FRAME: u32 = 1 << 14;
/// Rapid reset (CVE-2023-44487): hyper closes the connection beyond these numbers.
const PENDING_RESETS: usize = 20;
const LOCAL_ERROR_RESETS: usize = 1024;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::budget::Budget;
    use std::cell::Cell;

    #[tokio::test(start_paused = true)]
    async fn the_open_requests_of_an_old_connection_have_half_a_minute() {
        let watch = Watch::new(false, Charge::connection(&Budget::new(0)));
        let _busy = watch.begin();
        let (start, closed) = (Instant::now(), Cell::new(0));
        let (_running, stop) = tokio::sync::watch::channel(None);
        let ends = Ends { age: Age::starting(Duration::from_secs(100), 0), stop };
        let close = |_: Pin<&mut _>| closed.set(closed.get() + 1);
        let limits = Limits::default();
        let end = drive(pending::<hyper::Result<()>>(), close, &watch, &limits, ends).await;
        assert_eq!((end, closed.get()), (End::Regular, 1));
        assert!(watch.has_ended_by_age());
        assert_eq!(start.elapsed().as_secs(), 130);
    }
}
