//! The measurements of `spanwise-tail`, in a process of their own.

use super::clock;
use super::frames::frames;
use super::resident::resident;
use spanwise_config::Document;
use spanwise_tail::{SampledRequest, TailOutput, TailSampler, TailSamplingConfig};
use std::fs;
use std::thread;
use std::time::{Duration, Instant};

/// Prints what the row measures, the spans that came in, and those that were sampled, as the Go program does.
///
/// # Errors
/// An argument is missing or wrong, or the account of a sampler does not balance.
pub(super) fn run(arguments: &[String]) -> Result<(), String> {
    let [requests, policies, row, cpus] = arguments else {
        return Err(
            "`ours` takes the requests, the policies, a row and a number of CPUs".to_owned()
        );
    };
    let read = |path: &String| fs::read(path).map_err(|error| format!("{path}: {error}"));
    let (requests, policies) = (read(requests)?, read(policies)?);
    let document =
        Document::parse("policies.yaml", &policies, |_| None).map_err(|error| error.to_string())?;
    let config = TailSamplingConfig::from_document(&document, None)
        .map_err(|error| error.to_string())?
        .value;
    let requests = frames(&requests);
    let cpus: usize = cpus.parse().map_err(|_| "the number of CPUs is no number".to_owned())?;
    let measure = || measured(row, &config, &requests, cpus);
    let mut least = measure()?;
    // Memory is that of a new process.
    if !matches!(row.as_str(), "memory" | "resident") {
        for _ in 0..2 {
            let next = measure()?;
            if next.value < least.value {
                least = next;
            }
        }
    }
    println!("{:.1} {} {}", least.value, least.spans_in, least.spans_out);
    Ok(())
}

struct Sample {
    value: f64,
    spans_in: u64,
    spans_out: u64,
}

fn measured(
    row: &str,
    config: &TailSamplingConfig,
    requests: &[&[u8]],
    cpus: usize,
) -> Result<Sample, String> {
    match row {
        "append" | "append-bytes" if cpus > 1 => on_threads(config, requests, cpus),
        "append" | "append-bytes" => {
            let mut running = Running::new(config)?;
            let took = running.fill(requests)?;
            running.ended(took.as_nanos() as f64)
        }
        "decide" => {
            let mut running = Running::new(config)?;
            running.fill(requests)?;
            let begun = clock::now(1);
            running.sampler.shutdown(running.now, &mut running.output);
            let took = clock::now(1) - begun;
            running.ended(took.as_nanos() as f64)
        }
        "late" => {
            let mut running = Running::new(config)?;
            running.fill(requests)?;
            running.now += Duration::from_secs(3);
            running.sampler.tick(running.now, &mut running.output);
            let took = running.fill(requests)?;
            let sample = running.ended(took.as_nanos() as f64)?;
            Ok(Sample { spans_in: sample.spans_in / 2, ..sample })
        }
        "memory" | "resident" => {
            let before = resident()?;
            let mut running = Running::new(config)?;
            running.fill(requests)?;
            let bytes = resident()?.saturating_sub(before);
            running.ended(bytes as f64)
        }
        other => Err(format!("no row {other:?}")),
    }
}

struct Running {
    sampler: TailSampler,
    now: Instant,
    output: Sampled,
}

/// Counts the sampled spans.
#[derive(Default)]
struct Sampled(u64);

impl TailOutput for Sampled {
    fn request(&mut self, request: SampledRequest<'_>) {
        self.0 += request.spans;
    }
}

impl Running {
    fn new(config: &TailSamplingConfig) -> Result<Self, String> {
        let now = Instant::now();
        let sampler = TailSampler::new(config, now).map_err(|error| error.to_string())?;
        Ok(Self { sampler, now, output: Sampled::default() })
    }

