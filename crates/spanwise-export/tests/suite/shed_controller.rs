//! The threshold of `OnFull::ShedByTrace`: a fill comes in, a threshold goes out. The oracles are the marks that
//! the documentation states, and models of a queue that is filled and drained.

use proptest::prelude::*;
use spanwise_export::ShedThreshold;
use spanwise_export::sans_io::ShedController;

/// The documented marks.
const LOW: f64 = 0.5;
const HIGH: f64 = 0.92;
const FALLS_AFTER: f64 = 0.4;

/// The probability with which a trace is accepted.
fn probability(threshold: ShedThreshold) -> f64 {
    1.0 - threshold.value() as f64 / (1u64 << 56) as f64
}

fn fresh(fill: f64) -> ShedThreshold {
    ShedController::new().observe(fill)
}

#[test]
fn a_queue_with_a_low_fill_accepts_every_trace_and_a_nearly_full_one_none() {
    for fill in [0.0, 0.1, LOW] {
        assert_eq!(fresh(fill), ShedThreshold::NONE, "{fill}");
    }
    for fill in [HIGH, 0.99, 1.0, 17.0, -1.0, f64::NAN, f64::INFINITY] {
        assert_eq!(fresh(fill), ShedThreshold::ALL, "{fill}");
    }
    assert_eq!(ShedController::new().exhausted(), ShedThreshold::ALL);
    assert_eq!(ShedController::default().threshold(), ShedThreshold::NONE);
}

/// A chunk is about a hundredth of the default budget.
#[test]
fn the_threshold_rises_smoothly_with_the_fill() {
    let mut controller = ShedController::new();
    let mut before = controller.threshold();
    for step in 0..=1000 {
        let threshold = controller.observe(f64::from(step) / 1000.0);
        assert!(threshold >= before, "{step}");
        assert!(probability(before) - probability(threshold) < 0.01, "{step}");
        // At most four digits, as samplers write them.
        assert_eq!(threshold.value() % (1 << 40), 0);
        before = threshold;
    }
    // Small probabilities are reached well before the end of the range.
    assert!(probability(fresh(0.71)) < 1.0 / 15.0 && probability(fresh(0.8)) < 0.01);
    assert!(probability(fresh(0.84)) > 0.001);
}

#[test]
fn no_trace_is_accepted_after_a_span_found_no_space_until_the_fill_has_fallen() {
    let mut controller = ShedController::new();
    controller.exhausted();
    assert_eq!(controller.observe(0.91), ShedThreshold::ALL);
    assert_eq!(controller.observe(0.53), ShedThreshold::ALL);
    assert!(controller.observe(0.45) < ShedThreshold::ALL);
    assert_eq!(controller.observe(LOW - FALLS_AFTER - 0.01), ShedThreshold::NONE);
}

proptest! {
    /// The threshold is never below that of the present fill, so that it rises at once, and never
    /// above that of a fill one hysteresis higher, so that it falls again.
    #[test]
    fn the_threshold_follows_the_fill(fills in prop::collection::vec(0.0..1.0f64, 1..50)) {
        let mut controller = ShedController::new();
        for fill in fills {
            let threshold = controller.observe(fill);
            prop_assert!(threshold >= fresh(fill));
            prop_assert!(threshold <= fresh((fill + FALLS_AFTER + 1e-9).min(1.0)));
            prop_assert_eq!(threshold, controller.threshold());
        }
    }

    #[test]
    fn a_fill_that_moves_by_less_than_the_hysteresis_never_lowers_the_threshold(
        base in 0.0..0.6f64,
        moves in prop::collection::vec(0.0..FALLS_AFTER, 1..50),
    ) {
        let mut controller = ShedController::new();
        let mut highest = ShedThreshold::NONE;
        for fill in moves.into_iter().map(|it| base + it) {
            let threshold = controller.observe(fill);
            prop_assert!(threshold >= highest);
            highest = threshold;
        }
    }
}

/// A queue with space for one unit of spans. Producers make `overload` times the units that the
/// exporter drains, `request` units at once, or less if less is waiting.
struct Plant {
    overload: f64,
    request: f64,
    /// Open traces delay the fill: an accepted trace arrives after this many units are drained.
    delay: f64,
}

struct Course {
    /// The accepted probability at each chunk.
    probabilities: Vec<f64>,
    highest_fill: f64,
    drained: f64,
    lost: f64,
}

impl Plant {
    fn run(&self, units: f64) -> Course {
        const CHUNK: f64 = 0.005;
        let mut controller = ShedController::new();
        let (mut fill, mut due) = (0.0, 0.0);
        let mut coming = std::collections::VecDeque::new();
        let delay = (self.delay / CHUNK * self.overload) as usize;
        let mut course =
            Course { probabilities: Vec::new(), highest_fill: 0.0f64, drained: 0.0, lost: 0.0 };
        // In each step the exporter may drain a chunk, and producers make `overload` ones.
        for step in 1..=(units / CHUNK) as usize {
            let offered = |step: usize| (step as f64 * self.overload) as usize;
            for _ in offered(step - 1)..offered(step) {
                coming.push_back(CHUNK * probability(controller.threshold()));
                if coming.len() <= delay {
                    continue;
                }
                let arriving = coming.pop_front().unwrap();
                if fill + arriving > 1.0 {
                    course.lost += arriving;
                    controller.exhausted();
                } else {
                    fill += arriving;
                    controller.observe(fill);
                }
            }
            course.highest_fill = course.highest_fill.max(fill);
            due += CHUNK;
            if due >= self.request {
                let request = fill.min(self.request);
                fill -= request;
                course.drained += request;
                due -= self.request;
                controller.observe(fill);
            }
            course.probabilities.push(probability(controller.threshold()));
        }
        course
    }
}

/// The share of the offered spans that the exporter can send is accepted, without swings, and the exporter
/// never lacks spans.
#[test]
fn the_threshold_settles_under_a_steady_overload() {
    for overload in [1.2, 2.0, 5.0, 20.0, 100.0] {
        for request in [0.01, 0.05, 0.1] {
            let plant = Plant { overload, request, delay: 0.0 };
            let course = plant.run(40.0);
            let settled = &course.probabilities[course.probabilities.len() / 2..];
            let (min, max) = range(settled);
            assert!(course.highest_fill < 1.0 && course.lost == 0.0, "{overload} {request}");
            assert!(max / min < 1.3, "{overload} {request}: {min} to {max}");
            assert!(max * overload > 0.95 && min * overload < 1.05, "{overload}: {min} to {max}");
            assert!(course.drained > 39.0, "{overload} {request}: {} drained", course.drained);
        }
    }
}

/// Accepted traces arrive later: open ones have as many spans as a twentieth of the queue.
#[test]
fn a_delay_of_the_spans_causes_no_swings_and_no_loss_after_the_start() {
    for overload in [1.2, 2.0, 5.0] {
        let course = Plant { overload, request: 0.05, delay: 0.05 }.run(80.0);
        let settled = &course.probabilities[course.probabilities.len() / 2..];
        let (min, max) = range(settled);
        assert_eq!(course.lost, 0.0, "{overload}");
        assert!(max / min < 2.0, "{overload}: {min} to {max}");
        assert!(course.drained > 78.0, "{overload}: {} drained", course.drained);
    }
}

fn range(values: &[f64]) -> (f64, f64) {
    values.iter().fold((f64::MAX, 0.0), |(min, max), &it| (it.min(min), it.max(max)))
}
