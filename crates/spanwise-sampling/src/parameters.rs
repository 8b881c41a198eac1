//! What a sampler is asked about.

use crate::intent::{SamplingDecision, SamplingIntent};
use crate::parent::follow;
use crate::threshold::Randomness;
use crate::trace_state::{Malformed, OtMember};
use spanwise_wire::SpanKind;
use spanwise_wire::Value;
use std::fmt;

/// A span that is about to begin.
#[derive(Clone, Copy)]
pub struct SamplingParameters<'a> {
    /// The trace it will belong to.
    pub trace_id: u128,
    /// The span it will be below; `None` for a root.
    pub parent: Option<Parent<'a>>,
    /// Its name.
    pub name: &'a str,
    /// Its kind.
    pub kind: SpanKind,
    /// The name of its instrumentation scope.
    pub scope: &'a str,
    /// The attributes it begins with.
    pub attributes: &'a dyn Attributes,
    /// Time and chance.
    pub host: &'a dyn SamplerContext,
}

/// What is known of the span above.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Parent<'a> {
    /// It was kept.
    pub sampled: bool,
    /// It lives in another process.
    pub remote: bool,
    /// It says that the end of the trace's id is random (W3C Trace Context level 2, flag 0x02).
    pub random: bool,
    pub(crate) state: State<'a>,
}

/// What the `ot` member of the parent's trace state says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State<'a> {
    None,
    Malformed,
    Read(OtMember<'a>),
}

impl<'a> SamplingParameters<'a> {
    /// A span without a parent. Kind `Internal`, no scope and no attributes: set the fields.
    pub fn root(trace_id: u128, name: &'a str, host: &'a dyn SamplerContext) -> Self {
        let (kind, scope) = (SpanKind::Internal, "");
        Self { trace_id, parent: None, name, kind, scope, attributes: &NoAttributes, host }
    }

    /// The decision that goes with the parent, and drops a root: for a host whose sampler failed.
    pub fn follow_parent(&self) -> SamplingDecision<'static> {
        self.parent
            .as_ref()
            .map_or(SamplingIntent::DROP, |parent| follow(parent, self))
            .decide(self)
    }

    /// The trace's randomness: `rv` if it brought one, else the end of its id.
    #[inline]
    pub fn randomness(&self) -> Randomness {
        let told = match &self.parent {
            Some(Parent { state: State::Read(member), .. }) => member.rv,
            _ => None,
        };
        told.unwrap_or_else(|| Randomness::of_trace(self.trace_id))
    }
}

impl<'a> Parent<'a> {
    /// A parent whose trace state has this `ot` member, if any, and whose trace id is random.
    pub fn new(sampled: bool, remote: bool, ot: Option<&'a str>) -> Self {
        Self::of_member(sampled, remote, ot.map(OtMember::parse).transpose())
    }

    /// A parent whose trace state is this `tracestate` header, and whose trace id is random. Of two
    /// members `ot` neither is believed.
    pub fn of_header(sampled: bool, remote: bool, header: &'a str) -> Self {
        Self::of_member(sampled, remote, OtMember::of_header(header))
    }

    pub(crate) fn of_member(
        sampled: bool,
        remote: bool,
        member: Result<Option<OtMember<'a>>, Malformed>,
    ) -> Self {
        let state = match member {
            Ok(None) => State::None,
            Ok(Some(member)) => State::Read(member),
            Err(Malformed) => State::Malformed,
        };
        Self { sampled, remote, random: true, state }
    }

    /// With the flag "random" as the parent has it.
    #[must_use]
    pub fn with_random(self, random: bool) -> Self {
        Self { random, ..self }
    }

    /// The `ot` member, if there is one that can be read.
    pub fn member(&self) -> Option<OtMember<'a>> {
        match self.state {
            State::Read(member) => Some(member),
            State::None | State::Malformed => None,
        }
    }

    /// The `ot` member breaks the grammar, or there are two: nothing of it is believed, and nothing
    /// of it goes on.
    pub fn is_malformed(&self) -> bool {
        matches!(self.state, State::Malformed)
    }
}

/// Attributes that can be looked up.
pub trait Attributes {
    /// The value of `key`.
    fn get(&self, key: &str) -> Option<Value<'_>>;
}

impl Attributes for &[(&str, Value<'_>)] {
    fn get(&self, key: &str) -> Option<Value<'_>> {
        self.iter().find_map(|(name, value)| (*name == key).then_some(*value))
    }
}

/// No attributes.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoAttributes;

impl Attributes for NoAttributes {
    fn get(&self, _key: &str) -> Option<Value<'_>> {
        None
    }
}

/// Time and chance, asked for only by samplers that need them.
pub trait SamplerContext: Sync {
    /// Nanoseconds since some fixed time, never backwards if it can be helped.
    fn now(&self) -> u64;

    /// 64 random bits, new ones each time.
    fn random(&self) -> u64;
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
