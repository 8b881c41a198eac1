//! One connection: which HTTP it speaks, and how long it may.

use std::convert::Infallible;
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::net::TcpStream;
use tokio::select;
use tokio::sync::watch::Receiver as Signal;
use tokio::time::{Instant, sleep, sleep_until, timeout, timeout_at};

use crate::body::FOREVER;
use crate::limits::Limits;
use crate::service::Server;
use crate::watch::{Watch, Watched};

/// Serves `stream` until it ends, is only in the way, or `stop` comes.
pub(crate) async fn serve(server: Arc<Server>, stream: TcpStream, mut stop: Signal<bool>) {
    // Answers are small and final; waiting to fill a segment would only delay them.
    _ = stream.set_nodelay(true);
    let limits = &server.limits;
    let version = select! {
        version = timeout(limits.header_timeout, Version::of(&stream)) => version,
        () = stopped(&mut stop) => return,
    };
    let Ok(Ok(version)) = version else { return };
    let watch = Watch::new(version == Version::Http1);
    let io = TokioIo::new(Watched::new(stream, Arc::clone(&watch)));
    let service = service_fn(|request| {
        let server = Arc::clone(&server);
        let busy = watch.begin();
        async move {
            let response = server.serve(request).await;
            drop(busy);
            Ok::<_, Infallible>(response)
        }
    });
    match version {
        Version::Http1 => {
            let connection = http1(limits).serve_connection(io, service);
            drive(connection, http1::Connection::graceful_shutdown, &watch, limits, stop).await;
        }
        Version::Http2 => {
            let connection = http2(limits).serve_connection(io, service);
            drive(connection, http2::Connection::graceful_shutdown, &watch, limits, stop).await;
        }
    }
}

/// Completes when the receiver is to stop, or is gone.
pub(crate) async fn stopped(stop: &mut Signal<bool>) {
    _ = stop.wait_for(|&stop| stop).await;
}

async fn drive<C: Future>(
    connection: C,
    close: impl Fn(Pin<&mut C>),
    watch: &Watch,
    limits: &Limits,
    mut stop: Signal<bool>,
) {
    let mut connection = pin!(connection);
    let deadline = || watch.deadline(limits.header_timeout, limits.idle_timeout);
    // No deadline that starts later than now can come sooner than this.
    let shortest = limits.header_timeout.min(limits.idle_timeout).clamp(LEAST_LOOK, FOREVER);
    let mut alarm = pin!(sleep_until(Instant::now() + shortest));
    loop {
        select! {
            biased;
            _ = connection.as_mut() => return,
            () = alarm.as_mut() => {
                let now = Instant::now();
                match deadline() {
                    Some(due) if due <= now => break,
                    // A head that starts meanwhile may be due before the rest is over.
                    due => {
                        let look = now + shortest;
                        alarm.as_mut().reset(due.map_or(look, |due| due.min(look)));
                    }
                }
            }
            () = stopped(&mut stop) => break,
        }
    }
    close(connection.as_mut());
    let now = Instant::now();
    let parted = timeout_at(now + FAREWELL, connection.as_mut()).await;
    if parted.is_err() && watch.is_busy() {
        let grace = limits.shutdown_grace.min(FOREVER);
        _ = timeout_at(now + grace, connection).await;
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Version {
    Http1,
    Http2,
}

impl Version {
    /// Looks at the first bytes and leaves them where they are.
    async fn of(stream: &TcpStream) -> io::Result<Self> {
        let mut seen = [0; PREFACE.len()];
        loop {
            let len = stream.peek(&mut seen).await?;
            if len == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            if seen[..len] != PREFACE[..len] {
                return Ok(Self::Http1);
            }
            if len == PREFACE.len() {
                return Ok(Self::Http2);
            }
            // The socket stays readable with the bytes we know: only time tells of more.
            sleep(PEEK_PAUSE).await;
        }
    }
}

fn http1(limits: &Limits) -> http1::Builder {
    let mut builder = http1::Builder::new();
    builder
        .header_read_timeout(None)
        .max_header_size(header_bytes(limits) as usize)
        .max_buf_size(READ_BUFFER);
    builder
}

fn http2(limits: &Limits) -> http2::Builder<TokioExecutor> {
    let mut builder = http2::Builder::new(TokioExecutor::new());
    builder
        .timer(TokioTimer::new())
        .initial_stream_window_size(limits.stream_window.clamp(1, MAX_WINDOW))
        .initial_connection_window_size(limits.connection_window.clamp(MIN_WINDOW, MAX_WINDOW))
        .max_frame_size(limits.frame_bytes.clamp(MIN_FRAME, MAX_FRAME))
        .max_concurrent_streams(limits.concurrent_streams.max(1))
        .max_header_list_size(header_bytes(limits))
        .max_pending_accept_reset_streams(PENDING_RESETS)
        .max_local_error_reset_streams(LOCAL_ERROR_RESETS)
        .keep_alive_interval(limits.ping_interval.clamp(LEAST_LOOK, FOREVER))
        .keep_alive_timeout(limits.ping_timeout.min(FOREVER));
    builder
}

fn header_bytes(limits: &Limits) -> u32 {
    limits.header_bytes.clamp(1 << 10, 1 << 20)
}

const PREFACE: [u8; 4] = *b"PRI ";
const PEEK_PAUSE: Duration = Duration::from_millis(10);
/// What a connection without requests gets to take its leave.
const FAREWELL: Duration = Duration::from_millis(100);
/// No timer of ours spins, whatever the limits say.
const LEAST_LOOK: Duration = Duration::from_millis(1);
/// hyper grows its reads up to this: 8 KiB slices would make a large body hundreds of frames.
const READ_BUFFER: usize = 512 << 10;
// RFC 9113, sections 6.5.2 and 6.9.2.
const MIN_WINDOW: u32 = (1 << 16) - 1;
const MAX_WINDOW: u32 = (1 << 31) - 1;
const MIN_FRAME: u32 = 1 << 14;
const MAX_FRAME: u32 = (1 << 24) - 1;
/// Rapid reset (CVE-2023-44487): more than these and the connection is closed.
const PENDING_RESETS: usize = 20;
const LOCAL_ERROR_RESETS: usize = 1024;
