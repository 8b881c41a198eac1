//! What a connection has been doing, to tell when it is only in the way.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use tokio::time::Instant;

use crate::budget::Charge;
use crate::limits::FOREVER;

/// When a connection last did something useful, and how much of what it did was useless.
///
/// Frames and requests cost tokens; exports and time bring them back. A client whose tokens are
/// used up is a flood. Keep-alives, window updates and measuring pings stay far below.
///
/// hyper's own header timeout also runs while a kept connection rests between requests, and
/// would cut it there; here a head is timed from its first byte.
#[derive(Debug)]
pub(crate) struct Watch {
    born: Instant,
    heads: bool,
    charge: Charge,
    requests: AtomicUsize,
    /// Milliseconds from `born` to the end of the last request.
    resting: AtomicU64,
    /// Milliseconds from `born` to the first byte of a head, or [`NEVER`].
    head: AtomicU64,
    /// Bytes between requests that did not become one.
    idle_bytes: AtomicUsize,
    tokens: AtomicI64,
    /// Small pieces of HTTP/1 bodies that are not paid for yet.
    pieces: AtomicUsize,
    /// Milliseconds from `born` to when `tokens` last grew with time.
    refilled: AtomicU64,
    flooded: AtomicBool,
    turns: AtomicU64,
}

impl Watch {
    /// A watch that starts now. With `heads`, bytes between requests are the head of the next:
    /// so it is in HTTP/1, where HTTP/2 has pings too.
    pub fn new(heads: bool, charge: Charge) -> Arc<Self> {
        Arc::new(Self {
            born: Instant::now(),
            heads,
            charge,
            requests: AtomicUsize::new(0),
            resting: AtomicU64::new(0),
            head: AtomicU64::new(NEVER),
            idle_bytes: AtomicUsize::new(0),
            tokens: AtomicI64::new(TOKENS),
            pieces: AtomicUsize::new(0),
            refilled: AtomicU64::new(0),
            flooded: AtomicBool::new(false),
            turns: AtomicU64::new(0),
        })
    }

    /// What the connection holds, requests aside.
    pub fn charge(&self) -> &Charge {
        &self.charge
    }

    /// Marks a request as being answered until the result is dropped.
    pub fn begin(self: &Arc<Self>) -> Busy {
        self.requests.fetch_add(1, Relaxed);
        self.head.store(NEVER, Relaxed);
        self.idle_bytes.store(0, Relaxed);
        if self.heads {
            // An HTTP/2 request was paid for by its frames.
            self.spend(1);
        }
        Busy(Arc::clone(self))
    }

    /// Requests being answered.
    pub fn requests(&self) -> usize {
        self.requests.load(Relaxed)
    }

    /// Whether a request is being answered.
    pub fn is_busy(&self) -> bool {
        self.requests() > 0
    }

    /// Takes `cost` tokens, or gives some if it is negative.
    pub fn spend(&self, cost: i64) {
        let now = self.now();
        let elapsed = now.saturating_sub(self.refilled.load(Relaxed));
        let refill = i64::try_from(elapsed).unwrap_or(i64::MAX) / MS_A_TOKEN;
        if refill > 0 {
            self.refilled.store(now, Relaxed);
        }
        // The connection and its requests run on one thread; nothing is lost between these.
        let tokens = self.tokens.load(Relaxed).saturating_add(refill).min(MOST_TOKENS);
        let tokens = tokens.saturating_sub(cost).min(MOST_TOKENS);
        self.tokens.store(tokens, Relaxed);
        if tokens < 0 {
            self.flooded.store(true, Relaxed);
        }
    }

    /// Notes a piece of a body of `bytes` bytes. In HTTP/1 small ones cost tokens, many together;
    /// in HTTP/2 their frames do.
    pub fn piece(&self, bytes: usize) {
        if !self.heads || bytes >= SMALL_PIECE {
            return;
        }
        let pieces = self.pieces.load(Relaxed) + 1;
        self.pieces.store(pieces % PIECES_A_TOKEN, Relaxed);
        if pieces == PIECES_A_TOKEN {
            self.spend(1);
        }
    }

    /// The connection is being polled again, after others.
    pub fn begin_turn(&self) {
        self.turns.fetch_add(1, Relaxed);
    }

    /// How often it was.
    pub fn turns(&self) -> u64 {
        self.turns.load(Relaxed)
    }

    /// Marks the connection as one that only takes time away from others.
    pub fn flood(&self) {
        self.flooded.store(true, Relaxed);
    }

    /// Whether the connection has to be closed for what it sends.
    pub fn is_flooded(&self) -> bool {
        self.flooded.load(Relaxed)
    }

