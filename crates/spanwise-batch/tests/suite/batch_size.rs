//! Batch sizes through their public items: bounds, steps, and no oscillation under a constant load.

use proptest::prelude::*;
use spanwise_batch::{
    AdaptiveBatchSize, BatchLimits, BatchObservation, BatchSize, BatchSizer, RequestObservation,
};
use std::time::{Duration, Instant};

const SECOND: Duration = Duration::from_secs(1);

fn adaptive() -> AdaptiveBatchSize {
    AdaptiveBatchSize::default()
}

fn waiting(spans: u64) -> BatchObservation {
    BatchObservation { backlog_spans: spans, ..BatchObservation::default() }
}

#[test]
fn a_fixed_size_never_changes() {
    let now = Instant::now();
    for (limits, expected) in [
        (BatchLimits::spans(512), BatchLimits { spans: 512, bytes: usize::MAX }),
        (BatchLimits::bytes(9), BatchLimits { spans: usize::MAX, bytes: 9 }),
        (BatchLimits { spans: 0, bytes: 0 }, BatchLimits { spans: 1, bytes: 1 }),
    ] {
        let mut sizer = BatchSizer::new(BatchSize::Fixed(limits), now);
        for second in 0..100 {
            sizer.observe(now + second * SECOND, &waiting(u64::from(second) * 10_000));
            assert_eq!(sizer.limits(), expected);
        }
    }
    let both = BatchLimits::spans(512).min(BatchLimits::bytes(9));
    assert_eq!(both, BatchLimits { spans: 512, bytes: 9 });
}

/// The table is the `adjustLoop` of the source document, by hand.
#[test]
fn the_dynamic_size_doubles_and_halves_every_thirty_seconds() {
    let start = Instant::now();
    let mut sizer = BatchSizer::new(BatchSize::Dynamic, start);
    for (seconds, backlog, expected) in [
        (0, 4096, 512),
        (29, 4096, 512),
        (30, 4096, 1024),
        (31, 4096, 1024),
        (59, 0, 1024),
        // Observed late: the next tick is at 90 s all the same.
        (75, 99, 512),
        (89, 2001, 512),
        (90, 2001, 1024),
        (119, 2001, 1024),
        (120, 2001, 2048),
        (150, 100, 2048),
        (180, 99, 1024),
        (210, 0, 512),
        (240, 0, 256),
        (270, 0, 128),
        (300, 0, 128),
        // A ticker drops the ticks that nothing received.
        (600, 4096, 256),
        (629, 4096, 256),
    ] {
        sizer.observe(start + seconds * SECOND, &waiting(backlog));
        assert_eq!(sizer.limits(), BatchLimits::spans(expected), "at {seconds} s");
    }
}

/// A request of other destinations has bytes, and no spans of its own.
#[test]
fn a_request_without_spans_leaves_the_size_of_a_span() {
    let start = Instant::now();
    let mut sizer = BatchSizer::new(BatchSize::Adaptive(adaptive()), start);
    for step in 1..100u32 {
        let request = RequestObservation {
            spans: if step % 2 == 0 { 0 } else { 100 },
            bytes: 25_600,
            latency: Duration::from_millis(1),
            is_accepted: true,
            is_retried: false,
        };
        let observation =
            BatchObservation { backlog_spans: 0, backlog_bytes: 0, request: Some(request) };
        sizer.observe(start + step * Duration::from_millis(50), &observation);
    }
    let limits = sizer.limits();
    let spans = limits.bytes / 256 * 7 / 8;
    assert!((spans * 7 / 10..=spans * 14 / 10).contains(&limits.spans), "{limits:?}");
}

/// A service and a receiver in virtual time: a batch is sent when it is complete or a second old, one
/// after the other.
struct World {
    now: Instant,
    sizer: BatchSizer,
    bytes_per_second: f64,
    /// Seconds of a request, and of each of its bytes.
    fixed: f64,
    per_byte: f64,
    backlog: f64,
    span_bytes: f64,
    noise: u64,
}

