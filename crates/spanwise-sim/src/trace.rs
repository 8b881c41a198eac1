//! The trace of a world: one line for each event, with the virtual time.

use std::fmt;
use std::time::{Duration, Instant};

/// Records events as lines, or nothing at all: most seeds run without a trace.
#[derive(Debug)]
pub struct Trace {
    start: Instant,
    lines: Option<Vec<String>>,
}

impl Trace {
    /// A trace that begins at `start`; one that is not `enabled` records nothing.
    pub fn new(start: Instant, enabled: bool) -> Self {
        Self { start, lines: enabled.then(Vec::new) }
    }

    /// Records an event. The arguments are formatted only if the trace is enabled.
    pub fn line(&mut self, now: Instant, event: fmt::Arguments<'_>) {
        if let Some(lines) = &mut self.lines {
            lines.push(format!("{}  {event}", Offset(now.saturating_duration_since(self.start))));
        }
    }

    /// The recorded lines.
    pub fn into_lines(self) -> Vec<String> {
        self.lines.unwrap_or_default()
    }
}

/// A time since the start of the world, in milliseconds with microseconds.
struct Offset(Duration);

impl fmt::Display for Offset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:>10}.{:03} ms", self.0.as_millis(), self.0.subsec_micros() % 1_000)
    }
}
