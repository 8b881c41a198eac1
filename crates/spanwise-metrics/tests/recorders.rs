//! Recorders that many threads share, against plain sums, and without allocation.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on must fail")]

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread;

use proptest::prelude::*;
use spanwise_metrics::{
    CounterRecorder, Exemplar, ExponentialHistogramRecorder, HistogramRecorder, ObservedSpan,
    RecorderError, SpanId, TraceId, UpDownCounterRecorder,
};
use spanwise_testkit::CountingAllocator;
use spanwise_testkit::allocator::allocations_on_this_thread;

#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator;

#[test]
fn a_record_allocates_nothing_also_the_first_of_a_thread() {
    let (counter, level) = (CounterRecorder::new(), UpDownCounterRecorder::new());
    let explicit = HistogramRecorder::builder().build().unwrap();
    let exponential = ExponentialHistogramRecorder::builder().build().unwrap();
    let record = || {
        let record = || {
            counter.add(1);
            level.add(-1);
            explicit.record(7);
            exponential.record(7);
        };
        allocations_on_this_thread(record).allocations
    };
    thread::scope(|scope| {
        for _ in 0..3 {
            assert_eq!(scope.spawn(record).join().unwrap(), 0);
        }
    });
    assert_eq!((counter.value(), level.value()), (3, -3));
}

/// Sums of more threads than slots, of which a part shares one shard, with threads that come and go.
#[test]
fn no_record_of_any_thread_is_lost() {
    for shards in [0, 1, 3, 64] {
        let counter = CounterRecorder::with_shards(shards).unwrap();
        let level = UpDownCounterRecorder::with_shards(shards).unwrap();
        let explicit = HistogramRecorder::builder().with_shards(shards).build().unwrap();
        let exponential =
            ExponentialHistogramRecorder::builder().with_shards(shards).build().unwrap();
        let ended = AtomicBool::new(false);
        let record = |thread: u64| {
            for value in 0..500 {
                counter.add(2);
                level.add(if thread.is_multiple_of(2) { 3 } else { -3 });
                explicit.record(value);
                exponential.record(value);
            }
        };
        thread::scope(|scope| {
            let reader = scope.spawn(|| {
                let mut last = (0, 0.0, 0);
                while !ended.load(Relaxed) {
                    let point = explicit.point();
                    let now = (counter.value(), point.sum(), point.count());
                    assert!(
                        now.0 >= last.0 && now.1 >= last.1 && now.2 >= last.2,
                        "{now:?} {last:?}"
                    );
                    last = now;
                }
            });
            for round in 0..2 {
                let threads: Vec<_> = (0..70)
                    .map(|thread| scope.spawn(move || record(round * 70 + thread)))
                    .collect();
                threads.into_iter().for_each(|thread| thread.join().unwrap());
            }
            ended.store(true, Relaxed);
            reader.join().unwrap();
        });
        let (records, sum) = (140 * 500, 140 * (0..500).sum::<u64>());
        assert_eq!((counter.value(), level.value()), (2 * records, 0), "{shards} shards");
        let (explicit, exponential) = (explicit.point(), exponential.point());
        assert_eq!((explicit.count(), explicit.sum()), (records, sum as f64));
        assert_eq!((exponential.count(), exponential.sum), (records, sum as f64));
        assert_eq!(exponential.zero_count, 140);
    }
}

#[test]
fn settings_out_of_range_are_errors_with_their_value() {
    let bounds = |bounds: Vec<f64>| {
        HistogramRecorder::builder()
            .with_bounds(bounds)
            .build()
            .map(drop)
            .map_err(|error| error.to_string())
    };
    let refused = |bound: &str| {
        Err(format!(
            "bounds: {bound} is not accepted; finite numbers from 0 on in ascending order are"
        ))
    };
    assert_eq!(bounds(vec![]), Ok(()));
    assert_eq!(bounds(vec![0.0, 1.0, 1.0]), refused("1"));
    assert_eq!(bounds(vec![-1.0]), refused("-1"));
    assert_eq!(bounds(vec![1.0, f64::NAN]), refused("NaN"));
    assert_eq!(bounds(vec![f64::INFINITY]), refused("inf"));
    let many: Vec<f64> = (0..65).map(f64::from).collect();
    assert_eq!(bounds(many), Err("bounds: 65 are too many, at most 64 are accepted".to_owned()));
    let divisor = HistogramRecorder::builder().with_divisor(0).build().unwrap_err();
    assert_eq!(divisor.to_string(), "divisor: 0 is not accepted, at least 1 is");
    let shards = CounterRecorder::with_shards(65).unwrap_err();
    assert_eq!(shards.to_string(), "shards: 65 are too many, at most 64 are accepted");
    let builder = ExponentialHistogramRecorder::builder;
    assert_eq!(builder().with_scale(6).build().unwrap_err(), RecorderError::Scale { scale: 6 });
    assert_eq!(builder().with_divisor(0).build().unwrap_err(), RecorderError::Divisor);
    for (min, max) in [(0.0, 1.0), (1.0, 1.0), (-1.0, 1.0), (1.0, f64::INFINITY), (f64::NAN, 1.0)] {
        let error = builder().with_range(min, max).build().unwrap_err();
        assert!(error.to_string().starts_with(&format!("range: {min} to {max}")), "{error}");
    }
}

