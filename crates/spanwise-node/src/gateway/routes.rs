//! The peer of a trace: by the ring, and after a change of the peers by the ring before it for traces that had begun.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use spanwise_transport::Ring;

use super::recent::{RecentTraces, Seen, Step};

/// The present ring and those before it.
///
/// For one decision wait after a change, a trace that had begun stays with its peer, if that is still one. A ring is remembered for
/// a second wait, in which the traces that lasted longer move, and are counted.
pub(crate) struct Routes {
    epoch: u16,
    ring: Arc<Ring>,
    /// In the order of their epochs.
    previous: Vec<Previous>,
    /// The end of the second wait of the latest one.
    settled_at: Option<Instant>,
}

/// A ring that was replaced.
#[derive(Clone)]
struct Previous {
    epoch: u16,
    ring: Arc<Ring>,
    /// The numbers of its peers now; `None` for those that left.
    now: Vec<Option<usize>>,
    /// The end of the first wait.
    ends: Instant,
    /// The end of the second one.
    forgotten: Instant,
}

/// The traces of a request that a change of the peers concerns.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Changed {
    /// Spans that followed their trace to the peer that had it before the change.
    pub(crate) stayed_spans: u64,
    /// Traces whose spans are at two peers, or may be.
    pub(crate) torn_traces: u64,
}

impl Routes {
    pub(crate) fn new(ring: Ring) -> Self {
        Self { epoch: 0, ring: Arc::new(ring), previous: Vec::new(), settled_at: None }
    }

    /// The routes after a change of the peers at `now`.
    pub(crate) fn next(&self, ring: Ring, now: Instant, wait: Duration) -> Self {
        let names: HashMap<&str, usize> =
            ring.endpoints().iter().map(String::as_str).zip(0..).collect();
        let of_ring = |ring: &Ring| -> Vec<Option<usize>> {
            ring.endpoints().iter().map(|name| names.get(name.as_str()).copied()).collect()
        };
        let ends = spanwise_worker::deadline(now, wait);
        let forgotten = spanwise_worker::deadline(ends, wait);
        let latest = Previous {
            epoch: self.epoch,
            ring: Arc::clone(&self.ring),
            now: Vec::new(),
            ends,
            forgotten,
        };
        let remembered = self.previous.iter().filter(|previous| now < previous.forgotten);
        let mut previous: Vec<Previous> = remembered.cloned().chain([latest]).collect();
        for previous in &mut previous {
            previous.now = of_ring(&previous.ring);
        }
        previous.drain(..previous.len().saturating_sub(MAX_PREVIOUS));
        Self {
            epoch: self.epoch.wrapping_add(1),
            ring: Arc::new(ring),
            previous,
            settled_at: Some(forgotten),
        }
    }

    /// The names of the peers, in the order of their numbers.
    pub(crate) fn names(&self) -> &[String] {
        self.ring.endpoints()
    }

    /// The routes of the spans that arrive at `now`.
    pub(crate) fn at<'a>(&'a self, now: Instant, recent: &'a RecentTraces) -> RoutesAt<'a> {
        let is_settled = self.settled_at.is_none_or(|at| now >= at);
        let step = recent.step(now);
        RoutesAt { routes: self, recent, now, step, is_settled, changed: Changed::default() }
    }
}

/// The routes at an instant.
pub(crate) struct RoutesAt<'a> {
    routes: &'a Routes,
    recent: &'a RecentTraces,
    now: Instant,
    step: Step,
    /// The latest change is over.
    is_settled: bool,
    pub(crate) changed: Changed,
}

