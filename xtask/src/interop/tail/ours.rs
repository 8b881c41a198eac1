//! The decisions of `spanwise-tail` for a load, in virtual time.

use super::load::{Load, PHASES, SpanKey};
use crate::peers::{Request, decoded};
use spanwise_tail::{TailSampler, TailSamplingConfig};
use std::time::{Duration, Instant};

/// The time of each phase since the start. In between, traces with a root are decided with `decision_wait_after_root_received: 1s`, and
/// all others with `decision_wait: 5s`.
pub(super) const TIMES: [Duration; PHASES] =
    [Duration::ZERO, Duration::from_millis(3_200), Duration::from_millis(7_500)];

/// The spans that the sampler forwards, sorted.
///
/// # Errors
/// The settings, a request or the account of the sampler is not valid.
pub(super) fn sampled(config: &TailSamplingConfig, load: &Load) -> Result<Vec<SpanKey>, String> {
    let start = Instant::now();
    let mut sampler = TailSampler::new(config, start).map_err(|error| error.to_string())?;
    let mut output: Vec<Vec<u8>> = Vec::new();
    for (time, requests) in TIMES.iter().zip(&load.phases) {
        let now = start + *time;
        // Ticks between the phases, as the Collector has.
        sampler.tick(now.checked_sub(Duration::from_millis(500)).unwrap_or(now), &mut output);
        for request in requests {
            let appended = sampler.append(now, request, &mut output);
            if appended.map_err(|error| error.to_string())?.is_blocked {
                return Err("the sampler is full".to_owned());
            }
        }
    }
    sampler.shutdown(start + Duration::from_secs(15), &mut output);
    let counts = sampler.counts();
    let mut keys = Vec::new();
    for request in &output {
        keys.extend(keys_of(&decoded(request)?));
    }
    if !counts.is_balanced()
        || counts.received_spans != load.spans as u64
        || counts.sampled_spans != keys.len() as u64
    {
        return Err(format!("of {} spans in, {} came out: {counts:?}", load.spans, keys.len()));
    }
    keys.sort_unstable();
    Ok(keys)
}

/// The trace and span ids of a request.
pub(super) fn keys_of(request: &Request) -> Vec<SpanKey> {
    let key = |span: &opentelemetry_proto::tonic::trace::v1::Span| {
        let trace = u128::from_be_bytes(span.trace_id.as_slice().try_into().ok()?);
        Some((trace, u64::from_be_bytes(span.span_id.as_slice().try_into().ok()?)))
    };
    spanwise_testkit::spans(request).filter_map(key).collect()
}
