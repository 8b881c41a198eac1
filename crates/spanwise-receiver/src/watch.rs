//! The activity of a connection: its deadline, and the detection of floods.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use tokio::time::Instant;

use crate::budget::Charge;
use crate::limits::FOREVER;

/// The activity of a connection, with a token bucket against floods.
///
/// Frames and requests cost tokens; exports and time refill them. A client without tokens is a flood.
/// Keep-alives, window updates and bandwidth probes cost far less than the refill.
///
/// The header timeout of hyper also runs while a connection is idle between requests, and would close
/// it there; this one starts with the first byte of the headers.
#[derive(Debug)]
pub(crate) struct Watch {
    created: Instant,
    is_http1: bool,
    charge: Charge,
    requests: AtomicUsize,
    /// Milliseconds from `created` to the end of the last request.
    idle_since: AtomicU64,
    /// Milliseconds from `created` to the first byte of the headers, or [`NEVER`].
    headers_since: AtomicU64,
    /// Bytes between requests that are no headers of a request yet.
    idle_bytes: AtomicUsize,
    tokens: AtomicI64,
    /// Small pieces of HTTP/1 bodies that have not cost a token yet.
    pieces: AtomicUsize,
    /// Milliseconds from `created` to when `tokens` last grew with time.
    refilled: AtomicU64,
    flooded: AtomicBool,
    ended_by_age: AtomicBool,
    turns: AtomicU64,
}

impl Watch {
    /// A watch that starts now. In HTTP/1, bytes between requests are headers of the next request;
    /// in HTTP/2 they may be pings too.
    pub fn new(is_http1: bool, charge: Charge) -> Arc<Self> {
        Arc::new(Self {
            created: Instant::now(),
            is_http1,
            charge,
            requests: AtomicUsize::new(0),
            idle_since: AtomicU64::new(0),
            headers_since: AtomicU64::new(NEVER),
            idle_bytes: AtomicUsize::new(0),
            tokens: AtomicI64::new(TOKENS),
            pieces: AtomicUsize::new(0),
            refilled: AtomicU64::new(0),
            flooded: AtomicBool::new(false),
            ended_by_age: AtomicBool::new(false),
            turns: AtomicU64::new(0),
        })
    }

    /// The charge of the connection without its requests.
    pub fn charge(&self) -> &Charge {
        &self.charge
    }

    /// Counts an open request until the result is dropped.
    pub fn begin(self: &Arc<Self>) -> Busy {
        self.requests.fetch_add(1, Relaxed);
        self.headers_since.store(NEVER, Relaxed);
        self.idle_bytes.store(0, Relaxed);
        if self.is_http1 {
            // The frames of an HTTP/2 request have cost tokens already.
            self.spend(1);
        }
        Busy(Arc::clone(self))
    }

    /// Number of open requests.
    pub fn requests(&self) -> usize {
        self.requests.load(Relaxed)
    }

    /// Whether a request is open.
    pub fn is_busy(&self) -> bool {
        self.requests() > 0
    }

    /// Removes `cost` tokens, or adds tokens if it is negative.
    pub fn spend(&self, cost: i64) {
        let now = self.now();
        let elapsed = now.saturating_sub(self.refilled.load(Relaxed));
        let refill = i64::try_from(elapsed).unwrap_or(i64::MAX) / MS_PER_TOKEN;
        if refill > 0 {
            self.refilled.store(now, Relaxed);
        }
        // The connection and its requests run on one thread, so that no update is lost in between.
        let tokens = self.tokens.load(Relaxed).saturating_add(refill).min(MAX_TOKENS);
        let tokens = tokens.saturating_sub(cost).min(MAX_TOKENS);
        self.tokens.store(tokens, Relaxed);
        if tokens < 0 {
            self.flooded.store(true, Relaxed);
        }
    }

    /// Counts a piece of a body of `bytes` bytes. In HTTP/1, several small pieces cost a token;
    /// in HTTP/2, their frames do.
    pub fn piece(&self, bytes: usize) {
        if !self.is_http1 || bytes >= SMALL_PIECE {
            return;
        }
        let pieces = self.pieces.load(Relaxed) + 1;
        self.pieces.store(pieces % PIECES_PER_TOKEN, Relaxed);
        if pieces == PIECES_PER_TOKEN {
            self.spend(1);
        }
    }

    /// Counts a poll of the task of this connection.
    pub fn begin_turn(&self) {
        self.turns.fetch_add(1, Relaxed);
    }

    /// Number of polls.
    pub fn turns(&self) -> u64 {
        self.turns.load(Relaxed)
    }

    /// Marks the connection as flooded.
    pub fn flood(&self) {
        self.flooded.store(true, Relaxed);
    }

    /// Notes that the connection ends because of its age.
    pub fn end_by_age(&self) {
        self.ended_by_age.store(true, Relaxed);
    }

    /// Whether the connection ends, or has ended, because of its age.
    pub fn has_ended_by_age(&self) -> bool {
        self.ended_by_age.load(Relaxed)
    }

    /// Whether the connection must be closed because of a flood.
    pub fn is_flooded(&self) -> bool {
        self.flooded.load(Relaxed)
    }