impl RoutesAt<'_> {
    /// The number of the peer of a trace that has a span now.
    #[inline]
    pub(crate) fn peer(&mut self, trace_id: &[u8; 16]) -> usize {
        let peer = self.routes.ring.index(*trace_id);
        let seen = self.recent.see(trace_id, self.routes.epoch, self.step);
        match seen {
            _ if self.is_settled => peer,
            Seen::New => peer,
            Seen::Before(epoch) if epoch == self.routes.epoch => peer,
            Seen::Before(epoch) => self.peer_before(trace_id, epoch, peer),
            Seen::Unknown => {
                let has_moved = |previous: &Previous| previous.peer(trace_id) != Some(peer);
                let mut in_first_wait =
                    self.routes.previous.iter().filter(|previous| self.now < previous.ends);
                self.changed.torn_traces += u64::from(in_first_wait.any(has_moved));
                peer
            }
        }
    }

    /// The peer of a trace that was routed by the ring of `epoch`; `peer` is the present one.
    fn peer_before(&mut self, trace_id: &[u8; 16], epoch: u16, peer: usize) -> usize {
        let previous = &self.routes.previous;
        // While nothing changed, entries retain the epoch of their first span: its ring is that before the first change.
        let of_epoch = previous.iter().find(|previous| previous.epoch == epoch);
        let Some(previous) = of_epoch.or(previous.first()) else { return peer };
        match previous.peer(trace_id) {
            Some(before) if before == peer => {
                self.recent.move_to(trace_id, self.routes.epoch);
                peer
            }
            Some(before) if self.now < previous.ends => {
                self.changed.stayed_spans += 1;
                before
            }
            _ => {
                let is_first = self.recent.move_to(trace_id, self.routes.epoch);
                self.changed.torn_traces += u64::from(is_first);
                peer
            }
        }
    }
}

impl Previous {
    /// The present number of the peer that a trace had.
    fn peer(&self, trace_id: &[u8; 16]) -> Option<usize> {
        self.now.get(self.ring.index(*trace_id)).copied().flatten()
    }
}

/// The most rings that are remembered; each has up to 1.6 MB, for 1,000 peers.
const MAX_PREVIOUS: usize = 8;

#[cfg(test)]
mod tests {
    use spanwise_transport::RingVersion;

    use super::*;

    const WAIT: Duration = Duration::from_secs(10);

    fn ring(names: &[&str]) -> Ring {
        Ring::new(RingVersion::V3, names.iter().copied()).unwrap()
    }

