//! The parts of a span that a rule may apply to.

/// A part of a span, its resource or its scope.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
#[repr(u8)]
pub enum Target {
    /// An attribute of the span.
    SpanAttribute,
    /// An attribute of an event.
    EventAttribute,
    /// An attribute of a link.
    LinkAttribute,
    /// An attribute of the resource.
    ResourceAttribute,
    /// An attribute of the instrumentation scope.
    ScopeAttribute,
    /// The name of the span.
    SpanName,
    /// The name of an event.
    EventName,
    /// The message of the span's status.
    StatusMessage,
}

impl Target {
    /// All, in the order of declaration.
    pub const ALL: [Self; 8] = [
        Self::SpanAttribute,
        Self::EventAttribute,
        Self::LinkAttribute,
        Self::ResourceAttribute,
        Self::ScopeAttribute,
        Self::SpanName,
        Self::EventName,
        Self::StatusMessage,
    ];

    /// The name in configuration files and explanations, such as `span.attributes`.
    pub fn name(self) -> &'static str {
        match self {
            Self::SpanAttribute => "span.attributes",
            Self::EventAttribute => "event.attributes",
            Self::LinkAttribute => "link.attributes",
            Self::ResourceAttribute => "resource.attributes",
            Self::ScopeAttribute => "scope.attributes",
            Self::SpanName => "span.name",
            Self::EventName => "event.name",
            Self::StatusMessage => "status.message",
        }
    }
}

/// A set of [`Target`]s.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Targets(u8);

impl Targets {
    /// Every attribute, name and message.
    pub const ALL: Self = Self(u8::MAX);
    /// The attributes of spans, events, links, resources and scopes.
    pub const ATTRIBUTES: Self = Self(0b0001_1111);
    /// The attributes of spans, events and links: not those of the resource and of scopes, which describe the service.
    pub const SPAN_ATTRIBUTES: Self = Self(0b0000_0111);
    /// The names of spans and events, and the messages of statuses.
    pub const TEXTS: Self = Self(0b1110_0000);

    /// The set of these targets.
    pub fn of(targets: impl IntoIterator<Item = Target>) -> Self {
        targets.into_iter().fold(Self::NONE, |set, target| set.or(Self::one(target)))
    }

    /// Whether the target is in the set.
    pub fn contains(self, target: Target) -> bool {
        self.overlaps(Self::one(target))
    }

    /// No target.
    pub(crate) const NONE: Self = Self(0);

    pub(crate) const fn one(target: Target) -> Self {
        Self(1 << target as u8)
    }

    pub(crate) const fn or(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether the set has no target.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Whether the sets have a target in common.
    #[inline]
    pub(crate) fn overlaps(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }
}
