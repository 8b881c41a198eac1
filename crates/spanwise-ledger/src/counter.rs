use std::fmt;

/// A counter of events that cost no span, but that an operator should see.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Counter {
    /// An attribute value was cut at the length limit.
    TruncatedValues,
    /// An attribute was left out at the count limit.
    DroppedAttributes,
    /// An event was left out at the count limit.
    DroppedEvents,
    /// A link was left out at the count limit.
    DroppedLinks,
    /// A span started with a parent whose id is invalid, and became the root of a new trace.
    InvalidParent,
    /// A parent's trace state had an `ot` member that violates the grammar; the sampler ignored it.
    InvalidTraceState,
    /// A sampler applied a ratio to a parent's trace id without the W3C random flag, and assumed
    /// that the id is random.
    AssumedRandomness,
    /// A span ended with a time before its start; its end was set to its start.
    EndBeforeStart,
    /// A caller changed a span after its end; the change was ignored.
    UseAfterEnd,
    /// A caller ended a span twice; the second end was ignored.
    DoubleEnd,
    /// A span went to the spill queue because other threads held all shards.
    Spilled,
    /// A user's sampler panicked; the span took its parent's decision, a root was not sampled.
    SamplerPanicked,
    /// The function or policy of tail sampling panicked; the trace is exported.
    TailPanicked,
    /// Tail sampling decided about a trace before it was due, because memory or the number of traces was used
    /// up: the rest of the trace follows the decision.
    TailDecidedEarly,
    /// A user's span processor panicked in one of its methods; the span is exported.
    ProcessorPanicked,
    /// A tracer was created beyond the limit of scopes; its spans are exported under the first scope.
    ScopesOverLimit,
    /// A request was handed to the transport.
    Requests,
    /// The transport sent a request again.
    Retries,
    /// A request failed: the receiver did not accept it.
    RequestsFailed,
    /// The receiver refused a request as too large; its spans were sent again in smaller requests.
    RequestsSplit,
    /// The transport's circuit breaker opened: attempts had failed in a row.
    BreakerOpenings,
    /// The receiver accepted a request with a response that could not be decoded.
    ResponseUndecodable,
    /// No span was lost for half a minute after some were.
    LossRecoveries,
    /// A request with metrics failed, or the receiver rejected a part of it.
    MetricExportsFailed,
}

impl Counter {
    /// Every variant, in the order of declaration.
    pub const ALL: [Counter; 24] = [
        Counter::TruncatedValues,
        Counter::DroppedAttributes,
        Counter::DroppedEvents,
        Counter::DroppedLinks,
        Counter::InvalidParent,
        Counter::InvalidTraceState,
        Counter::AssumedRandomness,
        Counter::EndBeforeStart,
        Counter::UseAfterEnd,
        Counter::DoubleEnd,
        Counter::Spilled,
        Counter::SamplerPanicked,
        Counter::TailPanicked,
        Counter::TailDecidedEarly,
        Counter::ProcessorPanicked,
        Counter::ScopesOverLimit,
        Counter::Requests,
        Counter::Retries,
        Counter::RequestsFailed,
        Counter::RequestsSplit,
        Counter::BreakerOpenings,
        Counter::ResponseUndecodable,
        Counter::LossRecoveries,
        Counter::MetricExportsFailed,
    ];

    /// The name in metrics and tables.
    pub const fn name(self) -> &'static str {
        match self {
            Counter::TruncatedValues => "truncated_values",
            Counter::DroppedAttributes => "dropped_attributes",
            Counter::DroppedEvents => "dropped_events",
            Counter::DroppedLinks => "dropped_links",
            Counter::InvalidParent => "invalid_parent",
            Counter::InvalidTraceState => "invalid_trace_state",
            Counter::AssumedRandomness => "assumed_randomness",
            Counter::EndBeforeStart => "end_before_start",
            Counter::UseAfterEnd => "use_after_end",
            Counter::DoubleEnd => "double_end",
            Counter::Spilled => "spilled",
            Counter::SamplerPanicked => "sampler_panicked",
            Counter::TailPanicked => "tail_panicked",
            Counter::TailDecidedEarly => "tail_decided_early",
            Counter::ProcessorPanicked => "processor_panicked",
            Counter::ScopesOverLimit => "scopes_over_limit",
            Counter::Requests => "requests",
            Counter::Retries => "retries",
            Counter::RequestsFailed => "requests_failed",
            Counter::RequestsSplit => "requests_split",
            Counter::BreakerOpenings => "breaker_openings",
            Counter::ResponseUndecodable => "response_undecodable",
            Counter::LossRecoveries => "loss_recoveries",
            Counter::MetricExportsFailed => "metric_export_failed",
        }
    }
}

impl fmt::Display for Counter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn the_list_is_complete_and_in_order() {
        for (index, counter) in Counter::ALL.into_iter().enumerate() {
            assert_eq!(counter as usize, index, "{counter}");
        }
        assert_eq!(Counter::MetricExportsFailed as usize + 1, Counter::ALL.len());
    }

    #[test]
    fn names_are_distinct_snake_case() {
        let names: HashSet<_> = Counter::ALL.into_iter().map(Counter::name).collect();
        assert_eq!(names.len(), Counter::ALL.len());
        for name in names {
            assert!(name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_'), "{name}");
        }
    }
}
