//! A token bucket whose time is an argument.

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

    pub(crate) fn has_limits(&self, per_second: i64, burst: i64) -> bool {
        let Self { per_second: known_rate, burst: known_burst, .. } = self;
        (*known_rate, *known_burst) == (per_second.max(0) as f64, burst.max(0) as f64)
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
