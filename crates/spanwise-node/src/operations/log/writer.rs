//! [`Writer`]: the thread that writes lines.

use super::event::Level;
use super::line::{Header, Line};
use super::shared::{Shared, lock};
use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender};
use std::time::{Duration, Instant, SystemTime};

/// A message to the thread.
pub(crate) enum Message {
    /// A line, with its end.
    Line(String),
    /// A request to report that all lines before it are written.
    Flush(SyncSender<()>),
}

pub(super) struct Writer {
    pub(super) shared: Arc<Shared>,
    pub(super) lines: Receiver<Message>,
    pub(super) output: Box<dyn Write + Send>,
}

impl Writer {
    /// Writes until the last handle is dropped. An output that fails loses its lines: there is no other place to report it.
    pub(super) fn run(mut self) {
        let mut next_summary = Instant::now() + SUMMARY_EVERY;
        loop {
            let wait = next_summary.saturating_duration_since(Instant::now());
            match self.lines.recv_timeout(wait) {
                Ok(Message::Line(line)) => self.write(&line),
                Ok(Message::Flush(done)) => {
                    self.report_dropped();
                    let _flushed = self.output.flush();
                    let _asker_left = done.try_send(());
                }
                Err(RecvTimeoutError::Timeout) => {
                    self.report_dropped();
                    self.report_left_out();
                    next_summary = Instant::now() + SUMMARY_EVERY;
                }
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    fn write(&mut self, line: &str) {
        let _lost = self.output.write_all(line.as_bytes());
    }

    fn report_dropped(&mut self) {
        let dropped = self.shared.dropped.swap(0, Relaxed);
        if dropped > 0 {
            let header = header(Level::Warn, "log_lines_dropped", dropped);
            let line = Line::summary(self.shared.format(), &header, "");
            self.write(&line.written);
        }
    }

    fn report_left_out(&mut self) {
        let summaries = lock(&self.shared.limiter).summaries(Instant::now());
        for summary in summaries {
            let header = header(summary.level, summary.name, summary.left_out);
            let line = Line::summary(self.shared.format(), &header, &summary.subject);
            self.write(&line.written);
        }
    }
}

fn header(level: Level, name: &'static str, repeated: u64) -> Header {
    Header { time: SystemTime::now(), level, name, repeated }
}

const SUMMARY_EVERY: Duration = Duration::from_secs(10);
