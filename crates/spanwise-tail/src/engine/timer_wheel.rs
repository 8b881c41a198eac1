//! A timer wheel whose lists are links in the entries of a table.

/// The place of an entry in the wheel.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Links {
    previous: u32,
    next: u32,
    bucket: u16,
}

impl Links {
    /// In no list.
    pub(crate) const NONE: Self = Self { previous: NONE, next: NONE, bucket: NO_BUCKET };
}

/// Entries by the tick at which they are due, at most one turn ahead. Entries of one tick keep their order.
pub(crate) struct TimerWheel {
    buckets: Vec<Bucket>,
    len: usize,
    /// No entry is due before this tick.
    start: u64,
}

#[derive(Clone, Copy)]
struct Bucket {
    first: u32,
    last: u32,
}

impl TimerWheel {
    /// A wheel for deadlines at most `ticks` ahead.
    pub(crate) fn new(ticks: u16) -> Self {
        let empty = Bucket { first: NONE, last: NONE };
        Self { buckets: vec![empty; usize::from(ticks) + 2], len: 0, start: 0 }
    }

    pub(crate) fn bytes(ticks: u16) -> usize {
        (usize::from(ticks) + 2) * size_of::<Bucket>()
    }

    fn bucket_of(&self, tick: u64) -> u16 {
        (tick % self.buckets.len() as u64) as u16
    }

    /// The tick of a bucket: the first from `start` on that falls into it.
    fn tick_of(&self, bucket: u16) -> u64 {
        let (bucket, first) = (u64::from(bucket), u64::from(self.bucket_of(self.start)));
        // One division in place of two: each decision asks.
        let turn = if bucket < first { self.buckets.len() as u64 } else { 0 };
        self.start + bucket + turn - first
    }

    /// The tick at which an entry is due; `None` if it is in no list.
    pub(crate) fn deadline(&self, links: &Links) -> Option<u64> {
        (links.bucket != NO_BUCKET).then(|| self.tick_of(links.bucket))
    }

    /// Adds an entry at the end of the list of its tick. A tick beyond one turn counts as the last one.
    pub(crate) fn insert<E: AsMut<Links>>(&mut self, entries: &mut [E], slot: u32, deadline: u64) {
        // Without entries the wheel starts anew, so that the earlier ticks are not searched.
        if self.len == 0 {
            self.start = deadline;
        }
        // `earliest` moved the start to the first entry. The caller's time never goes back, so that no other entry is more
        // than one turn behind this deadline.
        self.start = self.start.min(deadline);
        let last_tick = self.start + self.buckets.len() as u64 - 1;
        let bucket = self.bucket_of(deadline.clamp(self.start, last_tick));
        let Some(list) = self.buckets.get_mut(usize::from(bucket)) else { return };
        let previous = std::mem::replace(&mut list.last, slot);
        if previous == NONE {
            list.first = slot;
        }
        set(entries, previous, |links| links.next = slot);
        set(entries, slot, |links| *links = Links { previous, next: NONE, bucket });
        self.len += 1;
    }

    /// Removes an entry; does nothing if it is in no list.
    pub(crate) fn remove<E: AsMut<Links>>(&mut self, entries: &mut [E], slot: u32) {
        let Some(links) = entries.get_mut(slot as usize).map(|entry| *entry.as_mut()) else {
            return;
        };
        let Links { previous, next, bucket } = links;
        let Some(list) = self.buckets.get_mut(usize::from(bucket)) else { return };
        if list.first == slot {
            list.first = next;
        }
        if list.last == slot {
            list.last = previous;
        }
        set(entries, previous, |links| links.next = next);
        set(entries, next, |links| links.previous = previous);
        set(entries, slot, |links| *links = Links::NONE);
        self.len -= 1;
    }

    /// Moves an entry to an earlier tick; does nothing if the tick is not earlier.
    pub(crate) fn hasten<E: AsMut<Links>>(&mut self, entries: &mut [E], slot: u32, deadline: u64) {
        let bucket = entries.get_mut(slot as usize).map(|entry| entry.as_mut().bucket);
        if bucket.is_some_and(|bucket| bucket != NO_BUCKET && deadline < self.tick_of(bucket)) {
            self.remove(entries, slot);
            self.insert(entries, slot, deadline);
        }
    }

    /// The first entry with the tick at which it is due.
    pub(crate) fn earliest(&mut self) -> Option<(u32, u64)> {
        if self.len == 0 {
            return None;
        }
        loop {
            let bucket = usize::from(self.bucket_of(self.start));
            match self.buckets.get(bucket) {
                Some(list) if list.first != NONE => return Some((list.first, self.start)),
                // Ends: an entry is at most one turn ahead.
                _ => self.start += 1,
            }
        }
    }

    /// The first entry, if it is due at the tick `now`.
    pub(crate) fn due(&mut self, now: u64) -> Option<u32> {
        self.earliest().filter(|(_, deadline)| *deadline <= now).map(|(slot, _)| slot)
    }
}

fn set<E: AsMut<Links>>(entries: &mut [E], slot: u32, change: impl FnOnce(&mut Links)) {
    if let Some(entry) = entries.get_mut(slot as usize) {
        change(entry.as_mut());
    }
}

const NONE: u32 = u32::MAX;
/// No wheel has as many buckets.
const NO_BUCKET: u16 = u16::MAX;

#[cfg(test)]
mod tests {
    use super::*;

    struct Entry(Links);

    impl AsMut<Links> for Entry {
        fn as_mut(&mut self) -> &mut Links {
            &mut self.0
        }
    }

    #[test]
    fn entries_are_due_in_the_order_of_a_sorted_list() {
        let turn = 20u64;
        let mut wheel = TimerWheel::new(turn as u16);
        let mut entries: Vec<Entry> = (0..64).map(|_| Entry(Links::NONE)).collect();
        // (deadline, order, slot) of what is in the wheel.
        let mut model: Vec<(u64, u64, u32)> = Vec::new();
        let (mut state, mut now, mut order) = (1u64, 0u64, 0u64);
        for _ in 0..50_000 {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            let random = state >> 33;
            order += 1;
            match random % 8 {
                0..4 => {
                    let slot = (random >> 8) as u32 % 64;
                    let deadline = now + 1 + (random >> 16) % turn;
                    match model.iter().position(|(_, _, other)| *other == slot) {
                        None => {
                            wheel.insert(&mut entries, slot, deadline);
                            model.push((deadline, order, slot));
                        }
                        Some(at) => {
                            wheel.hasten(&mut entries, slot, deadline);
                            if deadline < model[at].0 {
                                model[at] = (deadline, order, slot);
                            }
                        }
                    }
                }
                4 if !model.is_empty() => {
                    let (_, _, slot) = model.remove((random >> 8) as usize % model.len());
                    wheel.remove(&mut entries, slot);
                }
                _ => {
                    now += random % 3;
                    model.sort();
                    while let Some(slot) = wheel.due(now) {
                        assert_eq!(model.remove(0).2, slot);
                        wheel.remove(&mut entries, slot);
                    }
                    assert!(model.iter().all(|(deadline, ..)| *deadline > now));
                }
            }
            model.sort();
            let expected = model.first().map(|(deadline, _, slot)| (*slot, *deadline));
            assert_eq!(wheel.earliest(), expected);
        }
    }
}
