//! The production spool on a disk in memory, whose operations take virtual time.

use crate::random::Random;
use spanwise_export::{CrashLoss, SpoolCommand, SpoolEvent, SpoolLosses, SpoolRecovery};
use spanwise_spool::storage::model::{ModelStorage, Operation};
use spanwise_spool::{RecordId, Spool, SpoolError, SpoolSettings};
use std::collections::VecDeque;
use std::time::{Duration, Instant, SystemTime};

/// The disk, and the spool of the running process.
pub(super) struct Disk {
    storage: ModelStorage,
    settings: SpoolSettings,
    /// `None` after an error of the start.
    spool: Option<Spool<ModelStorage>>,
    read: Option<RecordId>,
    /// Commands, each with the time at which it is carried out.
    commands: VecDeque<(Instant, SpoolCommand)>,
    events: VecDeque<SpoolEvent>,
    random: Random,
    start: Instant,
    pub(super) is_hung: bool,
}

impl Disk {
    pub(super) fn new(mut random: Random, start: Instant) -> Self {
        let mut settings = SpoolSettings::default();
        settings.max_bytes = random.pick(&[(3, 64 << 20), (1, 1 << 20)]);
        settings.segment_bytes = Some(random.pick(&[(1, 64 << 10), (1, 256 << 10)]));
        settings.max_age =
            random.pick(&[(4, Duration::from_secs(72 * 3600)), (1, Duration::from_secs(60))]);
        let storage = ModelStorage::new(random.draw());
        let (commands, events) = (VecDeque::new(), VecDeque::new());
        let (spool, read, is_hung) = (None, None, false);
        Self { storage, settings, spool, read, commands, events, random, start, is_hung }
    }

    /// A process opens the spool. Returns the spans on disk, of which the one before counted `left`, and had `in_memory` besides.
    pub(super) fn open(
        &mut self,
        now: Instant,
        in_memory: u64,
        left: u64,
    ) -> Result<u64, SpoolError> {
        let builder = Spool::builder().with_settings(self.settings.clone());
        let (spool, found) = builder.open_in(self.storage.clone(), self.time(now))?;
        // An exact boot ledger: spans that were being sent again, or stored, are on disk.
        let lost = in_memory.saturating_sub(found.spans.saturating_sub(left));
        let crash = CrashLoss::new(lost, (lost, Some(lost)), None);
        self.spool = Some(spool);
        let recovery = SpoolRecovery::new(found.spans).with_crash(crash);
        self.events.push_back(SpoolEvent::Opened(recovery));
        self.report_losses();
        Ok(found.spans)
    }

    /// The process ends, in a power failure or otherwise. The storage has no faults after that.
    pub(super) fn crash(&mut self, is_power_failure: bool) {
        let (point, seed) = (self.storage.crash_point(), self.random.draw());
        self.storage = match is_power_failure {
            true => point.power_failure(seed),
            false => point.killed_process(seed),
        };
        self.spool = None;
        self.read = None;
        self.commands.clear();
        self.events.clear();
    }

    /// Some of the next operations fail, or the disk is almost full.
    pub(super) fn fail(&mut self) {
        let times = self.random.between(1, 4) as u32;
        match self.random.below(4) {
            0 => self.storage.fail(Operation::Sync, 2, times),
            1 => self.storage.fail(Operation::Write, 2, times),
            2 => self.storage.fail(Operation::Create, 2, times),
            _ => self.storage.set_capacity(self.random.between(1 << 12, 1 << 20)),
        }
    }

    pub(super) fn heal(&mut self) {
        self.storage.heal();
        self.is_hung = false;
    }

    pub(super) fn submit(&mut self, now: Instant, command: SpoolCommand) {
        let after = self.commands.back().map_or(now, |(at, _)| now.max(*at));
        self.commands.push_back((after + self.random.millis(0, 50), command));
    }

    pub(super) fn next_end(&self) -> Option<Instant> {
        self.commands.front().filter(|_| !self.is_hung).map(|(at, _)| *at)
    }

    /// Whether all commands are carried out.
    pub(super) fn is_idle(&self) -> bool {
        self.commands.is_empty()
    }

    /// The next event at `now`.
    pub(super) fn event(&mut self, now: Instant) -> Option<SpoolEvent> {
        while self.events.is_empty() && self.next_end().is_some_and(|at| at <= now) {
            let (at, command) = self.commands.pop_front()?;
            self.carry_out(at, command);
            self.report_losses();
        }
        self.events.pop_front()
    }

    fn carry_out(&mut self, now: Instant, command: SpoolCommand) {
        let time = self.time(now);
        let Some(spool) = &mut self.spool else { return };
        match command {
            SpoolCommand::Store { id, request, spans } => {
                let stored = spool.append(time, request.message(), spans);
                let stored = stored.and_then(|_| spool.sync(time));
                let result = stored.map(|_| ()).map_err(|error| error.to_string().into());
                drop(request);
                self.events.push_back(SpoolEvent::Stored { id, result });
            }
            SpoolCommand::Read { mut buffer } => {
                let event = match spool.read_next(time) {
                    Ok(Some(stored)) => {
                        self.read = Some(stored.id);
                        let (bytes, spans) = (stored.request.len(), stored.spans);
                        match buffer.len() + bytes <= buffer.capacity() {
                            true => {
                                buffer.extend_from_slice(&stored.request);
                                SpoolEvent::Record { buffer, spans }
                            }
                            false => SpoolEvent::RecordTooLarge { buffer, bytes, spans },
                        }
                    }
                    Ok(None) => SpoolEvent::Empty { buffer },
                    Err(error) => {
                        SpoolEvent::ReadFailed { buffer, error: error.to_string().into() }
                    }
                };
                self.report_losses();
                self.events.push_back(event);
            }
            SpoolCommand::Acknowledge => {
                if let Some(record) = self.read.take() {
                    spool.acknowledge(record);
                }
            }
            SpoolCommand::Rewind => {
                self.read = None;
                spool.rewind();
            }
            SpoolCommand::Close(_) => {
                self.read = None;
                spool.rewind();
                spool.checkpoint();
                self.report_losses();
                self.events.push_back(SpoolEvent::Closed);
            }
            _ => {}
        }
    }

    /// Removes what has expired.
    pub(super) fn expire(&mut self, now: Instant) {
        let time = self.time(now);
        if let Some(spool) = &mut self.spool {
            spool.expire(time);
        }
        self.report_losses();
    }

    fn report_losses(&mut self) {
        let Some(spool) = &mut self.spool else { return };
        let losses = spool.take_losses();
        if losses.total() > 0 {
            let losses = SpoolLosses::new(losses.evicted, losses.expired, losses.io);
            self.events.push_back(SpoolEvent::Lost(losses));
        }
    }

    fn time(&self, now: Instant) -> SystemTime {
        let since = now.saturating_duration_since(self.start);
        SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000) + since
    }
}
