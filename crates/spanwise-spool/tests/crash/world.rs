//! A seeded life of a spool: appends, syncs, reads, acknowledgements, evictions, faults, crashes and restarts.

use std::time::{Duration, SystemTime};

use spanwise_spool::storage::model::{CrashPoint, ModelStorage, Operation};
use spanwise_spool::{RecordId, Spool, SpoolBuilder, SpoolError};

use crate::judge::{judge, read_all};
use crate::oracle::{Entry, Oracle, State};
use crate::requests::{Random, Requests, number_of, start};
use crate::tally::Tally;

/// One spool with its account.
pub struct World {
    random: Random,
    storage: ModelStorage,
    spool: Option<Spool<ModelStorage>>,
    oracle: Oracle,
    now: SystemTime,
    next_number: u64,
    requests: Requests,
    is_large: bool,
    /// The numbers of the unsynced records, in order.
    unsynced: Vec<u64>,
    /// Records that were read and not acknowledged.
    delivered: Vec<(u64, RecordId)>,
    /// The last record that was read since the last rewind.
    last_read: Option<RecordId>,
    pub tally: Tally,
}

type Step = Result<(), String>;

/// The most random bytes of a request.
const PADDINGS: [u64; 10] = [0, 40, 40, 40, 40, 400, 400, 2_000, 8_000, 60_000];

const MAX_AGE: Duration = Duration::from_secs(3600);

impl World {
    /// # Errors
    /// The spool cannot be opened.
    pub fn new(seed: u64) -> Result<Self, String> {
        let mut random = Random(seed);
        let storage = ModelStorage::new(seed);
        // Few bytes find most bugs, and fast; large records complete segments and evict them.
        let padding = random.pick(&PADDINGS);
        let mut world = Self {
            random,
            storage,
            spool: None,
            oracle: Oracle::default(),
            now: start(),
            next_number: 0,
            requests: Requests::new(padding),
            is_large: padding > 1_000,
            unsynced: Vec::new(),
            delivered: Vec::new(),
            last_read: None,
            tally: Tally::default(),
        };
        let (spool, _) = builder()
            .open_in(world.storage.clone(), world.now)
            .map_err(|error| error.to_string())?;
        world.spool = Some(spool);
        world.tally.lives = 1;
        Ok(world)
    }

    /// Runs until `points` crash points were judged.
    ///
    /// # Errors
    /// The rule that is broken, with the call that broke it.
    pub fn run(&mut self, points: u64) -> Step {
        // Large segments take long to judge.
        let points = if self.is_large { points.div_ceil(10) } else { points };
        let one_in = 1 + self.random.below(4) as usize;
        while self.tally.crash_points < points {
            self.storage.record_crash_points(one_in);
            let before = self.oracle.clone();
            let name = self.act()?;
            self.storage.record_crash_points(0);
            let recorded = self.storage.take_crash_points();
            for point in &recorded {
                self.judge(name, point, &before)?;
            }
            if self.random.one_in(40) {
                self.restart(recorded.last(), &before)?;
            }
        }
        Ok(())
    }

