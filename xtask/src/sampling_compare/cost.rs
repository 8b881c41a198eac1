//! The time of each sampler, which differs from run to run.

use super::contestant::{Clock, Contestant};
use super::load::{Load, ROUTES, Trace};
use spanwise_sampling::{Parent, SamplingParameters};
use spanwise_tail::{SampledRequest, TailOutput, TailSampler};
use std::hint::black_box;
use std::time::{Duration, Instant};

/// Nanoseconds a span: the median, the least and the most of [`RUNS`].
pub(super) struct Cost {
    pub(super) contestant: Contestant,
    pub(super) nanos: [f64; 3],
}

/// All samplers in turns, so that a change of the machine's load meets each of them.
pub(super) fn measure(load: &Load) -> Result<Vec<Cost>, String> {
    let mut times = Contestant::ALL.map(|_| Vec::new());
    for _ in 0..RUNS {
        for (contestant, times) in Contestant::ALL.into_iter().zip(&mut times) {
            let time = match contestant.tail()? {
                Some(_) => tail(contestant, load)?,
                None => head(contestant, load)?,
            };
            times.push(time.as_nanos() as f64 / load.spans as f64);
        }
    }
    let cost = |(contestant, mut times): (Contestant, Vec<f64>)| {
        times.sort_by(f64::total_cmp);
        let (least, most) = (times[0], times[RUNS - 1]);
        Cost { contestant, nanos: [times[RUNS / 2], least, most] }
    };
    Ok(Contestant::ALL.into_iter().zip(times).map(cost).collect())
}

/// A decision for each span, as a provider asks for it: the root's, then its children's.
fn head(contestant: Contestant, load: &Load) -> Result<Duration, String> {
    let sampler = contestant.head()?;
    let clock = Clock::default();
    let decide = |trace: &Trace| {
        clock.set(trace.start);
        let root = SamplingParameters::root(trace.id, ROUTES[trace.route].name, &clock);
        let sampled = black_box(sampler.should_sample(&root)).sampled;
        let child = SamplingParameters { parent: Some(Parent::new(sampled, false, None)), ..root };
        for _ in 1..trace.spans {
            let _decision = black_box(sampler.should_sample(black_box(&child)));
        }
    };
    let started = Instant::now();
    load.traces.iter().for_each(decide);
    Ok(started.elapsed())
}

/// Taking each encoded span, deciding and writing the requests of sampled spans.
fn tail(contestant: Contestant, load: &Load) -> Result<Duration, String> {
    let config = contestant.tail()?.ok_or("no tail sampler")?;
    let start = Instant::now();
    let mut sampler = TailSampler::new(&config, start).map_err(|error| error.to_string())?;
    let started = Instant::now();
    for tenth in 0..load.tenths.len() + 60 {
        let now = start + Duration::from_millis(100 * (tenth as u64 + 1));
        for request in load.tenths.get(tenth).into_iter().flatten() {
            let appended = sampler.append(now, request, &mut Discarded);
            let _nothing_blocks = appended.map_err(|error| error.to_string())?;
        }
        sampler.tick(now, &mut Discarded);
    }
    let time = started.elapsed();
    let counts = sampler.counts();
    match counts.is_balanced() && counts.received_spans == load.spans && counts.pending_spans == 0 {
        true => Ok(time),
        false => Err(format!("the account does not add up: {counts:?}")),
    }
}

struct Discarded;

impl TailOutput for Discarded {
    fn request(&mut self, request: SampledRequest<'_>) {
        black_box(request.bytes);
    }
}

const RUNS: usize = 7;
