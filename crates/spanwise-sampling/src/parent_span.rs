//! The parent of a span that starts, as samplers read it.

use crate::trace_state::{Malformed, OtMember};

/// The parent of the span (specification, *ShouldSample*: the parent `Context`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Parent<'a> {
    /// The parent is sampled.
    pub sampled: bool,
    /// The parent belongs to another process (specification, *IsRemote*).
    pub remote: bool,
    /// The low 56 bits of the trace id are random (W3C Trace Context level 2, flag 0x02).
    pub random: bool,
    pub(crate) state: State<'a>,
}

/// The `ot` member of the parent's trace state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State<'a> {
    None,
    Malformed,
    Read(OtMember<'a>),
}

impl<'a> Parent<'a> {
    /// A parent whose trace state has this `ot` member, if any, and whose trace id is random.
    pub fn new(sampled: bool, remote: bool, ot: Option<&'a str>) -> Self {
        Self::of_member(sampled, remote, ot.map(OtMember::parse).transpose())
    }

    /// A parent whose trace state is this `tracestate` header, and whose trace id is random. When
    /// there are two members `ot`, both are ignored.
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

    /// Sets the "random" flag of the parent.
    #[must_use]
    pub fn with_random(self, random: bool) -> Self {
        Self { random, ..self }
    }

    /// The `ot` member, if there is a well-formed one.
    pub fn member(&self) -> Option<OtMember<'a>> {
        match self.state {
            State::Read(member) => Some(member),
            State::None | State::Malformed => None,
        }
    }

    /// Whether the `ot` member breaks the grammar or occurs twice. Such members are ignored and are
    /// not propagated.
    pub fn is_malformed(&self) -> bool {
        matches!(self.state, State::Malformed)
    }
}
