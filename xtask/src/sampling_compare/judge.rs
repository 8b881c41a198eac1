//! The numbers of a comparison that are the same each time.

use super::contestant::{Contestant, Outcome};
use super::load::{Load, ROUTES, SECONDS, Trace};

/// The results of one sampler over all seeds.
pub(super) struct Judged {
    pub(super) contestant: Contestant,
    /// The shares of all, error and slow traces that were sampled, and of those of the rarest route.
    pub(super) shares: [f64; 4],
    /// Sampled traces per second, in the third with the load that is ten times as high over that before.
    pub(super) growth: f64,
    /// Root mean square of the relative errors of estimated numbers of traces: of all, of the rarest route, of errors.
    pub(super) errors: [f64; 3],
    /// The share of sampled traces without a known probability.
    pub(super) uncounted: f64,
    /// The mean and the most, in seconds.
    pub(super) delay: (f64, f64),
    pub(super) memory: usize,
    /// Sampled traces, and sampled error traces, by the second of their start; of the first seed.
    pub(super) series: [Vec<f64>; 2],
}

/// All samplers with the loads of all seeds.
pub(super) struct Comparison {
    pub(super) judged: Vec<Judged>,
    /// All traces, and error traces, by the second of their start; of the first seed.
    pub(super) offered: [Vec<f64>; 2],
    /// Traces, spans, error traces, slow traces and traces of the rarest route; of the first seed.
    pub(super) size: [u64; 5],
}

type Kind = fn(&Trace) -> bool;

const RAREST: Kind = |trace| trace.route + 1 == ROUTES.len();
const KINDS: [Kind; 4] = [|_| true, |trace| trace.is_error, |trace| trace.is_slow, RAREST];
/// The kinds whose number is estimated.
const ESTIMATED: [Kind; 3] = [|_| true, RAREST, |trace| trace.is_error];

impl Comparison {
    pub(super) fn run() -> Result<Self, String> {
        let loads: Vec<Load> = std::thread::scope(|threads| {
            let running: Vec<_> =
                SEEDS.map(|seed| threads.spawn(move || Load::new(seed))).into_iter().collect();
            running.into_iter().filter_map(|thread| thread.join().ok()).collect()
        });
        let first = loads.first().ok_or("no load")?;
        let judged: Result<Vec<Judged>, String> = std::thread::scope(|threads| {
            let loads = &loads;
            let running = Contestant::ALL.map(|one| threads.spawn(move || Judged::new(one, loads)));
            let panicked = |_| Err("a sampler panicked".to_owned());
            running.into_iter().map(|thread| thread.join().unwrap_or_else(panicked)).collect()
        });
        let count = |kind: Kind| first.traces.iter().filter(|trace| kind(trace)).count() as u64;
        let [all, errors, slow, rarest] = KINDS.map(count);
        Ok(Self {
            judged: judged?,
            offered: [KINDS[0], KINDS[1]].map(|kind| by_second(first, kind, |_| true)),
            size: [all, first.spans, errors, slow, rarest],
        })
    }
}

impl Judged {
    fn new(contestant: Contestant, loads: &[Load]) -> Result<Self, String> {
        let outcomes: Result<Vec<Outcome>, String> =
            loads.iter().map(|load| contestant.run(load)).collect();
        let outcomes = outcomes?;
        let runs: Vec<(&Load, &Outcome)> = loads.iter().zip(&outcomes).collect();
        let mean = |value: &dyn Fn(&Load, &Outcome) -> f64| {
            runs.iter().map(|(load, outcome)| value(load, outcome)).sum::<f64>() / runs.len() as f64
        };
        let share = |kind| {
            mean(&|load, outcome| {
                sum(load, kind, |index| outcome.count(index)) / sum(load, kind, |_| 1.0)
            })
        };
        let error = |kind| {
            let square = |load: &Load, outcome: &Outcome| {
                let truth = sum(load, kind, |_| 1.0);
                let estimate = sum(load, kind, |index| outcome.sampled[index].unwrap_or_default());
                (estimate / truth - 1.0).powi(2)
            };
            mean(&square).sqrt()
        };
        let third = |number: f64| {
            let from = number * SECONDS / 3.0;
            let within =
                move |trace: &Trace| trace.start >= from && trace.start < from + SECONDS / 3.0;
            mean(&|load, outcome| {
                let sampled = load.traces.iter().enumerate().filter(|(_, trace)| within(trace));
                sampled.map(|(index, _)| outcome.count(index)).sum()
            })
        };
        let (first, outcome) = runs.first().ok_or("no load")?;
        let most = |value: fn(&Outcome) -> f64| outcomes.iter().map(value).fold(0.0, f64::max);
        Ok(Self {
            contestant,
            shares: KINDS.map(share),
            growth: third(1.0) / third(0.0),
            errors: ESTIMATED.map(error),
            uncounted: mean(&|_, outcome| {
                let sampled = outcome.sampled.iter().flatten();
                sampled.clone().filter(|count| **count == 0.0).count() as f64
                    / sampled.count() as f64
            }),
            delay: (mean(&|_, outcome| outcome.delay.0), most(|outcome| outcome.delay.1)),
            memory: outcomes.iter().map(|outcome| outcome.memory).max().unwrap_or_default(),
            series: [KINDS[0], KINDS[1]]
                .map(|kind| by_second(first, kind, |index| outcome.sampled[index].is_some())),
        })
    }
}

impl Outcome {
    /// 1 for a trace that was sampled, else 0.
    fn count(&self, index: usize) -> f64 {
        f64::from(u8::from(self.sampled[index].is_some()))
    }
}

/// The sum of `value` over the traces of a kind.
fn sum(load: &Load, kind: Kind, value: impl Fn(usize) -> f64) -> f64 {
    let traces = load.traces.iter().enumerate().filter(|(_, trace)| kind(trace));
    traces.map(|(index, _)| value(index)).sum()
}

fn by_second(load: &Load, kind: Kind, counts: impl Fn(usize) -> bool) -> Vec<f64> {
    let mut seconds = vec![0.0; SECONDS as usize];
    for (index, trace) in load.traces.iter().enumerate() {
        if let (true, Some(second)) =
            (kind(trace) && counts(index), seconds.get_mut(trace.start as usize))
        {
            *second += 1.0;
        }
    }
    seconds
}

pub(super) const SEEDS: [u64; 4] = [1, 101, 201, 301];
