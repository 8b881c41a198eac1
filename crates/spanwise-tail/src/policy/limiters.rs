//! The state of the policies that limit a rate, by the path of each policy.

use std::cell::RefCell;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use super::token_bucket::TokenBucket;

/// The states that policies took from a pool, for policies that replace them.
pub(crate) type Limiters = HashMap<Box<str>, Limiter>;

#[derive(Debug, Clone)]
pub(crate) enum Limiter {
    Bucket(TokenBucket),
    Counter(Arc<SecondCounter>),
}

/// The states of a sampler's policies. The same policies, built for another shard, share their token buckets, and a policy takes up the
/// state of the one that it replaces, if that has its path and its limits.
#[derive(Debug, Default)]
pub(crate) struct LimiterPool {
    state: RefCell<State>,
}

#[derive(Debug, Default)]
struct State {
    previous: Limiters,
    current: Limiters,
    /// The names of the policy that is built and of those around it, each with a zero byte behind it.
    path: String,
    /// The states that the present set has asked for.
    used: HashSet<Box<str>>,
    sets: u32,
}

impl LimiterPool {
    /// A pool for policies that replace those with the states `previous`.
    pub(crate) fn after(previous: &Limiters) -> Self {
        let state = State { previous: previous.clone(), ..State::default() };
        Self { state: RefCell::new(state) }
    }

    /// The policy `name` is built until the value is dropped.
    pub(crate) fn enter(&self, name: &str) -> Inside<'_> {
        let path = &mut self.state.borrow_mut().path;
        let len = path.len();
        path.push_str(name);
        path.push('\0');
        Inside { pool: self, len }
    }

    /// The tokens of the present policy, which all shards share.
    pub(crate) fn bucket(&self, per_second: i64, burst: i64) -> TokenBucket {
        let state = &mut *self.state.borrow_mut();
        let key = state.key("");
        if let Some(Limiter::Bucket(bucket)) = state.current.get(&key) {
            return bucket.clone();
        }
        let bucket = match state.previous.get(&key) {
            Some(Limiter::Bucket(bucket)) if bucket.has_limits(per_second, burst) => bucket.clone(),
            _ => TokenBucket::new(per_second, burst),
        };
        state.current.insert(key, Limiter::Bucket(bucket.clone()));
        bucket
    }

    /// The counter of the present policy in the present shard.
    pub(crate) fn counter(&self) -> Arc<SecondCounter> {
        let state = &mut *self.state.borrow_mut();
        let key = state.key(&state.sets.to_string());
        let counter = match state.previous.get(&key) {
            Some(Limiter::Counter(counter)) => counter.clone(),
            _ => Arc::default(),
        };
        state.current.insert(key, Limiter::Counter(counter.clone()));
        counter
    }

    /// Starts the set of another shard.
    pub(crate) fn rewind(&self) {
        let state = &mut *self.state.borrow_mut();
        state.used.clear();
        state.sets += 1;
    }

    /// The states of all policies.
    pub(crate) fn into_limiters(self) -> Limiters {
        self.state.into_inner().current
    }
}

impl State {
    /// The key of the present policy. The order distinguishes sub-policies of one name.
    fn key(&mut self, kind: &str) -> Box<str> {
        let mut key = format!("{}{kind}", self.path);
        while !self.used.insert(key.as_str().into()) {
            key.push('\0');
        }
        key.into()
    }
}

/// The policy that is built; dropped at its end.
pub(crate) struct Inside<'a> {
    pool: &'a LimiterPool,
    len: usize,
}

impl Drop for Inside<'_> {
    fn drop(&mut self) {
        self.pool.state.borrow_mut().path.truncate(self.len);
    }
}

/// Spans of one second. Only the thread of its shard counts; the other ends are those of replaced policies.
#[derive(Debug, Default)]
pub(crate) struct SecondCounter {
    second: AtomicU64,
    spans: AtomicI64,
}

impl SecondCounter {
    /// The spans of the second of `now`.
    pub(crate) fn spans(&self, now: Duration) -> i64 {
        // ORDER: Relaxed, one thread at a time uses a shard.
        if self.second.load(Relaxed) == now.as_secs() { self.spans.load(Relaxed) } else { 0 }
    }

    pub(crate) fn set(&self, spans: i64, now: Duration) {
        self.second.store(now.as_secs(), Relaxed);
        self.spans.store(spans, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_stays_with_its_path_and_its_limits() {
        let at = Duration::from_secs(1);
        let first = LimiterPool::default();
        first.rewind();
        for name in ["a", "b"] {
            let _outer = first.enter(name);
            let _inner = first.enter("limit");
            assert!(first.bucket(1, 10).take(8, at), "{name}");
            first.counter().set(5, at);
            // A second one of the same name.
            assert!(first.bucket(1, 10).take(7, at));
        }
        let states = first.into_limiters();
        let second = LimiterPool::after(&states);
        second.rewind();
        let taken = |outer: &str, burst, tokens| {
            let _outer = second.enter(outer);
            let _inner = second.enter("limit");
            second.bucket(1, burst).take(tokens, at)
        };
        assert!(!taken("a", 10, 3));
        assert!(!taken("a", 10, 4), "the second one of the name");
        assert!(taken("b", 11, 11), "other limits");
        assert!(taken("c", 10, 10), "another path");
        // The shards share tokens, but no counters.
        let _outer = second.enter("a");
        let _inner = second.enter("limit");
        assert_eq!(second.counter().spans(at), 5);
        assert_eq!(second.counter().spans(Duration::from_secs(2)), 0);
        second.rewind();
        assert!(second.bucket(1, 10).take(2, at));
        assert_eq!(second.counter().spans(at), 0);
    }
}
