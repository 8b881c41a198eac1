//! The records that a spool must still have, and those that it may have: the account that the tests make for themselves.

use std::collections::{BTreeMap, BTreeSet};

use spanwise_spool::RecordId;

/// Where a record is, as the calls of the spool returned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Appended; no sync returned since.
    Unsynced,
    /// A sync returned `Ok`.
    Stored,
    /// Read and not acknowledged when its segment was evicted: it is in memory only.
    InFlight,
    /// Acknowledged: a crash may deliver it again.
    Acknowledged,
    /// Reported as evicted, expired or not stored: a crash may find it again, and counts it as recovered then.
    Lost,
}

#[derive(Clone, Copy, Debug)]
pub struct Entry {
    pub spans: u64,
    pub state: State,
    /// The disk failed before it was stored: copies of it may be in two segments.
    pub is_rewritten: bool,
}

/// All records that were ever appended, by the number of their request.
#[derive(Clone, Debug, Default)]
pub struct Oracle {
    pub records: BTreeMap<u64, Entry>,
    /// The acknowledgements of this life, in their order.
    pub acknowledged: Vec<(u64, RecordId)>,
    /// The disk failed in this life: a checkpoint may not have been written.
    pub is_faulty: bool,
}

impl Oracle {
    pub fn state(&self, number: u64) -> Option<State> {
        self.records.get(&number).map(|entry| entry.state)
    }

    pub fn set(&mut self, number: u64, state: State) {
        if let Some(entry) = self.records.get_mut(&number) {
            entry.state = state;
        }
    }

    pub fn numbers(&self, state: State) -> Vec<u64> {
        self.records
            .iter()
            .filter(|(_, entry)| entry.state == state)
            .map(|(number, _)| *number)
            .collect()
    }

    pub fn spans(&self, state: State) -> u64 {
        self.records.values().filter(|entry| entry.state == state).map(|entry| entry.spans).sum()
    }

    pub fn spans_of(&self, number: u64) -> u64 {
        self.records.get(&number).map_or(0, |entry| entry.spans)
    }

    /// Records whose acknowledgement is on disk: a checkpoint follows each 16 of them, and has those without a gap before them.
    pub fn checkpointed(&self) -> BTreeSet<u64> {
        let durable = self.acknowledged.len().saturating_sub(CHECKPOINT_RECORDS);
        if self.is_faulty {
            return BTreeSet::new();
        }
        let mut places: Vec<_> = self.acknowledged.iter().take(durable).collect();
        places.sort_by_key(|(_, id)| *id);
        let mut expected = (0, 0);
        let mut numbers = BTreeSet::new();
        for (number, id) in places {
            if id.segment() != expected.0 {
                expected = (id.segment(), 0);
            }
            if id.record() == expected.1 {
                numbers.insert(*number);
                expected.1 += 1;
            }
        }
        numbers
    }

    /// Moves all records of one state to another.
    pub fn move_all(&mut self, from: State, to: State) {
        for entry in self.records.values_mut().filter(|entry| entry.state == from) {
            entry.state = to;
        }
    }

    /// Books that the oldest stored records with `spans` spans were lost, those of `delivered` left out.
    pub fn lose_oldest(&mut self, spans: u64, delivered: &[u64]) -> Result<(), String> {
        let mut rest = spans;
        for number in self.numbers(State::Stored) {
            if rest == 0 {
                break;
            }
            if delivered.contains(&number) {
                continue;
            }
            let own = self.spans_of(number);
            if own > rest {
                return Err(format!(
                    "{spans} evicted spans are no whole records: {rest} of {own} are left"
                ));
            }
            rest -= own;
            self.set(number, State::Lost);
        }
        match rest {
            0 => Ok(()),
            _ => Err(format!("{spans} spans are counted as lost, {rest} more than were stored")),
        }
    }
}

/// The promise of `docs/spool.md`: a crash delivers at most 16 acknowledged records again.
const CHECKPOINT_RECORDS: usize = 16;