    /// The time when the connection is overdue without further bytes; `None` during a request.
    pub fn deadline(&self, header_timeout: Duration, idle_timeout: Duration) -> Option<Instant> {
        if self.is_busy() {
            return None;
        }
        let (since, allowed) = match self.headers_since.load(Relaxed) {
            NEVER => (self.idle_since.load(Relaxed), idle_timeout),
            since => (since, header_timeout),
        };
        Some(self.created + Duration::from_millis(since) + allowed.min(FOREVER))
    }

    /// Counts received bytes; more than `max` of them between requests are a flood.
    pub fn receive(&self, bytes: usize, max: usize) {
        if !self.is_http1 || self.is_busy() {
            return;
        }
        if self.headers_since.load(Relaxed) == NEVER {
            self.headers_since.store(self.now(), Relaxed);
        }
        let before = self.idle_bytes.fetch_add(bytes, Relaxed);
        if before.saturating_add(bytes) > max {
            self.flood();
        }
    }

    fn now(&self) -> u64 {
        // It overflows after half a billion years.
        self.created.elapsed().as_millis() as u64
    }
}

/// An open request.
#[derive(Debug)]
pub(crate) struct Busy(Arc<Watch>);

impl Busy {
    pub fn watch(&self) -> &Watch {
        &self.0
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.idle_since.store(self.0.now(), Relaxed);
        self.0.requests.fetch_sub(1, Relaxed);
    }
}

const NEVER: u64 = u64::MAX;
/// Tokens of a new connection.
const TOKENS: i64 = 400;
/// Maximum of tokens of a connection.
const MAX_TOKENS: i64 = 2000;
/// 50 tokens a second.
const MS_PER_TOKEN: i64 = 20;
/// A smaller chunk costs a part of a token: a connection may begin with 6,400 of them, and send 800
/// per second.
const SMALL_PIECE: usize = 64;
const PIECES_PER_TOKEN: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::budget::Budget;
    use tokio::time::advance;

    const HEADER: Duration = Duration::from_secs(10);
    const IDLE: Duration = Duration::from_secs(60);

    #[tokio::test(start_paused = true)]
    async fn the_header_timeout_starts_with_the_first_byte_and_the_idle_timeout_with_the_last_response()
     {
        let watch = Watch::new(true, Charge::connection(&Budget::new(0)));
        let start = Instant::now();
        let due = |watch: &Watch| watch.deadline(HEADER, IDLE).map(|due| due - start);
        let seconds = |s| Some(Duration::from_secs(s));
        assert_eq!(due(&watch), seconds(60));
        advance(Duration::from_secs(5)).await;
        watch.receive(1, 100);
        advance(Duration::from_secs(5)).await;
        watch.receive(1, 100);
        assert_eq!(due(&watch), seconds(15));
        let one = watch.begin();
        let two = watch.begin();
        watch.receive(1, 100);
        assert_eq!(due(&watch), None);
        advance(Duration::from_secs(100)).await;
        drop(one);
        assert_eq!(due(&watch), None);
        drop(two);
        assert_eq!(due(&watch), seconds(110 + 60));
    }

    #[tokio::test(start_paused = true)]
    async fn in_http2_bytes_do_not_start_the_header_timeout() {
        let watch = Watch::new(false, Charge::connection(&Budget::new(0)));
        advance(Duration::from_secs(5)).await;
        watch.receive(1, 100);
        assert_eq!(watch.deadline(HEADER, IDLE), Some(watch.created + IDLE));
        assert!(watch.deadline(HEADER, Duration::MAX).is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn a_flood_uses_up_its_tokens_and_keep_alives_do_not() {
        let watch = || Watch::new(false, Charge::connection(&Budget::new(0)));
        let flood = watch();
        let spent = (0..).take_while(|_| {
            flood.spend(1);
            !flood.is_flooded()
        });
        assert_eq!(spent.count(), TOKENS as usize);
        // Ten pings and ten window updates a second, for an hour.
        let steady = watch();
        for _ in 0..36_000 {
            steady.spend(2);
            advance(Duration::from_millis(100)).await;
        }
        assert!(!steady.is_flooded());
        // Requests with refunds may be fast.
        let busy = watch();
        for _ in 0..10_000 {
            busy.spend(8);
            busy.spend(-8);
        }
        assert!(!busy.is_flooded());
    }

    #[tokio::test(start_paused = true)]
    async fn only_small_pieces_of_http1_bodies_cost_tokens() {
        for (is_http1, bytes, ends) in [(true, 63, true), (true, 64, false), (false, 1, false)] {
            let watch = Watch::new(is_http1, Charge::connection(&Budget::new(0)));
            for _ in 0..400 * 16 {
                watch.piece(bytes);
            }
            assert!(!watch.is_flooded());
            for _ in 0..16 {
                watch.piece(bytes);
            }
            assert_eq!(watch.is_flooded(), ends, "{is_http1} {bytes}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn bytes_between_requests_beyond_the_maximum_are_a_flood() {
        let watch = Watch::new(true, Charge::connection(&Budget::new(0)));
        watch.receive(100, 100);
        drop(watch.begin());
        watch.receive(100, 100);
        assert!(!watch.is_flooded());
        watch.receive(1, 100);
        assert!(watch.is_flooded());
    }
}
