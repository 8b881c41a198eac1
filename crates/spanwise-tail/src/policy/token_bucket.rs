//! A token bucket whose time is an argument.

use std::cell::RefCell;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Grants a number of tokens per second and a burst at once. Clones share their tokens, as the shards of a sampler do.
#[derive(Debug, Clone)]
pub(crate) struct TokenBucket {
    per_second: f64,
    burst: f64,
    state: Arc<Mutex<State>>,
}

#[derive(Debug)]
struct State {
    tokens: f64,
    updated: Duration,
}

impl TokenBucket {
    pub(crate) fn new(per_second: i64, burst: i64) -> Self {
        let (per_second, burst) = (per_second.max(0) as f64, burst.max(0) as f64);
        let state = State { tokens: burst, updated: Duration::ZERO };
        Self { per_second, burst, state: Arc::new(Mutex::new(state)) }
    }

    /// Takes `tokens` at `now`; takes none and returns false if there are fewer.
    pub(crate) fn take(&self, tokens: u64, now: Duration) -> bool {
        // Panics in no holder: the guard is held for arithmetic only.
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let passed = now.saturating_sub(state.updated).as_secs_f64();
        state.tokens = self.burst.min(state.tokens + passed * self.per_second);
        state.updated = state.updated.max(now);
        let granted = tokens as f64 <= state.tokens;
        if granted {
            state.tokens -= tokens as f64;
        }
        granted
    }
}

/// The buckets of a set of policies, so that the same policies built for another shard share them.
#[derive(Debug, Default)]
pub(crate) struct BucketPool {
    state: RefCell<(Vec<TokenBucket>, usize)>,
}

impl BucketPool {
    /// The next bucket in the order in which policies ask for them; a new one in the first set.
    pub(crate) fn next(&self, per_second: i64, burst: i64) -> TokenBucket {
        let (buckets, next) = &mut *self.state.borrow_mut();
        let bucket = match buckets.get(*next) {
            Some(bucket) => bucket.clone(),
            None => {
                let bucket = TokenBucket::new(per_second, burst);
                buckets.push(bucket.clone());
                bucket
            }
        };
        *next += 1;
        bucket
    }

    /// Starts the next set.
    pub(crate) fn rewind(&self) {
        self.state.borrow_mut().1 = 0;
    }
}
