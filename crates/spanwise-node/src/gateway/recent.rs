//! The traces of the last decision wait, and the membership of the peers by which each was routed.

use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::{AtomicU16, AtomicU64};
use std::time::{Duration, Instant};

use spanwise_worker::__private::mix;

/// A table of trace ids with the epoch by which each is routed, of a fixed size. Threads share it without a lock.
///
/// An entry has 8 bytes: 32 bits of the hash, the epoch and the time of the last span. Eight entries are a bucket, in a cache line;
/// a new trace takes the place of one that had no span for a decision wait, else of the one whose last span is the oldest.
pub(crate) struct RecentTraces {
    buckets: Vec<Bucket>,
    key: u64,
    start: Instant,
    /// A step of the time in entries: an eighth of the first wait.
    step: Duration,
    /// The steps of a wait.
    steps: AtomicU16,
}

#[repr(align(64))]
#[derive(Default)]
struct Bucket([AtomicU64; ENTRIES]);

/// The entry of a trace in the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Seen {
    /// The trace had a span within the last decision wait, and is routed by the peers of this epoch.
    Before(u16),
    /// The trace is new, and belongs to the present epoch.
    New,
    /// The trace is not in the table, which had no place for all traces of the last decision wait: it may have been seen.
    Unknown,
}

/// An instant as entries have it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Step(u16);

impl RecentTraces {
    /// A table of at most `bytes` bytes, and at least one bucket of 64.
    pub(crate) fn new(bytes: usize, wait: Duration, now: Instant) -> Self {
        let buckets = (bytes / size_of::<Bucket>()).max(1);
        Self {
            buckets: (0..buckets).map(|_| Bucket::default()).collect(),
            key: spanwise_worker::random_seed(),
            start: now,
            step: (wait / STEPS).max(Duration::from_millis(1)),
            steps: AtomicU16::new(STEPS as u16),
        }
    }

    /// Retains traces for another wait from now on, of at most 4,096 times the first one.
    pub(crate) fn set_wait(&self, wait: Duration) {
        let steps = wait.as_nanos().div_ceil(self.step.as_nanos().max(1));
        self.steps.store(steps.clamp(1, MAX_STEPS.into()) as u16, Relaxed);
    }

    pub(crate) fn step(&self, now: Instant) -> Step {
        let elapsed = now.saturating_duration_since(self.start).as_nanos();
        // Beyond 65,535 steps, the time begins again: an entry that old looks new for an eighth of a wait or so.
        Step((elapsed / self.step.as_nanos().max(1)) as u16)
    }

    /// Notes a span of a trace at `now`, and returns what was known about the trace before.
    #[inline]
    pub(crate) fn see(&self, trace_id: &[u8; 16], epoch: u16, now: Step) -> Seen {
        let (bucket, mark) = self.place(trace_id);
        for entry in bucket {
            let found = Entry(entry.load(Relaxed));
            if found.mark() != mark {
                continue;
            }
            if found.step() == now.0 {
                return Seen::Before(found.epoch());
            }
            if found.age(now) > self.steps.load(Relaxed) + 1 {
                return replaced(entry, found, Entry::new(mark, epoch, now), Seen::New);
            }
            return replaced(entry, found, found.at(now), Seen::Before(found.epoch()));
        }
        insert(bucket, Entry::new(mark, epoch, now), (now, self.steps.load(Relaxed)))
    }

    /// The trace is routed by the peers of `epoch` from now on. Returns whether this call changed that: of several threads, one does.
    pub(crate) fn move_to(&self, trace_id: &[u8; 16], epoch: u16) -> bool {
        let (bucket, mark) = self.place(trace_id);
        bucket.iter().any(|entry| {
            let found = Entry(entry.load(Relaxed));
            // ORDER: Relaxed: an entry publishes no other memory.
            found.mark() == mark
                && found.epoch() != epoch
                && entry.compare_exchange(found.0, found.of(epoch).0, Relaxed, Relaxed).is_ok()
        })
    }

    fn place(&self, trace_id: &[u8; 16]) -> (&[AtomicU64; ENTRIES], u32) {
        let id = u128::from_be_bytes(*trace_id);
        // Keyed, so that a client cannot choose ids of one bucket.
        let hash = mix((id as u64 ^ self.key).wrapping_add(mix((id >> 64) as u64 ^ self.key)));
        let index = (u128::from(hash) * self.buckets.len() as u128) >> 64;
        // Zero is an empty entry.
        let mark = (hash as u32).max(1);
        let bucket = self.buckets.get(index as usize).unwrap_or(const { &NO_BUCKET });
        (&bucket.0, mark)
    }
}

/// Puts the entry of a trace that is not in its bucket into the place of the oldest one.
#[inline(never)]
fn insert(bucket: &[AtomicU64; ENTRIES], new: Entry, (now, steps): (Step, u16)) -> Seen {
    let [first, others @ ..] = bucket;
    let (mut oldest, mut replaces) = (first, Entry(first.load(Relaxed)));
    let mut age = replaces.age(now);
    for entry in others {
        // An empty one.
        if age == u16::MAX {
            break;
        }
        let found = Entry(entry.load(Relaxed));
        if found.age(now) > age {
            (oldest, replaces, age) = (entry, found, found.age(now));
        }
    }
    let seen = if age > steps + 1 { Seen::New } else { Seen::Unknown };
    replaced(oldest, replaces, new, seen)
}

