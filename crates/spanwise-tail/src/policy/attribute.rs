//! The search for an attribute of any resource or span, with or without `invert_match`.

use spanwise_wire::read::ValueView;

use super::compat::Compat;
use super::decision::PolicyDecision;
use crate::keys::KeyIndex;
use crate::trace_view::TraceView;

/// The place of an attribute.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    Resource,
    Span,
}

/// How a match becomes a decision.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Matching {
    is_inverted: bool,
    has_veto: bool,
}

impl Matching {
    pub(crate) fn new(invert_match: bool, compat: Compat) -> Self {
        Self { is_inverted: invert_match, has_veto: compat.has_invert_veto() }
    }

    /// The decision of a filter that looks for `key` in the resources and spans of `trace`.
    pub(crate) fn decide(
        self,
        trace: &TraceView<'_>,
        key: KeyIndex,
        mut matches: impl FnMut(Place, ValueView<'_>) -> bool,
    ) -> PolicyDecision {
        let mut resource: &[u8] = &[];
        let found = trace.any(|span| {
            // Spans of one resource share its bytes: it is searched once for each run of them.
            let is_new = !std::ptr::eq(resource, span.resource());
            resource = span.resource();
            let in_resource = is_new
                && span.resource_value(key).is_some_and(|value| matches(Place::Resource, value));
            in_resource || span.value(key).is_some_and(|value| matches(Place::Span, value))
        });
        match (self.is_inverted, self.has_veto) {
            (false, _) => PolicyDecision::of(found),
            (true, false) => PolicyDecision::of(!found),
            (true, true) if found => PolicyDecision::InvertNotSampled,
            (true, true) => PolicyDecision::InvertSampled,
        }
    }
}