impl World {
    fn new(size: AdaptiveBatchSize, bytes_per_second: f64, fixed: f64, per_byte: f64) -> Self {
        let now = Instant::now();
        let sizer = BatchSizer::new(BatchSize::Adaptive(size), now);
        Self {
            now,
            sizer,
            bytes_per_second,
            fixed,
            per_byte,
            backlog: 0.0,
            span_bytes: 256.0,
            noise: 1,
        }
    }

    /// One request, and the size after it.
    fn request(&mut self) -> usize {
        let limit = self.sizer.limits().bytes as f64;
        let missing = (limit - self.backlog).max(0.0) / self.bytes_per_second.max(1e-9);
        self.pass(missing.min(1.0));
        let sent = self.backlog.min(limit);
        self.backlog -= sent;
        let latency = (self.fixed + self.per_byte * sent) * (0.9 + 0.2 * self.noise());
        self.pass(latency);
        let request = RequestObservation {
            spans: (sent / self.span_bytes) as u64,
            bytes: sent as usize,
            latency: Duration::from_secs_f64(latency),
            is_accepted: true,
            is_retried: false,
        };
        let observation = BatchObservation {
            backlog_spans: (self.backlog / self.span_bytes) as u64,
            backlog_bytes: self.backlog as u64,
            request: Some(request),
        };
        self.sizer.observe(self.now, &observation);
        self.sizer.limits().bytes
    }

    fn pass(&mut self, seconds: f64) {
        self.now += Duration::from_secs_f64(seconds);
        // A full queue drops what is above 16 MiB.
        self.backlog = (self.backlog + self.bytes_per_second * seconds).min(16e6);
    }

    /// xorshift64*, in 0..1.
    fn noise(&mut self) -> f64 {
        self.noise ^= self.noise >> 12;
        self.noise ^= self.noise << 25;
        self.noise ^= self.noise >> 27;
        (self.noise.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 40) as f64 / (1u64 << 24) as f64
    }
}

fn any_request() -> impl Strategy<Value = RequestObservation> {
    let bytes = prop_oneof![Just(0), Just(usize::MAX), 0usize..2_000_000];
    let latency = prop_oneof![
        Just(Duration::ZERO),
        Just(Duration::MAX),
        (0u64..20_000).prop_map(Duration::from_millis)
    ];
    let flags = (any::<bool>(), any::<bool>());
    (any::<u64>(), bytes, latency, flags).prop_map(|(spans, bytes, latency, flags)| {
        let (is_accepted, is_retried) = flags;
        RequestObservation { spans, bytes, latency, is_accepted, is_retried }
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(if cfg!(miri) { 4 } else { 256 }))]

    /// Any observation, the clock set back included.
    #[test]
    fn an_adaptive_size_stays_within_its_bounds(
        min in prop_oneof![Just(0usize), 1usize..2_000_000],
        max in prop_oneof![Just(0usize), Just(usize::MAX), 1usize..2_000_000],
        cost in prop_oneof![Just(0usize), Just(usize::MAX), 1usize..1_000_000],
        observations in prop::collection::vec(
            (0u64..40_000, prop_oneof![Just(u64::MAX), 0u64..20_000_000], prop::option::of(any_request())),
            0..60,
        ),
    ) {
        let size = adaptive()
            .with_min_bytes(min)
            .with_max_bytes(max)
            .with_max_spans(77)
            .with_request_cost(cost);
        let start = Instant::now();
        let mut sizer = BatchSizer::new(BatchSize::Adaptive(size), start);
        let (min, max) = (min.max(1), max.max(min).max(1));
        for (millis, backlog_bytes, request) in observations {
            let observation = BatchObservation { backlog_spans: 0, backlog_bytes, request };
            sizer.observe(start + Duration::from_millis(millis), &observation);
            let limits = sizer.limits();
            prop_assert!((min..=max).contains(&limits.bytes), "{limits:?} in {min}..={max}");
            prop_assert!((1..=77).contains(&limits.spans));
        }
    }

    /// Latencies vary by a tenth. The size may settle, and then moves in no two directions.
    #[test]
    fn an_adaptive_size_does_not_oscillate_under_a_constant_load(
        kilobytes_per_second in prop_oneof![1f64..100.0, 100f64..5_000.0, 5_000f64..50_000.0],
        fixed_millis in prop_oneof![0.05f64..1.0, 1f64..100.0],
        nanos_per_byte in prop_oneof![0.1f64..10.0, 10f64..3_000.0],
    ) {
        let rate = kilobytes_per_second * 1e3;
        let mut world = World::new(adaptive(), rate, fixed_millis / 1e3, nanos_per_byte / 1e9);
        (0..300).for_each(|_| {
            world.request();
        });
        let sizes: Vec<usize> = (0..300).map(|_| world.request()).collect();
        let moves: Vec<bool> =
            sizes.windows(2).filter(|pair| pair[0] != pair[1]).map(|pair| pair[1] > pair[0]).collect();
        let turns = moves.windows(2).filter(|pair| pair[0] != pair[1]).count();
        prop_assert!(turns == 0, "{turns} turns of {} moves: {sizes:?}", moves.len());
    }
}

