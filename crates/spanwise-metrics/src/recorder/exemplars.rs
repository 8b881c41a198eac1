//! The latest exemplars of a histogram.

use std::fmt;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use std::sync::atomic::{AtomicU64, fence};

use spanwise_wire::{SpanId, TraceId};

use crate::model::Exemplar;

/// The span during which a value is recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ObservedSpan {
    /// The trace.
    pub trace_id: TraceId,
    /// The span.
    pub span_id: SpanId,
    /// The time of the observation, in nanoseconds since the Unix epoch.
    pub time_unix_nanos: u64,
}

/// The latest observation with a span in each of several places. A thread that meets another one in its place leaves its exemplar out.
pub(super) struct ExemplarPlaces {
    places: Box<[Place]>,
}

/// One observation, as a sequence lock: odd while a thread writes it, 0 before the first.
#[derive(Default)]
struct Place {
    sequence: AtomicU64,
    words: [AtomicU64; 5],
}

impl ExemplarPlaces {
    /// The places of a histogram in a family.
    pub(super) const FEW: usize = 4;

    pub(super) fn new(places: usize) -> Self {
        Self { places: (0..places).map(|_| Place::default()).collect() }
    }

    /// Replaces the exemplar at `place`, modulo the number of places.
    #[inline(never)]
    pub(super) fn put(&self, place: usize, value: u64, span: ObservedSpan) {
        let Some(place) = place.checked_rem(self.places.len()).and_then(|at| self.places.get(at))
        else {
            return;
        };
        let before = place.sequence.load(Relaxed);
        let is_free = before & 1 == 0;
        // ORDER: Acquire orders the stores below behind those of the last writer; pairs with its Release.
        if !is_free
            || place.sequence.compare_exchange(before, before + 1, Acquire, Relaxed).is_err()
        {
            return;
        }
        // ORDER: a reader that sees a word below sees the odd sequence too; pairs with the fence in `read`.
        fence(Release);
        let ObservedSpan { trace_id, span_id, time_unix_nanos } = span;
        let words =
            [value, time_unix_nanos, (trace_id.0 >> 64) as u64, trace_id.0 as u64, span_id.0];
        for (word, new) in place.words.iter().zip(words) {
            word.store(new, Relaxed);
        }
        // ORDER: Release publishes the words.
        place.sequence.store(before.wrapping_add(2), Release);
    }

    /// As [`put`](Self::put) at `place` modulo [`FEW`](Self::FEW) of that many places, unless the exemplar there is of the last
    /// `interval_nanos`: most calls then only read, and the threads share the memory without contention.
    #[inline]
    pub(super) fn put_after(
        &self,
        place: usize,
        value: u64,
        span: ObservedSpan,
        interval_nanos: u64,
    ) {
        let place = place % Self::FEW;
        let Some(present) = self.places.get(place) else { return };
        let is_recent = |time: u64| span.time_unix_nanos.abs_diff(time) < interval_nanos;
        if !present.time().is_some_and(is_recent) {
            self.put(place, value, span);
        }
    }

    /// The number of places.
    pub(super) fn len(&self) -> usize {
        self.places.len()
    }

    /// Bytes of the places.
    pub(super) fn bytes(&self) -> usize {
        size_of_val(&*self.places)
    }

    /// The exemplars of all places, their values divided by `divisor`.
    pub(super) fn exemplars(&self, divisor: f64) -> Vec<Exemplar> {
        let exemplar = |[value, time, high, low, span]: [u64; 5]| {
            let trace_id = TraceId(u128::from(high) << 64 | u128::from(low));
            Exemplar::new(value as f64 / divisor, time, trace_id, SpanId(span))
        };
        self.places.iter().filter_map(Place::read).map(exemplar).collect()
    }
}

impl Place {
    /// The time of the exemplar; `None` before the first.
    #[inline]
    fn time(&self) -> Option<u64> {
        let [_, time, ..] = &self.words;
        (self.sequence.load(Relaxed) != 0).then(|| time.load(Relaxed))
    }

    /// The words of one observation; `None` before the first, and while other threads write all the time.
    fn read(&self) -> Option<[u64; 5]> {
        for _ in 0..TRIES {
            // ORDER: Acquire sees the words of the observation with this sequence.
            let before = self.sequence.load(Acquire);
            if before == 0 {
                return None;
            }
            let words = self.words.each_ref().map(|word| word.load(Relaxed));
            // ORDER: a word of a later writer makes the sequence below differ; pairs with the fence in `put`.
            fence(Acquire);
            if before & 1 == 0 && self.sequence.load(Relaxed) == before {
                return Some(words);
            }
        }
        None
    }
}

impl fmt::Debug for ExemplarPlaces {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ExemplarPlaces").field("places", &self.places.len()).finish()
    }
}

const TRIES: usize = 16;

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicBool;
    use std::thread;

    use super::*;

    fn span(id: u64) -> ObservedSpan {
        let trace_id = TraceId(u128::from(id) << 64 | u128::from(id));
        ObservedSpan { trace_id, span_id: SpanId(id), time_unix_nanos: id }
    }

    #[test]
    fn the_latest_observation_of_a_place_is_read_whole() {
        let places = ExemplarPlaces::new(2);
        assert_eq!(places.exemplars(1.0), []);
        ExemplarPlaces::new(0).put(0, 1, span(1));
        let ended = AtomicBool::new(false);
        thread::scope(|scope| {
            let writers: Vec<_> = (0..2)
                .map(|writer| {
                    let places = &places;
                    scope.spawn(move || {
                        for id in 0..20_000 {
                            places.put(3, 2 * id + writer, span(2 * id + writer));
                        }
                    })
                })
                .collect();
            let reader = scope.spawn(|| {
                while !ended.load(Relaxed) {
                    for exemplar in places.exemplars(1.0) {
                        let id = exemplar.time_unix_nanos;
                        let expected = Exemplar::new(id as f64, id, span(id).trace_id, SpanId(id));
                        assert_eq!(exemplar, expected);
                    }
                }
            });
            writers.into_iter().for_each(|writer| writer.join().unwrap());
            ended.store(true, Relaxed);
            reader.join().unwrap();
        });
        places.put(3, 10, span(7));
        places.put(0, 4, span(8));
        let values: Vec<f64> =
            places.exemplars(2.0).iter().map(|exemplar| exemplar.value.as_f64()).collect();
        assert_eq!(values, [2.0, 5.0]);
    }
}
