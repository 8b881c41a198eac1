//! [`Log`]: one line for each event, to the standard error.

mod event;
mod field;
mod limiter;
mod line;
mod recent;
mod shared;
pub(super) mod timestamp;
mod writer;

pub(crate) use event::Event;
pub(crate) use line::Line;

use crate::settings::LogFormat;
use shared::{Shared, lock};
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};
use std::time::{Duration, Instant, SystemTime};
use writer::{Message, Writer};

/// The log of a node. Clones share it.
///
/// # Cost
/// An event takes a lock for a look in a table, formats a line and hands it to the thread `spanwise-log`, which alone waits for the
/// standard error. A line that finds 1,024 others waiting is dropped and counted, and a later line has the count.
#[derive(Clone)]
pub(crate) struct Log {
    shared: Arc<Shared>,
    sender: SyncSender<Message>,
}

impl Log {
    /// Starts the thread that writes.
    ///
    /// # Errors
    /// The system refuses the thread.
    pub(crate) fn start(format: LogFormat) -> io::Result<Self> {
        Self::to(format, Box::new(io::stderr()))
    }

    /// As [`start`](Self::start), to another output.
    pub(crate) fn to(format: LogFormat, output: Box<dyn io::Write + Send>) -> io::Result<Self> {
        let shared = Arc::new(Shared::new(format));
        let (sender, lines) = sync_channel(MAX_LINES);
        let writer = Writer { shared: shared.clone(), lines, output };
        // The thread ends with the last handle, or with the process.
        let thread = std::thread::Builder::new().name("spanwise-log".to_owned());
        thread.stack_size(STACK_BYTES).spawn(move || writer.run())?;
        Ok(Self { shared, sender })
    }

    /// Logs an event, unless the same event of the same subject was logged a moment ago: then a later line has the number of those that
    /// were left out. Never waits for the output.
    pub(crate) fn event(&self, event: Event<'_>) {
        let subject = event.fields().subject();
        let admitted =
            lock(&self.shared.limiter).admit(Instant::now(), event.name(), event.level(), subject);
        if let Some(repeated) = admitted {
            let line = Line::new(self.shared.format(), SystemTime::now(), &event, repeated);
            self.hand_over(line);
        }
    }

    /// Logs an event whatever was logged before: for a list of problems, which the caller bounds.
    pub(crate) fn event_unlimited(&self, event: Event<'_>) {
        let line = Line::new(self.shared.format(), SystemTime::now(), &event, 0);
        self.hand_over(line);
    }

    fn hand_over(&self, line: Line) {
        lock(&self.shared.recent).push(line.clone());
        if self.sender.try_send(Message::Line(line.written)).is_err() {
            self.shared.dropped.fetch_add(1, Relaxed);
        }
    }

    /// Writes a text of several lines, such as a table, behind the lines before it. It is no event.
    pub(crate) fn text(&self, text: String) {
        if self.sender.try_send(Message::Line(text)).is_err() {
            self.shared.dropped.fetch_add(1, Relaxed);
        }
    }

    /// The form of the lines.
    pub(crate) fn format(&self) -> LogFormat {
        self.shared.format()
    }

    /// Changes the form of the lines that follow.
    pub(crate) fn set_format(&self, format: LogFormat) {
        self.shared.set_format(format);
    }

    /// The last lines, the newest last.
    pub(crate) fn recent(&self) -> Vec<Line> {
        lock(&self.shared.recent).lines()
    }

    /// Waits until the lines before this call are written, at most for `timeout`: the reader of the standard error may have stopped.
    pub(crate) fn flush(&self, timeout: Duration) -> bool {
        let (done, written) = sync_channel(1);
        let until = Instant::now() + timeout.min(Duration::from_secs(3600));
        let mut message = Message::Flush(done);
        while let Err(TrySendError::Full(returned)) = self.sender.try_send(message) {
            if Instant::now() >= until {
                return false;
            }
            message = returned;
            std::thread::sleep(Duration::from_millis(1));
        }
        written.recv_timeout(until.saturating_duration_since(Instant::now())).is_ok()
    }
}

/// Lines that wait for the output.
const MAX_LINES: usize = 1024;
const STACK_BYTES: usize = 256 << 10;

#[cfg(test)]
mod tests;
