//! [`AttributeReport`]: the counts of a sketch.

/// Counts of the attributes of spans: their keys, never their values.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct AttributeReport {
    /// Spans that were read.
    pub spans: u64,
    /// Bytes of all that was read, encoded as protobuf and not compressed.
    pub bytes: u64,
    /// Bytes of the attributes among them.
    pub attribute_bytes: u64,
    /// The keys, those with the most bytes first.
    pub keys: Vec<AttributeKey>,
    /// The number of different keys, estimated beyond 64; more than `keys` has if the sketch was full.
    pub distinct_keys: u64,
    /// How often a key replaced another one in a full sketch; 0: `keys` has all keys, and their counts are exact.
    pub replaced_keys: u64,
    /// Messages inside of requests that could not be read: their attributes are in no count.
    pub malformed: u64,
}

/// A key of attributes at one place.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct AttributeKey {
    /// The messages that have it.
    pub place: AttributePlace,
    /// The key, of at most 128 bytes, with control characters replaced.
    pub key: String,
    /// Attributes of this key.
    pub occurrences: u64,
    /// Bytes of these attributes, with their keys and their framing.
    pub bytes: u64,
    /// The most bytes that the key has beyond `bytes`, from the time before it was in a full sketch.
    pub bytes_error: u64,
    /// The number of different values: exact up to 64, and beyond an estimate whose standard error is 2.3 %.
    pub values: u64,
    /// Whether `values` is exact.
    pub is_exact: bool,
}

/// The message that an attribute belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum AttributePlace {
    /// `Resource`.
    Resource,
    /// `InstrumentationScope`.
    Scope,
    /// `Span`.
    Span,
    /// `Span.Event`.
    Event,
    /// `Span.Link`.
    Link,
}

impl AttributePlace {
    /// All places, in the order of their declaration.
    pub const ALL: [Self; 5] = [Self::Resource, Self::Scope, Self::Span, Self::Event, Self::Link];

    /// `resource`, `scope`, `span`, `event` or `link`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Resource => "resource",
            Self::Scope => "scope",
            Self::Span => "span",
            Self::Event => "event",
            Self::Link => "link",
        }
    }
}

impl AttributeReport {
    /// The share of all bytes that `key` has, from 0 to 1.
    pub fn share(&self, key: &AttributeKey) -> f64 {
        ratio(key.bytes, self.bytes)
    }
}

impl AttributeKey {
    /// Whether at least 100 attributes have all the same value.
    pub fn has_one_value(&self) -> bool {
        self.values == 1 && self.occurrences >= MIN_OCCURRENCES
    }

    /// Whether nine in ten of at least 100 attributes have a value of their own.
    pub fn is_near_unique(&self) -> bool {
        self.occurrences >= MIN_OCCURRENCES
            && self.values.saturating_mul(10) >= self.occurrences.saturating_mul(9)
    }
}

/// `part` of `whole`, from 0 to 1.
pub(super) fn ratio(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { (part as f64 / whole as f64).min(1.0) }
}

/// Fewer attributes are no reason for advice.
const MIN_OCCURRENCES: u64 = 100;