    /// When the connection will be overdue if nothing happens; `None` during a request.
    pub fn deadline(&self, header_timeout: Duration, idle_timeout: Duration) -> Option<Instant> {
        if self.is_busy() {
            return None;
        }
        let (since, allowed) = match self.head.load(Relaxed) {
            NEVER => (self.resting.load(Relaxed), idle_timeout),
            head => (head, header_timeout),
        };
        Some(self.born + Duration::from_millis(since) + allowed.min(FOREVER))
    }

    /// Notes that `bytes` came; more than `most` of them between requests are a flood.
    pub fn heard(&self, bytes: usize, most: usize) {
        if !self.heads || self.is_busy() {
            return;
        }
        if self.head.load(Relaxed) == NEVER {
            self.head.store(self.now(), Relaxed);
        }
        let before = self.idle_bytes.fetch_add(bytes, Relaxed);
        if before.saturating_add(bytes) > most {
            self.flood();
        }
    }

    fn now(&self) -> u64 {
        // Half a billion years before it wraps.
        self.born.elapsed().as_millis() as u64
    }
}

/// A request under way.
#[derive(Debug)]
pub(crate) struct Busy(Arc<Watch>);

impl Busy {
    pub fn watch(&self) -> &Watch {
        &self.0
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.resting.store(self.0.now(), Relaxed);
        self.0.requests.fetch_sub(1, Relaxed);
    }
}

const NEVER: u64 = u64::MAX;
/// What a new connection has.
const TOKENS: i64 = 400;
/// What a connection can save up.
const MOST_TOKENS: i64 = 2000;
/// 50 tokens a second.
const MS_A_TOKEN: i64 = 20;
/// A chunk of fewer bytes has to be paid for, by so many at a time: a connection may begin with
/// 6,400 of them, and have 800 a second.
const SMALL_PIECE: usize = 64;
const PIECES_A_TOKEN: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::budget::Budget;
    use tokio::time::advance;

    const HEADER: Duration = Duration::from_secs(10);
    const IDLE: Duration = Duration::from_secs(60);

    #[tokio::test(start_paused = true)]
    async fn a_head_is_timed_from_its_first_byte_and_rest_from_the_last_answer() {
        let watch = Watch::new(true, Charge::connection(&Budget::new(0)));
        let start = Instant::now();
        let due = |watch: &Watch| watch.deadline(HEADER, IDLE).map(|due| due - start);
        let seconds = |s| Some(Duration::from_secs(s));
        assert_eq!(due(&watch), seconds(60));
        advance(Duration::from_secs(5)).await;
        watch.heard(1, 100);
        advance(Duration::from_secs(5)).await;
        watch.heard(1, 100);
        assert_eq!(due(&watch), seconds(15));
        let one = watch.begin();
        let two = watch.begin();
        watch.heard(1, 100);
        assert_eq!(due(&watch), None);
        advance(Duration::from_secs(100)).await;
        drop(one);
        assert_eq!(due(&watch), None);
        drop(two);
        assert_eq!(due(&watch), seconds(110 + 60));
    }

    #[tokio::test(start_paused = true)]
    async fn without_heads_only_requests_count() {
        let watch = Watch::new(false, Charge::connection(&Budget::new(0)));
        advance(Duration::from_secs(5)).await;
        watch.heard(1, 100);
        assert_eq!(watch.deadline(HEADER, IDLE), Some(watch.born + IDLE));
        assert!(watch.deadline(HEADER, Duration::MAX).is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn tokens_run_out_under_a_flood_and_last_for_keep_alives() {
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
        // What was paid for may be fast.
        let busy = watch();
        for _ in 0..10_000 {
            busy.spend(8);
            busy.spend(-8);
        }
        assert!(!busy.is_flooded());
    }

    #[tokio::test(start_paused = true)]
    async fn small_pieces_of_http1_bodies_are_paid_for_and_no_others() {
        for (heads, bytes, ends) in [(true, 63, true), (true, 64, false), (false, 1, false)] {
            let watch = Watch::new(heads, Charge::connection(&Budget::new(0)));
            for _ in 0..400 * 16 {
                watch.piece(bytes);
            }
            assert!(!watch.is_flooded());
            for _ in 0..16 {
                watch.piece(bytes);
            }
            assert_eq!(watch.is_flooded(), ends, "{heads} {bytes}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn bytes_that_never_become_a_request_are_a_flood() {
        let watch = Watch::new(true, Charge::connection(&Budget::new(0)));
        watch.heard(100, 100);
        drop(watch.begin());
        watch.heard(100, 100);
        assert!(!watch.is_flooded());
        watch.heard(1, 100);
        assert!(watch.is_flooded());
    }
}