#[test]
fn a_step_of_the_load_moves_an_adaptive_size_to_its_bound() {
    let size = adaptive().with_min_bytes(32 << 10).with_max_bytes(256 << 10);
    let mut world = World::new(size, 1e3, 1e-3, 1e-9);
    (0..20).for_each(|_| {
        world.request();
    });
    assert_eq!(world.sizer.limits().bytes, 32 << 10, "few bytes arrive");
    world.bytes_per_second = 20e6;
    let up = (1..1_000).find(|_| world.request() == 256 << 10).unwrap();
    assert!(up <= 40, "{up} requests to the upper bound");
    world.bytes_per_second = 1e3;
    let down = (1..1_000).find(|_| world.request() == 32 << 10).unwrap();
    assert!(down <= 30, "{down} requests to the lower bound");
}

#[test]
fn a_receiver_that_takes_long_for_each_request_gets_larger_ones() {
    let mut quick = World::new(adaptive(), 1e6, 1e-3, 1e-9);
    let mut slow = World::new(adaptive(), 1e6, 0.3, 1e-9);
    for world in [&mut quick, &mut slow] {
        (0..200).for_each(|_| {
            world.request();
        });
    }
    let [quick, slow_size] = [&quick, &slow].map(|world| world.sizer.limits().bytes);
    assert!(slow_size as f64 >= 1e6 * 0.3, "{slow_size} bytes cannot keep up");
    assert!(slow_size > quick, "{slow_size} and {quick}");
    assert!(slow.backlog < 2e6, "{} bytes wait", slow.backlog);
}

#[test]
fn a_receiver_that_takes_long_for_each_byte_gets_smaller_requests() {
    let mut quick = World::new(adaptive(), 1.5e6, 1e-3, 1e-9);
    let mut slow = World::new(adaptive(), 1.5e6, 1e-3, 1.0 / 2e6);
    for world in [&mut quick, &mut slow] {
        (0..200).for_each(|_| {
            world.request();
        });
    }
    let [quick, slow] = [quick, slow].map(|world| world.sizer.limits().bytes);
    assert!(slow < quick, "{slow} and {quick}");
}

#[test]
fn a_failed_request_halves_an_adaptive_size_until_others_are_accepted() {
    let mut world = World::new(adaptive(), 2e6, 1e-3, 1e-9);
    (0..50).for_each(|_| {
        world.request();
    });
    let before = world.sizer.limits().bytes;
    let request = RequestObservation {
        spans: 1_000,
        bytes: before,
        latency: 10 * SECOND,
        is_accepted: false,
        is_retried: false,
    };
    let failed = BatchObservation { request: Some(request), ..BatchObservation::default() };
    // Four in flight at once fail at once.
    for _ in 0..4 {
        world.now += Duration::from_millis(1);
        world.sizer.observe(world.now, &failed);
    }
    assert_eq!(world.sizer.limits().bytes, before / 2);
    let raised = (1..1_000).find(|_| world.request() >= before * 2 / 3).unwrap();
    assert!(raised <= 10, "{raised} requests until the size is restored");
}