#[test]
fn a_range_bounds_the_memory() {
    let builder =
        || ExponentialHistogramRecorder::builder().with_divisor(1_000_000_000).with_shards(1);
    let (all, few) = (builder().build().unwrap(), builder().with_range(1e-6, 1e3).build().unwrap());
    // 65 powers of two with 8 buckets, and 30; two shards.
    assert_eq!((all.memory_bytes(), few.memory_bytes()), (2 * 33 * 128, 2 * 16 * 128));
    few.record(1_000);
    few.record(1_001);
    few.record(u64::MAX);
    let point = few.point();
    assert_eq!((point.zero_count, point.zero_threshold, point.count()), (1, 1e-6, 3));
    let last = point.positive.offset + point.positive.counts.len() as i32 - 1;
    assert!((900.0..1_100.0).contains(&point.upper_bound(last)), "{point:?}");
}

#[test]
fn the_latest_span_of_a_bucket_is_its_exemplar() {
    let span = |id: u64| ObservedSpan {
        trace_id: TraceId(id.into()),
        span_id: SpanId(id),
        time_unix_nanos: id,
    };
    let explicit = HistogramRecorder::builder().with_bounds([1.0, 10.0]).with_divisor(10);
    let exponential = ExponentialHistogramRecorder::builder().with_divisor(10);
    let ids = |exemplars: &[Exemplar]| -> Vec<(f64, u64)> {
        exemplars.iter().map(|exemplar| (exemplar.value.as_f64(), exemplar.span_id.0)).collect()
    };
    for with_exemplars in [true, false] {
        let explicit = explicit.clone().with_exemplars(with_exemplars).build().unwrap();
        let exponential = exponential.clone().with_exemplars(with_exemplars).build().unwrap();
        for (value, id) in [(5, 1), (6, 2), (200, 3)] {
            explicit.record_with_span(value, span(id));
            exponential.record_with_span(value, span(id));
        }
        explicit.record(7);
        let (explicit, exponential) = (explicit.point(), exponential.point());
        assert_eq!((explicit.count(), exponential.count()), (4, 3));
        if with_exemplars {
            assert_eq!(ids(explicit.exemplars()), [(0.6, 2), (20.0, 3)]);
            assert_eq!(exponential.exemplars.len(), 3);
        } else {
            assert!(explicit.exemplars().is_empty() && exponential.exemplars.is_empty());
        }
    }
}

proptest! {
    #[test]
    fn an_explicit_bucket_has_the_values_between_its_bounds(
        values in proptest::collection::vec(0..20_000_u64, 0..60),
        mut bounds in proptest::collection::vec(0..2_000_u32, 0..20),
    ) {
        bounds.sort_unstable();
        bounds.dedup();
        // The reported unit is ten recorded ones.
        let bounds: Vec<f64> = bounds.into_iter().map(f64::from).collect();
        let builder = HistogramRecorder::builder().with_bounds(bounds.clone()).with_divisor(10);
        let recorder = builder.build().unwrap();
        values.iter().for_each(|value| recorder.record(*value));
        let edges: Vec<f64> = [-1.0].into_iter().chain(bounds).chain([f64::INFINITY]).collect();
        let inside = |edge: &[f64]| {
            let is_inside = |value: &&u64| **value as f64 / 10.0 > edge[0] && **value as f64 / 10.0 <= edge[1];
            values.iter().filter(is_inside).count() as u64
        };
        let expected: Vec<u64> = edges.windows(2).map(inside).collect();
        let point = recorder.point();
        prop_assert_eq!(point.bucket_counts(), expected);
    }

    #[test]
    fn an_exponential_point_has_few_buckets_around_its_values(
        values in proptest::collection::vec(prop_oneof![0..1_000_u64, any::<u64>()], 1..60),
        scale in 0..=5_u8,
    ) {
        let recorder = ExponentialHistogramRecorder::builder()
            .with_scale(scale)
            .with_divisor(1_000)
            .build()
            .unwrap();
        values.iter().for_each(|value| recorder.record(*value));
        let point = recorder.point();
        prop_assert!(point.positive.counts.len() <= ExponentialHistogramRecorder::MAX_BUCKETS);
        prop_assert!(point.scale <= i32::from(scale));
        // Every value is counted up to the bound above it: compared at each bound, but for values within its error of rounding.
        let mut count = point.zero_count;
        for (place, in_bucket) in point.positive.counts.iter().enumerate() {
            count += in_bucket;
            let bound = point.upper_bound(point.positive.offset + place as i32);
            let up_to = |bound: f64| values.iter().filter(|value| **value as f64 / 1e3 <= bound).count() as u64;
            prop_assert!(count >= up_to(bound * (1.0 - 1e-12)) && count <= up_to(bound * (1.0 + 1e-12)));
        }
        prop_assert_eq!(count, values.len() as u64);
    }
}
