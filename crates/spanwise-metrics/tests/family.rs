//! Families of histograms: every value counts for its key, on any thread, within the limit.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on must fail")]

use std::collections::BTreeMap;
use std::hash::{BuildHasher as _, RandomState};
use std::sync::Barrier;
use std::thread;

use proptest::prelude::*;
use spanwise_metrics::{
    Attribute, ExponentialHistogramRecorder, HistogramFamilyRecorder, HistogramRecorder,
    MetricData, ObservedSpan, OwnedValue, RecorderError, SeriesRecorder, SpanId, TraceId,
};
use spanwise_testkit::CountingAllocator;
use spanwise_testkit::allocator::allocations_on_this_thread;

#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator;

/// A family of keys that are numbers.
struct Family {
    recorder: HistogramFamilyRecorder<u64>,
    hashes: RandomState,
}

impl Family {
    fn new(limit: usize) -> Self {
        let buckets = HistogramRecorder::builder().with_bounds([10.0]).with_exemplars(true);
        let recorder = HistogramFamilyRecorder::explicit(buckets, limit).unwrap();
        Self { recorder, hashes: RandomState::new() }
    }

    fn series(&self, key: u64) -> SeriesRecorder<'_> {
        self.recorder.series(self.hashes.hash_one(key), |other| *other == key, || key)
    }

    /// The counts up to 10 and above, and the sum, by key; `None` is that of all further keys.
    fn values(&self) -> BTreeMap<Option<u64>, (u64, u64, f64)> {
        let data = self.recorder.data(|key| match key {
            Some(key) => vec![Attribute::new("key", *key as i64)],
            None => Vec::new(),
        });
        let MetricData::Histogram(points) = data else { panic!("{data:?}") };
        let mut values = BTreeMap::new();
        for point in points {
            let key = point.attributes().first().map(|attribute| match attribute.value {
                OwnedValue::I64(key) => key as u64,
                _ => panic!("{attribute:?}"),
            });
            let [low, high] = point.bucket_counts() else { panic!("{point:?}") };
            let before = values.insert(key, (*low, *high, point.sum()));
            assert_eq!(before, None, "each key has one point");
        }
        values
    }
}

/// Threads that meet in the first value of each key.
#[test]
fn values_of_all_threads_count_for_their_key() {
    const THREADS: u64 = 8;
    const KEYS: u64 = 300;
    for _ in 0..10 {
        let (family, barrier) = (Family::new(KEYS as usize + THREADS as usize), Barrier::new(8));
        thread::scope(|scope| {
            for _ in 0..THREADS {
                scope.spawn(|| {
                    barrier.wait();
                    for key in 0..KEYS {
                        family.series(key).record(key);
                        let id = family.series(key).id();
                        family.recorder.get(id).record(1);
                    }
                });
            }
        });
        let expected = |key: u64| {
            let low = if key <= 10 { 2 * THREADS } else { THREADS };
            (Some(key), (low, 2 * THREADS - low, (THREADS * (key + 1)) as f64))
        };
        assert_eq!(family.values(), (0..KEYS).map(expected).collect());
    }
}

#[test]
fn keys_beyond_the_limit_share_a_histogram() {
    let family = Family::new(3);
    for round in 0..2 {
        for key in 0..1_000 {
            family.series(key).record(20);
        }
        let of_one = (0, round + 1, 20.0 * (round + 1) as f64);
        let of_others = (0, 997 * (round + 1), 20.0 * (997 * (round + 1)) as f64);
        let keys = [Some(0), Some(1), Some(2)].map(|key| (key, of_one));
        let expected: BTreeMap<_, _> = keys.into_iter().chain([(None, of_others)]).collect();
        assert_eq!(family.values(), expected);
    }
    assert_eq!((family.recorder.len(), family.recorder.is_empty()), (3, false));
}

#[test]
fn a_known_key_allocates_nothing_and_a_full_family_neither() {
    let family = Family::new(2);
    let record = |key| allocations_on_this_thread(|| family.series(key).record(3)).allocations;
    assert!(record(1) > 0);
    assert!(record(2) > 0);
    assert_eq!([1, 2, 3, 4].map(record), [0; 4]);
    thread::scope(|scope| assert_eq!(scope.spawn(|| record(1)).join().unwrap(), 0));
}

#[test]
fn exemplars_are_a_tenth_of_a_second_apart() {
    let family = Family::new(2);
    let span = |millis: u64| ObservedSpan {
        trace_id: TraceId(1),
        span_id: SpanId(millis),
        time_unix_nanos: millis * 1_000_000,
    };
    for millis in [1_000, 1_050, 1_099, 1_100, 1_150] {
        family.series(5).record_with_span(1, span(millis));
    }
    // A clock that goes back by more.
    family.series(5).record_with_span(11, span(1_500));
    family.series(5).record_with_span(11, span(200));
    let data = family.recorder.data(|_| Vec::new());
    let MetricData::Histogram(points) = data else { panic!("{data:?}") };
    let ids = points[0].exemplars().iter().map(|exemplar| exemplar.span_id.0);
    assert_eq!(ids.collect::<Vec<_>>(), [1_100, 200]);
}

#[test]
fn settings_out_of_range_are_errors_with_their_value() {
    let explicit =
        |limit| HistogramFamilyRecorder::<u8>::explicit(HistogramRecorder::builder(), limit);
    for limit in [0, 65_537] {
        let error = explicit(limit).unwrap_err();
        assert_eq!(error.to_string(), format!("series: {limit} is not accepted, 1 to 65536 are"));
    }
    let buckets = HistogramRecorder::builder().with_shards(65);
    let error = HistogramFamilyRecorder::<u8>::explicit(buckets, 1).unwrap_err();
    assert_eq!(error, RecorderError::Shards { shards: 65 });
    let buckets = ExponentialHistogramRecorder::builder().with_scale(9);
    let error = HistogramFamilyRecorder::<u8>::exponential(buckets, 1).unwrap_err();
    assert_eq!(error, RecorderError::Scale { scale: 9 });
}

proptest! {
    /// Each histogram of a family is that of a recorder of its own.
    #[test]
    fn a_family_has_the_histogram_of_each_key(
        values in proptest::collection::vec((0..5_u8, prop_oneof![0..1_000_u64, any::<u64>()]), 1..200),
    ) {
        let buckets = ExponentialHistogramRecorder::builder().with_divisor(1_000);
        let family = HistogramFamilyRecorder::<u8>::exponential(buckets.clone(), 5).unwrap();
        let mut single: BTreeMap<u8, ExponentialHistogramRecorder> = BTreeMap::new();
        for (key, value) in &values {
            family.series((*key).into(), |other| other == key, || *key).record(*value);
            let recorder = single.entry(*key).or_insert_with(|| buckets.clone().build().unwrap());
            recorder.record(*value);
        }
        let data = family.data(|key| vec![Attribute::new("key", i64::from(*key.unwrap()))]);
        let MetricData::ExponentialHistogram(points) = data else { panic!("{data:?}") };
        let expected: Vec<_> = single
            .iter()
            .map(|(key, recorder)| {
                recorder.point().with_attributes([Attribute::new("key", i64::from(*key))])
            })
            .collect();
        let sorted = |mut points: Vec<_>| {
            points.sort_by_key(|point| format!("{point:?}"));
            points
        };
        prop_assert_eq!(sorted(points), sorted(expected));
    }
}
