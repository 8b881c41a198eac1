use std::fmt;

/// Something that cost no span, but that the user should be able to see.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Note {
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
    PresumedRandomness,
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

impl Note {
    /// Every note, in the order of declaration.
    pub const ALL: [Note; 17] = [
        Note::TruncatedValues,
        Note::DroppedAttributes,
        Note::DroppedEvents,
        Note::DroppedLinks,
        Note::InvalidParent,
        Note::InvalidTraceState,
        Note::PresumedRandomness,
        Note::EndBeforeStart,
        Note::UseAfterEnd,
        Note::DoubleEnd,
        Note::Spilled,
        Note::SamplerPanicked,
        Note::ScopesOverLimit,
        Note::Requests,
        Note::Retries,
        Note::RequestsFailed,
        Note::ResponseUndecodable,
    ];

    /// The name metrics and tables use.
    pub const fn name(self) -> &'static str {
        match self {
            Note::TruncatedValues => "truncated_values",
            Note::DroppedAttributes => "dropped_attributes",
            Note::DroppedEvents => "dropped_events",
            Note::DroppedLinks => "dropped_links",
            Note::InvalidParent => "invalid_parent",
            Note::InvalidTraceState => "invalid_trace_state",
            Note::PresumedRandomness => "presumed_randomness",
            Note::EndBeforeStart => "end_before_start",
            Note::UseAfterEnd => "use_after_end",
            Note::DoubleEnd => "double_end",
            Note::Spilled => "spilled",
            Note::SamplerPanicked => "sampler_panicked",
            Note::ScopesOverLimit => "scopes_over_limit",
            Note::Requests => "requests",
            Note::Retries => "retries",
            Note::RequestsFailed => "requests_failed",
            Note::ResponseUndecodable => "response_undecodable",
        }
    }
}

impl fmt::Display for Note {
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
        for (index, note) in Note::ALL.into_iter().enumerate() {
            assert_eq!(note as usize, index, "{note}");
        }
        assert_eq!(Note::ResponseUndecodable as usize + 1, Note::ALL.len());
    }

    #[test]
    fn names_are_distinct_snake_case() {
        let names: HashSet<_> = Note::ALL.into_iter().map(Note::name).collect();
        assert_eq!(names.len(), Note::ALL.len());
        for name in names {
            assert!(name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_'), "{name}");
        }
    }
}
