//! The parameters of a sampling decision.

use crate::attributes::{Attributes, NoAttributes};
use crate::context::SamplerContext;
use crate::parent_span::{Parent, State};
use crate::threshold::Randomness;
use spanwise_wire::SpanKind;
use std::fmt;

/// The parameters of a sampling decision about a span that starts (specification, *ShouldSample*).
#[derive(Clone, Copy)]
pub struct SamplingParameters<'a> {
    /// The id of the trace that the span belongs to.
    pub trace_id: u128,
    /// The parent of the span; `None` for a root.
    pub parent: Option<Parent<'a>>,
    /// The name of the span.
    pub name: &'a str,
    /// The kind of the span.
    pub kind: SpanKind,
    /// The name of its instrumentation scope.
    pub scope: &'a str,
    /// The initial attributes of the span.
    pub attributes: &'a dyn Attributes,
    /// The clock and the random generator.
    pub context: &'a dyn SamplerContext,
}

impl<'a> SamplingParameters<'a> {
    /// The parameters of a root span of kind `Internal`, without scope and attributes; set the
    /// fields for others.
    pub fn root(trace_id: u128, name: &'a str, context: &'a dyn SamplerContext) -> Self {
        let (kind, scope) = (SpanKind::Internal, "");
        Self { trace_id, parent: None, name, kind, scope, attributes: &NoAttributes, context }
    }

    /// The randomness of the trace: `rv` of the parent's trace state, else the low 56 bits of the
    /// trace id.
    #[inline]
    pub fn randomness(&self) -> Randomness {
        let explicit = match &self.parent {
            Some(Parent { state: State::Read(member), .. }) => member.rv,
            _ => None,
        };
        explicit.unwrap_or_else(|| Randomness::of_trace(self.trace_id))
    }
}

impl fmt::Debug for SamplingParameters<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SamplingParameters")
            .field("trace_id", &format_args!("{:032x}", self.trace_id))
            .field("parent", &self.parent)
            .field("name", &self.name)
            .field("kind", &self.kind)
            .field("scope", &self.scope)
            .finish_non_exhaustive()
    }
}