    /// Makes one call, chosen by the seed; its name.
    fn act(&mut self) -> Result<&'static str, String> {
        self.now += Duration::from_millis(self.random.below(1_000));
        let name = match self.random.below(100) {
            0..35 => "append",
            35..55 => "sync",
            55..72 => "read_next",
            72..88 => "acknowledge",
            88..90 => "rewind",
            90..93 => "fault",
            93 => "wait",
            94 => "burst",
            95 | 96 => "drain",
            _ => "read_all",
        };
        let result = match name {
            "append" => self.append(),
            "sync" => self.sync(),
            "read_next" => self.read_next(),
            "acknowledge" => self.acknowledge(),
            "rewind" => self.rewind(),
            "fault" => {
                self.fault();
                Ok(())
            }
            "wait" => {
                self.now += Duration::from_secs(self.random.below(3_000));
                Ok(())
            }
            "drain" => self.drain(),
            "burst" => (0..self.random.below(if self.is_large { 40 } else { 20 }))
                .try_for_each(|_| self.append()),
            _ => self.read_everything(),
        };
        result.and_then(|()| self.check()).map_err(|error| format!("{name}: {error}"))?;
        Ok(name)
    }

    fn spool(&mut self) -> Result<&mut Spool<ModelStorage>, String> {
        self.spool.as_mut().ok_or_else(|| "no spool".to_owned())
    }

    /// Marks the unsynced records if the last call began another segment for them.
    fn mark_rewritten(&mut self, poisoned_before: u64) -> Step {
        if self.spool()?.stats().poisoned_segments > poisoned_before {
            for number in &self.unsynced {
                if let Some(entry) = self.oracle.records.get_mut(number) {
                    entry.is_rewritten = true;
                }
            }
        }
        Ok(())
    }

    fn append(&mut self) -> Step {
        let request = self.requests.get(self.next_number).clone();
        let now = self.now;
        self.next_number += 1;
        self.tally.appended += 1;
        self.oracle.records.insert(
            request.number,
            Entry { spans: request.spans, state: State::Unsynced, is_rewritten: false },
        );
        let poisoned = self.spool()?.stats().poisoned_segments;
        let result = self.spool()?.append(now, &request.bytes, request.spans);
        match result {
            Ok(_) => {
                self.unsynced.push(request.number);
                self.mark_rewritten(poisoned)?;
                // After an error of the disk, an append writes all unsynced records to a new segment and syncs them.
                let unsynced = self.spool()?.stats().unsynced_records as usize;
                let stored = self.unsynced.len().saturating_sub(unsynced);
                self.stored(stored);
            }
            Err(SpoolError::NotStored { spans, .. }) => {
                self.unsynced.push(request.number);
                self.mark_rewritten(poisoned)?;
                self.not_stored(spans)?;
            }
            Err(_) => self.oracle.set(request.number, State::Lost),
        }
        Ok(())
    }

    /// The oldest `count` of the unsynced records are stored.
    fn stored(&mut self, count: usize) {
        self.tally.stored += count as u64;
        for number in self.unsynced.drain(..count) {
            self.oracle.set(number, State::Stored);
        }
    }

    fn not_stored(&mut self, spans: u64) -> Step {
        let expected: u64 = self.unsynced.iter().map(|number| self.oracle.spans_of(*number)).sum();
        for number in self.unsynced.drain(..) {
            self.oracle.set(number, State::Lost);
        }
        match spans == expected {
            true => Ok(()),
            false => Err(format!("{spans} spans are not stored, of {expected}")),
        }
    }

    fn sync(&mut self) -> Step {
        let now = self.now;
        let poisoned = self.spool()?.stats().poisoned_segments;
        let result = self.spool()?.sync(now);
        self.mark_rewritten(poisoned)?;
        match result {
            Ok(synced) => {
                let spans =
                    self.unsynced.iter().map(|number| self.oracle.spans_of(*number)).sum::<u64>();
                if (synced.records, synced.spans) != (self.unsynced.len() as u64, spans) {
                    return Err(format!("{synced:?}, of {spans} spans"));
                }
                self.stored(self.unsynced.len());
                Ok(())
            }
            Err(SpoolError::NotStored { spans, .. }) => {
                self.tally.failed_syncs += 1;
                self.not_stored(spans)
            }
            Err(_) => {
                self.tally.failed_syncs += 1;
                Ok(())
            }
        }
    }

    fn read_next(&mut self) -> Step {
        let now = self.now;
        let Ok(stored) = self.spool()?.read_next(now) else {
            return Ok(());
        };
        let Some(stored) = stored else {
            return Ok(());
        };
        let number = number_of(&stored.request).ok_or("the bytes are no request")?;
        if stored.request != self.requests.get(number).bytes {
            return Err(format!("the request {number} was changed"));
        }
        match self.oracle.state(number) {
            Some(State::Stored) => {}
            other => return Err(format!("the request {number} is {other:?} and is delivered")),
        }
        if self.last_read.is_some_and(|last| last >= stored.id) {
            return Err(format!("{:?} follows {:?}", stored.id, self.last_read));
        }
        self.last_read = Some(stored.id);
        self.delivered.push((number, stored.id));
        Ok(())
    }

    fn acknowledge(&mut self) -> Step {
        if self.delivered.is_empty() {
            return Ok(());
        }
        // Requests in flight end in any order, mostly in that of their start.
        let at = match self.random.one_in(4) {
            true => self.random.below(self.delivered.len() as u64) as usize,
            false => 0,
        };
        let (number, id) = self.delivered.remove(at);
        self.spool()?.acknowledge(id);
        self.oracle.acknowledged.push((number, id));
        if matches!(self.oracle.state(number), Some(State::Stored | State::InFlight)) {
            self.oracle.set(number, State::Acknowledged);
        }
        Ok(())
    }

    /// Delivers what is stored, as after an outage.
    fn drain(&mut self) -> Step {
        loop {
            let before = self.delivered.len();
            self.read_next()?;
            if self.delivered.len() == before {
                break;
            }
        }
        while !self.delivered.is_empty() {
            self.acknowledge()?;
        }
        Ok(())
    }

    fn rewind(&mut self) -> Step {
        self.account_losses()?;
        let in_flight = self.oracle.spans(State::InFlight);
        let spool = self.spool()?;
        spool.rewind();
        let lost = spool.take_losses();
        self.tally.evicted += lost.evicted;
        if (lost.evicted, lost.expired, lost.io) != (in_flight, 0, 0) {
            return Err(format!("{lost:?}, with {in_flight} spans in flight of evicted segments"));
        }
        self.oracle.move_all(State::InFlight, State::Lost);
        self.delivered.clear();
        self.last_read = None;
        Ok(())
    }

    fn fault(&mut self) {
        self.oracle.is_faulty = true;
        let storage = &self.storage;
        match self.random.below(6) {
            0 => storage.fail(Operation::Sync, 1, 1 + self.random.below(4) as u32),
            1 => storage.fail(Operation::Write, 2, 1 + self.random.below(3) as u32),
            2 => storage.fail(Operation::SyncDirectory, 1, 1),
            3 => storage.fail(Operation::Create, 1, 1),
            4 => storage.set_capacity(self.random.below(400_000)),
            _ => storage.heal(),
        }
    }

    /// Everything that is stored is delivered.
    fn read_everything(&mut self) -> Step {
        self.storage.heal();
        self.rewind()?;
        let spool = self.spool.as_mut().ok_or("no spool")?;
        let mut numbers = read_all(spool, self.now, &mut self.requests)?;
        self.rewind()?;
        self.account_losses()?;
        numbers.sort_unstable();
        let expected = self.oracle.numbers(State::Stored);
        match numbers == expected {
            true => Ok(()),
            false => Err(format!("{numbers:?} are delivered, {expected:?} are stored")),
        }
    }

    fn account_losses(&mut self) -> Step {
        let losses = self.spool()?.take_losses();
        self.tally.evicted += losses.evicted;
        self.tally.expired += losses.expired;
        if losses.io > 0 {
            return Err(format!(
                "{} spans are damaged, without a fault that damages any",
                losses.io
            ));
        }
        let delivered: Vec<u64> = self.delivered.iter().map(|(number, _)| *number).collect();
        self.oracle.lose_oldest(losses.evicted + losses.expired, &delivered)?;
        for (number, id) in &self.delivered {
            // An eviction does not count records that are being delivered.
            let is_evicted =
                self.storage.content(&format!("{:016x}.segment", id.segment())).is_none();
            if is_evicted && self.oracle.state(*number) == Some(State::Stored) {
                self.oracle.set(*number, State::InFlight);
            }
        }
        Ok(())
    }

    /// The counts of the spool are those of the account.
    fn check(&mut self) -> Step {
        self.account_losses()?;
        let stats = self.spool()?.stats();
        let stored = self.oracle.spans(State::Stored);
        if stats.spans != stored {
            return Err(format!("{} spans in the statistics, {stored} stored", stats.spans));
        }
        let unsynced: u64 = self.unsynced.iter().map(|number| self.oracle.spans_of(*number)).sum();
        if stats.unsynced_spans != unsynced {
            return Err(format!(
                "{} spans unsynced in the statistics, {unsynced} appended",
                stats.unsynced_spans
            ));
        }
        Ok(())
    }

    fn judge(&mut self, name: &str, point: &CrashPoint, before: &Oracle) -> Step {
        let seed = self.random.next_u64();
        let storage = match self.random.one_in(8) {
            true => point.killed_process(seed),
            false => point.power_failure(seed),
        };
        // Rarely, the next start is so late that records have expired.
        let now = match self.random.one_in(50) {
            true => self.now + MAX_AGE / 2,
            false => self.now,
        };
        self.tally.crash_points += 1;
        judge(builder(), storage, now, &mut self.requests, (before, &self.oracle))
            .map(|_| ())
            .map_err(|error| {
                format!(
                    "crash in {name} after operation {} ({:?}): {error}",
                    point.number(),
                    point.operation()
                )
            })
    }

    /// Ends this life by a crash, mostly within the last call, and begins the next one with what the crash left. A crash that leaves
    /// copies is judged only: the account has one record for each number.
    fn restart(&mut self, point: Option<&CrashPoint>, before: &Oracle) -> Step {
        let seed = self.random.next_u64();
        let here = self.storage.crash_point();
        let (point, before) = match point {
            Some(point) if self.random.one_in(2) => (point, before.clone()),
            _ => (&here, self.oracle.clone()),
        };
        let storage = match self.random.one_in(3) {
            true => point.killed_process(seed),
            false => point.power_failure(seed),
        };
        let found = judge(
            builder(),
            storage.clone(),
            self.now,
            &mut self.requests,
            (&before, &self.oracle),
        )
        .map_err(|error| format!("restart: {error}"))?;
        if !found.copies.is_empty() {
            self.tally.copies += 1;
            return Ok(());
        }
        let was_acknowledged =
            |number: &&u64| self.oracle.state(**number) == Some(State::Acknowledged);
        self.tally.duplicates += found.numbers.iter().filter(was_acknowledged).count() as u64;
        // A record that is not on disk now can only return if its removal is not synced.
        for state in [State::Unsynced, State::Stored, State::InFlight, State::Acknowledged] {
            self.oracle.move_all(state, State::Lost);
        }
        for number in &found.numbers {
            self.oracle.set(*number, State::Stored);
        }
        self.oracle.acknowledged.clear();
        self.oracle.is_faulty = false;
        self.unsynced.clear();
        self.delivered.clear();
        self.last_read = None;
        self.tally.lives += 1;
        self.storage = storage;
        let opened = builder().open_in(self.storage.clone(), self.now);
        let (mut spool, _) = opened.map_err(|error| error.to_string())?;
        // Records that the crash damaged were not stored: this reader counts them again, as the judge did.
        let mut numbers = read_all(&mut spool, self.now, &mut self.requests)?;
        // A segment whose removal failed may return behind newer ones.
        numbers.sort_unstable();
        let damaged = spool.take_losses();
        if !numbers.iter().eq(&found.numbers) || damaged.io != found.losses.io {
            let second = format!("{numbers:?} and {damaged:?} instead of {found:?}");
            return Err(format!("restart: the second start finds {second}"));
        }
        spool.rewind();
        self.spool = Some(spool);
        self.check().map_err(|error| format!("restart: {error}"))
    }
}

fn builder() -> SpoolBuilder {
    Spool::builder().with_max_bytes(1 << 20).with_segment_bytes(64 << 10).with_max_age(MAX_AGE)
}
