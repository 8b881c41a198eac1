//! The runs of all traces: neighbouring spans of one trace in one chunk, linked to the next run of the trace.

use spanwise_batch::{Budget, Charge};

/// A slab of runs with stable ids, charged to the budget as it grows.
pub(super) struct Runs {
    // Before `charge`: memory is freed first.
    runs: Vec<Run>,
    charge: Option<Charge>,
    /// The first free run; its `next` is the second.
    free: u32,
}

/// The spans `start..end` of a chunk.
#[derive(Debug, Clone, Copy)]
pub(super) struct Run {
    /// [`NONE`] for a free run.
    pub(super) chunk: u32,
    pub(super) start: u32,
    pub(super) end: u32,
    pub(super) next: u32,
}

impl Default for Runs {
    fn default() -> Self {
        Self { runs: Vec::new(), charge: None, free: NONE }
    }
}

impl Runs {
    /// Stores a run. `None` without capacity.
    pub(super) fn insert(&mut self, run: Run) -> Option<u32> {
        if let Some(slot) = self.runs.get_mut(self.free as usize) {
            let id = std::mem::replace(&mut self.free, slot.next);
            *slot = run;
            return Some(id);
        }
        let id = self.runs.len();
        (id < self.runs.capacity()).then(|| {
            self.runs.push(run);
            id as u32
        })
    }

    /// Doubles the capacity, up to `max` bytes, if `budget` has memory for it.
    pub(super) fn grow(&mut self, budget: &Budget, max: usize) -> bool {
        let capacity = (2 * self.runs.capacity()).max(MIN_CAPACITY);
        let bytes = capacity * size_of::<Run>();
        if capacity >= NONE as usize || bytes > max {
            return false;
        }
        // For the copy, both are charged.
        let Some(charge) = budget.try_charge_reserved(bytes) else {
            return false;
        };
        self.runs.reserve_exact(capacity - self.runs.len());
        self.charge = Some(charge);
        true
    }

    pub(super) fn get(&self, id: u32) -> Option<&Run> {
        self.runs.get(id as usize)
    }

    pub(super) fn get_mut(&mut self, id: u32) -> Option<&mut Run> {
        self.runs.get_mut(id as usize)
    }

    /// Frees a run and returns it.
    pub(super) fn remove(&mut self, id: u32) -> Option<Run> {
        let slot = self.runs.get_mut(id as usize)?;
        let run = std::mem::replace(
            slot,
            Run { chunk: NONE, start: 0, end: 0, next: std::mem::replace(&mut self.free, id) },
        );
        Some(run)
    }

    /// All runs that are not free.
    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Run> {
        self.runs.iter_mut().filter(|run| run.chunk != NONE)
    }

    /// Frees the memory, if all runs are free.
    pub(super) fn trim(&mut self) {
        if self.charge.is_some() && self.runs.iter().all(|run| run.chunk == NONE) {
            *self = Self::default();
        }
    }

    /// Bytes charged.
    pub(super) fn charged(&self) -> usize {
        self.charge.as_ref().map_or(0, Charge::bytes)
    }
}

/// No run, slot or chunk.
pub(super) const NONE: u32 = u32::MAX;
const MIN_CAPACITY: usize = 64;