    /// Appends the requests; returns the time.
    fn fill(&mut self, requests: &[&[u8]]) -> Result<Duration, String> {
        let begun = clock::now(1);
        for request in requests {
            let appended = self.sampler.append(self.now, request, &mut self.output);
            if appended.map_err(|error| error.to_string())?.is_blocked {
                return Err("the sampler is full".to_owned());
            }
        }
        Ok(clock::now(1) - begun)
    }

    /// Decides the rest and checks the account.
    fn ended(mut self, value: f64) -> Result<Sample, String> {
        self.sampler.shutdown(self.now, &mut self.output);
        let counts = self.sampler.counts();
        let is_right = counts.is_balanced()
            && counts.pending_spans == 0
            && counts.evicted_traces == 0
            && counts.sampled_spans == self.output.0;
        if !is_right {
            return Err(format!("the account is wrong: {counts:?}"));
        }
        Ok(Sample { value, spans_in: counts.received_spans, spans_out: counts.sampled_spans })
    }
}

/// A sampler for each CPU, which share nothing: each has its requests.
fn on_threads(
    config: &TailSamplingConfig,
    requests: &[&[u8]],
    cpus: usize,
) -> Result<Sample, String> {
    let begun = clock::now(cpus);
    let samplers: Vec<Result<Running, String>> = thread::scope(|scope| {
        let start = |number: usize| {
            let own: Vec<&[u8]> = requests.iter().skip(number).step_by(cpus).copied().collect();
            scope.spawn(move || {
                let mut running = Running::new(config)?;
                running.fill(&own)?;
                Ok(running)
            })
        };
        let threads: Vec<_> = (0..cpus).map(start).collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap_or_else(|_| Err("a thread panicked".to_owned())))
            .collect()
    });
    let took = clock::now(cpus) - begun;
    let mut all = Sample { value: took.as_nanos() as f64, spans_in: 0, spans_out: 0 };
    for running in samplers {
        let sample = running?.ended(0.0)?;
        all.spans_in += sample.spans_in;
        all.spans_out += sample.spans_out;
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::super::rows::ROWS;
    use super::super::{batch, rows};
    use super::*;
    use crate::peers::decoded;
    use opentelemetry_proto::tonic::common::v1::any_value::Value;
    use opentelemetry_proto::tonic::trace::v1::Span;
    use std::collections::HashMap;

    /// Whether a policy of the row `tail-decide-sampling` matches the span.
    fn matches(span: &Span) -> bool {
        let has_value = span.attributes.iter().any(|attribute| {
            let value = attribute.value.as_ref().and_then(|value| value.value.as_ref());
            attribute.key == "attr_k_1"
                && matches!(value, Some(Value::StringValue(text)) if text == "attr_v_1")
        });
        let is_slow = span.end_time_unix_nano - span.start_time_unix_nano > 1_000_000;
        has_value || is_slow || span.status.as_ref().is_some_and(|status| status.code == 2)
    }

    #[test]
    fn every_row_samples_the_traces_that_its_policies_match() {
        let requests: Vec<Vec<u8>> = (0..3).map(batch::request).collect();
        let mut traces: HashMap<Vec<u8>, (u64, bool)> = HashMap::new();
        for request in &requests {
            for span in spanwise_testkit::spans(&decoded(request).unwrap()) {
                let (spans, is_sampled) = traces.entry(span.trace_id.clone()).or_default();
                *spans += 1;
                *is_sampled |= matches(span);
            }
        }
        let expected: u64 = traces.values().filter(|(_, is)| *is).map(|(spans, _)| spans).sum();
        assert!(expected > 0);
        let requests: Vec<&[u8]> = requests.iter().map(Vec::as_slice).collect();
        for row in ROWS {
            let config = rows::config(row.policies);
            let sample = measured(row.kind, &config, &requests, row.cpus).unwrap();
            assert_eq!(sample.spans_in, 3 * batch::SPANS as u64, "{}", row.name);
            assert_eq!(sample.spans_out, if row.samples { expected } else { 0 }, "{}", row.name);
        }
    }
}