/// Replaces an entry. If another thread was faster, its trace stays: the next span of this one tries again.
fn replaced(entry: &AtomicU64, from: Entry, to: Entry, seen: Seen) -> Seen {
    // ORDER: Relaxed: an entry publishes no other memory.
    match entry.compare_exchange(from.0, to.0, Relaxed, Relaxed) {
        Err(now) if Entry(now).mark() == to.mark() => Seen::Before(Entry(now).epoch()),
        _ => seen,
    }
}

/// 32 bits of the hash, 16 of the epoch, 16 of the step.
#[derive(Clone, Copy)]
struct Entry(u64);

impl Entry {
    fn new(mark: u32, epoch: u16, now: Step) -> Self {
        Self(u64::from(mark) << 32 | u64::from(epoch) << 16 | u64::from(now.0))
    }

    fn mark(self) -> u32 {
        (self.0 >> 32) as u32
    }

    fn epoch(self) -> u16 {
        (self.0 >> 16) as u16
    }

    fn step(self) -> u16 {
        self.0 as u16
    }

    fn at(self, now: Step) -> Self {
        Self::new(self.mark(), self.epoch(), now)
    }

    fn of(self, epoch: u16) -> Self {
        Self::new(self.mark(), epoch, Step(self.step()))
    }

    /// Steps since the last span; the most of an empty entry.
    fn age(self, now: Step) -> u16 {
        // Another thread may have read the time a moment later.
        let age = now.0.wrapping_sub(self.step());
        match self.mark() {
            0 => u16::MAX,
            _ if age > u16::MAX - 8 => 0,
            _ => age,
        }
    }
}

const ENTRIES: usize = 8;
/// Steps of the first wait.
const STEPS: u32 = 8;
/// A half of those that entries distinguish.
const MAX_STEPS: u16 = 1 << 15;
static NO_BUCKET: Bucket = Bucket([const { AtomicU64::new(0) }; ENTRIES]);

#[cfg(test)]
mod tests {
    use super::*;

    const WAIT: Duration = Duration::from_secs(8);

    fn id(number: u64) -> [u8; 16] {
        u128::from(number).to_be_bytes()
    }

    #[test]
    fn a_trace_is_remembered_for_a_wait_behind_its_last_span() {
        let now = Instant::now();
        let table = RecentTraces::new(1 << 16, WAIT, now);
        let see = |number, epoch, seconds| {
            table.see(&id(number), epoch, table.step(now + Duration::from_secs(seconds)))
        };
        assert_eq!(see(1, 0, 0), Seen::New);
        assert_eq!(see(1, 1, 8), Seen::Before(0), "a later epoch does not change the first one");
        assert_eq!(see(1, 1, 16), Seen::Before(0));
        assert_eq!(see(1, 2, 26), Seen::New, "no span for longer than a wait");
        assert_eq!(see(1, 3, 27), Seen::Before(2));
        assert_eq!(see(2, 3, 27), Seen::New);
    }

    #[test]
    fn a_wait_that_changes_is_that_of_all_traces() {
        let now = Instant::now();
        let table = RecentTraces::new(1 << 16, WAIT, now);
        let see = |number, seconds| {
            table.see(&id(number), 1, table.step(now + Duration::from_secs(seconds)))
        };
        assert_eq!(see(1, 0), Seen::New);
        table.set_wait(10 * WAIT);
        assert_eq!(see(1, 80), Seen::Before(1));
        table.set_wait(Duration::from_millis(1));
        assert_eq!(see(1, 83), Seen::New);
        table.set_wait(Duration::MAX);
        assert_eq!(see(1, 20_000), Seen::Before(1));
    }

    #[test]
    fn one_call_moves_a_trace() {
        let now = Instant::now();
        let table = RecentTraces::new(1 << 16, WAIT, now);
        let step = table.step(now);
        assert!(!table.move_to(&id(1), 1), "not seen");
        assert_eq!(table.see(&id(1), 0, step), Seen::New);
        let moved = std::thread::scope(|scope| {
            let threads: Vec<_> =
                (0..4).map(|_| scope.spawn(|| table.move_to(&id(1), 1))).collect();
            threads
                .into_iter()
                .filter(|_| true)
                .map(|it| it.join().unwrap())
                .filter(|it| *it)
                .count()
        });
        assert_eq!(moved, 1);
        assert_eq!(table.see(&id(1), 2, step), Seen::Before(1));
    }

    #[test]
    fn a_full_table_forgets_the_oldest_and_is_unsure_about_new_ones() {
        let now = Instant::now();
        let table = RecentTraces::new(0, WAIT, now);
        let step = |seconds| table.step(now + Duration::from_secs(seconds));
        for number in 0..8 {
            assert_eq!(table.see(&id(number), 0, step(number / 2)), Seen::New, "{number}");
        }
        assert_eq!(table.see(&id(8), 0, step(4)), Seen::Unknown);
        let known = |number| table.see(&id(number), 0, step(4)) == Seen::Before(0);
        assert_eq!((2..9).filter(|number| known(*number)).count(), 7);
        // All but those are over after a wait.
        assert_eq!(table.see(&id(100), 1, step(14)), Seen::New);
    }

    #[test]
    fn entries_spread_over_all_buckets() {
        let now = Instant::now();
        let table = RecentTraces::new(1 << 16, WAIT, now);
        let step = table.step(now);
        // A half of the 8,192 entries, with ids that follow each other.
        let unknown =
            (0..4_096).filter(|number| table.see(&id(*number), 0, step) == Seen::Unknown).count();
        assert!(unknown < 120, "{unknown} of 4,096 in full buckets");
        let lost = (0..4_096).filter(|number| table.see(&id(*number), 1, step) != Seen::Before(0));
        assert!(lost.count() <= 240);
    }
}
