//! A spool in virtual time: what it has stored survives the crash of a process.

use spanwise_export::{CrashLoss, SpoolCommand, SpoolEvent, SpoolLosses, SpoolRecovery};
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// The disk, and the thread that reads and writes it.
pub struct Disk {
    /// In the order in which they were stored.
    records: VecDeque<Record>,
    /// Commands that the thread has, each with the time at which it is carried out.
    commands: VecDeque<(Instant, SpoolCommand)>,
    /// Events that the machine has not got.
    events: VecDeque<SpoolEvent>,
    /// The time that each operation takes.
    pub latency: Duration,
    /// Stores fail.
    pub is_failing: bool,
    /// No command is carried out.
    pub is_hung: bool,
    pub stores: u64,
    /// Ids of all spans that were ever stored, in their order.
    pub order: Vec<u64>,
    pub reads: u64,
}

#[derive(Clone)]
struct Record {
    bytes: Vec<u8>,
    spans: u64,
    /// The exporter has read it.
    is_out: bool,
    /// It was evicted while the exporter had it.
    is_evicted: bool,
}

impl Default for Disk {
    fn default() -> Self {
        Self {
            records: VecDeque::new(),
            commands: VecDeque::new(),
            events: VecDeque::new(),
            latency: Duration::from_millis(3),
            is_failing: false,
            is_hung: false,
            stores: 0,
            order: Vec::new(),
            reads: 0,
        }
    }
}

impl Disk {
    /// The spool is opened by a process.
    pub fn open(&mut self, lost_in_crash: u64) {
        let damaged = 0;
        let spans = self.spans();
        let crash = CrashLoss::new(lost_in_crash, (lost_in_crash, Some(lost_in_crash)), None);
        let recovery = SpoolRecovery::new(spans).with_damaged(damaged).with_crash(crash);
        self.events.push_back(SpoolEvent::Opened(recovery));
    }

    /// The process ends: commands that were not carried out are lost.
    pub fn crash(&mut self) {
        self.commands.clear();
        self.events.clear();
        self.records.retain(|record| !record.is_evicted);
        self.records.iter_mut().for_each(|record| record.is_out = false);
    }

    pub fn submit(&mut self, now: Instant, command: SpoolCommand) {
        self.commands.push_back((now + self.latency, command));
    }

    /// The time of the next operation.
    pub fn next_end(&self) -> Option<Instant> {
        self.commands.front().filter(|_| !self.is_hung).map(|(at, _)| *at)
    }

    /// The next event at `now`.
    pub fn event(&mut self, now: Instant) -> Option<SpoolEvent> {
        while self.events.is_empty() && self.next_end().is_some_and(|at| at <= now) {
            let (_, command) = self.commands.pop_front()?;
            self.carry_out(command);
        }
        self.events.pop_front()
    }

    fn carry_out(&mut self, command: SpoolCommand) {
        match command {
            SpoolCommand::Store { id, request, spans } => {
                let result = match self.is_failing {
                    true => Err("no space".into()),
                    false => {
                        let bytes = request.message().to_vec();
                        self.order.extend(super::spooled::ids(&bytes));
                        let [is_out, is_evicted] = [false; 2];
                        self.records.push_back(Record { bytes, spans, is_out, is_evicted });
                        self.stores += 1;
                        Ok(())
                    }
                };
                drop(request);
                self.events.push_back(SpoolEvent::Stored { id, result });
            }
            SpoolCommand::Read { mut buffer } => {
                assert!(self.records.iter().all(|record| !record.is_out), "one read at a time");
                let Some(record) = self.records.front_mut() else {
                    return self.events.push_back(SpoolEvent::Empty { buffer });
                };
                record.is_out = true;
                let (bytes, spans) = (record.bytes.len(), record.spans);
                let fits = buffer.len() + bytes <= buffer.capacity();
                self.events.push_back(match fits {
                    true => {
                        self.reads += 1;
                        buffer.extend_from_slice(&record.bytes);
                        SpoolEvent::Record { buffer, spans }
                    }
                    false => SpoolEvent::RecordTooLarge { buffer, bytes, spans },
                });
            }
            SpoolCommand::Acknowledge => {
                let record = self.records.pop_front();
                assert!(record.is_some_and(|record| record.is_out), "a record that was read");
            }
            SpoolCommand::Rewind => {
                assert!(self.records.front().is_some_and(|record| record.is_out), "was read");
                self.rewind();
            }
            SpoolCommand::Close(_) => {
                self.rewind();
                self.events.push_back(SpoolEvent::Closed);
            }
            other => unreachable!("{other:?}"),
        }
    }

    fn rewind(&mut self) {
        let Some(record) = self.records.front_mut() else { return };
        record.is_out = false;
        if record.is_evicted {
            let spans = record.spans;
            self.records.pop_front();
            self.events.push_back(SpoolEvent::Lost(SpoolLosses::new(spans, 0, 0)));
        }
    }

    /// Evicts the oldest record.
    pub fn evict(&mut self) {
        let Some(record) = self.records.front_mut() else { return };
        if record.is_out {
            record.is_evicted = true;
            return;
        }
        let spans = record.spans;
        self.records.pop_front();
        self.events.push_back(SpoolEvent::Lost(SpoolLosses::new(spans, 0, 0)));
    }

    pub fn fail(&mut self) {
        self.commands.clear();
        self.events.push_back(SpoolEvent::Unavailable { error: "no directory".into() });
    }

    /// Whether all commands are carried out.
    pub fn is_idle(&self) -> bool {
        self.commands.is_empty()
    }

    /// Spans on disk.
    pub fn spans(&self) -> u64 {
        self.records.iter().map(|record| record.spans).sum()
    }

    pub fn records(&self) -> usize {
        self.records.len()
    }
}
