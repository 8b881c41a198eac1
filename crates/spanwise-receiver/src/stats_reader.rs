//! [`StatsReader`]: the counters of a receiver on other threads.

use std::fmt;
use std::sync::Arc;

use crate::service::Server;
use crate::stats::Stats;

/// Reads the counters of a receiver. Clones read the same ones. It retains the counters and settings of the receiver until it is dropped.
#[derive(Clone)]
pub struct StatsReader {
    server: Arc<Server>,
}

impl StatsReader {
    pub(crate) fn new(server: Arc<Server>) -> Self {
        Self { server }
    }

    /// The counters so far; once the receiver has stopped, the last ones.
    pub fn stats(&self) -> Stats {
        self.server.stats()
    }
}

impl fmt::Debug for StatsReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StatsReader").field("stats", &self.stats()).finish_non_exhaustive()
    }
}
