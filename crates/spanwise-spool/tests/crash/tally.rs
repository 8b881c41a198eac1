//! The events that the worlds reached.

/// The counts of a run, over all of its seeds.
#[derive(Clone, Copy, Debug, Default)]
pub struct Tally {
    pub crash_points: u64,
    pub lives: u64,
    pub appended: u64,
    pub stored: u64,
    pub failed_syncs: u64,
    pub evicted: u64,
    pub expired: u64,
    pub duplicates: u64,
    pub copies: u64,
}

impl Tally {
    pub fn add(&mut self, other: &Self) {
        self.crash_points += other.crash_points;
        self.lives += other.lives;
        self.appended += other.appended;
        self.stored += other.stored;
        self.failed_syncs += other.failed_syncs;
        self.evicted += other.evicted;
        self.expired += other.expired;
        self.duplicates += other.duplicates;
        self.copies += other.copies;
    }
}
