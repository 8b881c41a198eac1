use std::fmt;

/// Something that cost no span, but that the user should be able to see.
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
    /// A span was given a parent with an invalid id and began a new trace instead.
    InvalidParent,
    /// A parent's trace state had an `ot` member that breaks the grammar; it was not believed.
    InvalidTraceState,
    /// A ratio was applied to a parent's trace id that nobody says is random.
    AssumedRandomness,
    /// A span was given an end before its start; it ends where it starts.
    EndBeforeStart,
    /// A span was changed after its end; the change was ignored.
    UseAfterEnd,
    /// A span was ended twice; the second end was ignored.
    DoubleEnd,
    /// A span took the spill room because all shards were held.
    Spilled,
    /// A sampler of the user's panicked; the span went with its parent, a root was not sampled.
    SamplerPanicked,
    /// A tracer was made for one scope too many; its spans are sent under the first one's name.
    ScopesOverLimit,
    /// A request was handed to the transport.
    Requests,
    /// A request was attempted again.
    Retries,
    /// A request ended without being accepted.
    RequestsFailed,
    /// A request was accepted with an answer that could not be decoded.
    ResponseUndecodable,
}

impl Counter {
    /// Every counter, in the order of declaration.
    pub const ALL: [Counter; 17] = [
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
        Counter::ScopesOverLimit,
        Counter::Requests,
        Counter::Retries,
        Counter::RequestsFailed,
        Counter::ResponseUndecodable,
    ];

    /// The name metrics and tables use.
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
            Counter::ScopesOverLimit => "scopes_over_limit",
            Counter::Requests => "requests",
            Counter::Retries => "retries",
            Counter::RequestsFailed => "requests_failed",
            Counter::ResponseUndecodable => "response_undecodable",
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
        assert_eq!(Counter::ResponseUndecodable as usize + 1, Counter::ALL.len());
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