#[test]
fn the_latency_of_a_retried_request_changes_no_size() {
    let mut world = World::new(adaptive(), 2e6, 1e-3, 1e-9);
    (0..100).for_each(|_| {
        world.request();
    });
    let before = world.sizer.limits().bytes;
    for _ in 0..100 {
        world.now += Duration::from_secs_f64(before as f64 / 2e6);
        let request = RequestObservation {
            spans: before as u64 / 256,
            bytes: before,
            latency: 5 * SECOND,
            is_accepted: true,
            is_retried: true,
        };
        let ended = BatchObservation { request: Some(request), ..BatchObservation::default() };
        world.sizer.observe(world.now, &ended);
    }
    assert_eq!(world.sizer.limits().bytes, before);
}

/// Two requests to a receiver that takes one after the other, 1 s for 200 KB: the second one waits for the first.
#[test]
fn a_request_that_waits_for_another_one_counts_from_the_end_of_that() {
    // Sent at once, then one 0.4 s after the other.
    for second in [0.6, 0.2] {
        waits_for_the_first([(0.5, 100_000, 0.5), (0.6, 20_000, second)]);
    }
}

/// Takes the times at which both end, their bytes and their latencies, each second.
fn waits_for_the_first(requests: [(f64, usize, f64); 2]) {
    let start = Instant::now();
    let size = adaptive().with_scheduled_delay(60 * SECOND).with_request_cost(32 << 10);
    let mut sizer = BatchSizer::new(BatchSize::Adaptive(size), start);
    for pair in 0..100 {
        for (ended, bytes, latency) in requests {
            let request = RequestObservation {
                spans: bytes as u64 / 256,
                bytes,
                latency: Duration::from_secs_f64(latency),
                is_accepted: true,
                is_retried: false,
            };
            let observation =
                BatchObservation { request: Some(request), ..BatchObservation::default() };
            sizer.observe(start + Duration::from_secs_f64(f64::from(pair) + ended), &observation);
        }
    }
    // The cheapest size is 60 KB. Were the latency of the second one its own, a request would seem to take up
    // to 0.6 s at any size, and 120 KB a second would need more than 90 KB in each.
    let bytes = sizer.limits().bytes;
    assert!((50_000..80_000).contains(&bytes), "{bytes} bytes");
}

#[test]
fn a_size_that_the_delay_would_not_fill_leaves_the_batch_to_the_delay() {
    for (delay, bytes_per_second) in [(SECOND, 50e3), (5 * SECOND, 5e3)] {
        let size = adaptive().with_scheduled_delay(delay);
        let mut world = World::new(size, bytes_per_second, 1e-3, 1e-9);
        (0..100).for_each(|_| {
            world.request();
        });
        let arrives = bytes_per_second * delay.as_secs_f64();
        let bytes = world.sizer.limits().bytes as f64;
        assert!(bytes > arrives, "{bytes} bytes, of which {arrives} arrive during the delay");
    }
}

#[test]
fn the_limit_in_spans_follows_their_bytes() {
    let mut world = World::new(adaptive().with_max_spans(2_000), 2e6, 1e-3, 1e-9);
    (0..100).for_each(|_| {
        world.request();
    });
    let BatchLimits { spans, bytes } = world.sizer.limits();
    // A batch is complete an eighth before its bytes are reached.
    let expected = bytes / 256 * 7 / 8;
    assert!(spans.abs_diff(expected) * 20 < expected, "{spans} spans in {bytes} bytes");
    world.span_bytes = 16.0;
    (0..100).for_each(|_| {
        world.request();
    });
    assert_eq!(world.sizer.limits().spans, 2_000, "small spans");
}

#[test]
fn a_new_setting_retains_the_measurements_of_an_adaptive_size() {
    let mut world = World::new(adaptive(), 5e6, 1e-3, 1e-9);
    (0..50).for_each(|_| {
        world.request();
    });
    let before = world.sizer.limits().bytes;
    let wider = BatchSize::Adaptive(adaptive().with_max_spans(99));
    world.sizer.set(wider, world.now);
    assert_eq!(world.sizer.limits(), BatchLimits { spans: 99, bytes: before });
    assert_eq!(world.sizer.setting(), wider);
    let lower = BatchSize::Adaptive(adaptive().with_max_bytes(before / 4));
    world.sizer.set(lower, world.now);
    assert_eq!(world.sizer.limits().bytes, before / 4);
    world.sizer.set(BatchSize::Dynamic, world.now);
    assert_eq!(world.sizer.limits(), BatchLimits::spans(512));
}