    fn ids(range: std::ops::Range<u128>) -> impl Iterator<Item = [u8; 16]> {
        range.map(|number| (number.wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_0c5f)).to_be_bytes())
    }

    /// The names of the peers of traces, and what was counted.
    fn peers(
        routes: &Routes,
        recent: &RecentTraces,
        now: Instant,
        ids: impl Iterator<Item = [u8; 16]>,
    ) -> (Vec<String>, Changed) {
        let mut at = routes.at(now, recent);
        let peers = ids.map(|id| routes.names()[at.peer(&id)].clone()).collect();
        (peers, at.changed)
    }

    #[test]
    fn traces_that_have_begun_stay_for_a_wait_and_new_ones_follow_the_new_ring() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let recent = RecentTraces::new(1 << 20, WAIT, start);
        let routes = Routes::new(ring(&["a", "b", "c"]));
        let (before, changed) = peers(&routes, &recent, start, ids(0..1_000));
        assert_eq!(changed, Changed::default());
        let joined = routes.next(ring(&["d", "c", "b", "a"]), at(5), WAIT);
        let (after, changed) = peers(&joined, &recent, at(6), ids(0..1_000));
        assert_eq!(after, before);
        let moved = ids(0..1_000).zip(&before).filter(|(id, name)| {
            let new = ring(&["a", "b", "c", "d"]);
            new.endpoint(*id) != name.as_str()
        });
        let moved = moved.count() as u64;
        assert!((150..350).contains(&moved), "a quarter moves: {moved}");
        assert_eq!(changed, Changed { stayed_spans: moved, torn_traces: 0 });
        // New traces follow the new ring, and stay there.
        let new = ring(&["a", "b", "c", "d"]);
        let expected: Vec<_> = ids(1_000..2_000).map(|id| new.endpoint(id).to_owned()).collect();
        for seconds in [7, 14, 16, 40] {
            let (peers, changed) = peers(&joined, &recent, at(seconds), ids(1_000..2_000));
            assert_eq!((peers, changed), (expected.clone(), Changed::default()), "{seconds} s");
        }
    }

    #[test]
    fn traces_that_last_longer_than_the_wait_are_torn_and_counted_once() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let recent = RecentTraces::new(1 << 20, WAIT, start);
        let routes = Routes::new(ring(&["a", "b", "c"]));
        let (before, _) = peers(&routes, &recent, start, ids(0..1_000));
        let joined = routes.next(ring(&["a", "b", "c", "d"]), at(1), WAIT);
        peers(&joined, &recent, at(8), ids(0..1_000));
        let (after, changed) = peers(&joined, &recent, at(12), ids(0..1_000));
        let moved = before.iter().zip(&after).filter(|(before, after)| before != after).count();
        assert!(moved > 100);
        assert_eq!(changed, Changed { stayed_spans: 0, torn_traces: moved as u64 });
        let (again, changed) = peers(&joined, &recent, at(13), ids(0..1_000));
        assert_eq!((again, changed), (after, Changed::default()));
    }

    #[test]
    fn traces_of_a_peer_that_left_are_torn_and_no_others() {
        let start = Instant::now();
        let recent = RecentTraces::new(1 << 20, WAIT, start);
        let routes = Routes::new(ring(&["a", "b", "c"]));
        let (before, _) = peers(&routes, &recent, start, ids(0..1_000));
        let left = routes.next(ring(&["c", "a"]), start, WAIT);
        let (after, changed) = peers(&left, &recent, start, ids(0..1_000));
        let of_b = before.iter().filter(|name| *name == "b").count();
        assert_eq!(changed, Changed { stayed_spans: 0, torn_traces: of_b as u64 });
        for (before, after) in before.iter().zip(&after) {
            assert!(before == after || before == "b");
        }
    }

    #[test]
    fn several_changes_in_a_wait_leave_a_trace_where_it_began() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let recent = RecentTraces::new(1 << 20, WAIT, start);
        let mut routes = Routes::new(ring(&["a", "b", "c"]));
        let (before, _) = peers(&routes, &recent, start, ids(0..1_000));
        routes = routes.next(ring(&["a", "b", "c", "d"]), at(1), WAIT);
        let (second, _) = peers(&routes, &recent, at(1), ids(1_000..2_000));
        routes = routes.next(ring(&["e", "d", "a", "b", "c"]), at(2), WAIT);
        assert_eq!(peers(&routes, &recent, at(3), ids(0..1_000)).0, before);
        assert_eq!(peers(&routes, &recent, at(3), ids(1_000..2_000)).0, second);
        let (_, changed) = peers(&routes, &recent, at(4), ids(2_000..3_000));
        assert_eq!(changed, Changed::default());
    }

    #[test]
    fn long_traces_of_a_quiet_time_stay_at_the_next_change() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let recent = RecentTraces::new(1 << 20, WAIT, start);
        let mut routes = Routes::new(ring(&["a", "b"]));
        routes = routes.next(ring(&["a", "b", "c"]), at(0), WAIT);
        routes = routes.next(ring(&["a", "b", "c", "d"]), at(100), WAIT);
        let (before, _) = peers(&routes, &recent, at(121), ids(0..1_000));
        for seconds in 122..200 {
            assert_eq!(peers(&routes, &recent, at(seconds), ids(0..1_000)).0, before);
        }
        routes = routes.next(ring(&["a", "b", "c", "d", "e"]), at(200), WAIT);
        assert_eq!(peers(&routes, &recent, at(201), ids(0..1_000)).0, before);
    }

    #[test]
    fn a_trace_that_a_full_table_may_have_forgotten_counts_as_torn_if_it_moves() {
        let start = Instant::now();
        let recent = RecentTraces::new(64, WAIT, start);
        let routes = Routes::new(ring(&["a", "b"]));
        let (before, _) = peers(&routes, &recent, start, ids(0..1_000));
        let joined = routes.next(ring(&["a", "b", "c"]), start, WAIT);
        let (after, changed) = peers(&joined, &recent, start, ids(0..900));
        let moved = before.iter().zip(&after).filter(|(before, after)| before != after).count();
        assert!(moved > 200);
        assert_eq!(changed.torn_traces, moved as u64);
    }
}
