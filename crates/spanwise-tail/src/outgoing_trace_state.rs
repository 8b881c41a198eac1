//! The `tracestate` of a span that leaves: its `ot` member is replaced in the encoded span.

use spanwise_sampling::trace_state::{OT, OtMember, write_header};
use spanwise_sampling::{Randomness, Threshold};
use spanwise_wire::read::{Field, FieldValue, Fields};
use spanwise_wire::write::put_varint;

/// The change of the threshold `th` of a sampled span.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum ThresholdUpdate {
    /// The span leaves as it came.
    #[default]
    None,
    /// Raises `th` to this threshold; a stricter one stays. The Collector writes so with its gate `usetracestate`.
    Raise(Threshold),
    /// As `Raise`, for a decision R ≥ T: a threshold that the randomness of the span contradicts is erased.
    Compose(Threshold),
    /// Erases `th`: the probability of the decision is unknown.
    Erase,
}

impl ThresholdUpdate {
    /// Eight bytes for a cache of decisions.
    pub(crate) fn to_bits(self) -> u64 {
        match self {
            Self::None => 0,
            Self::Raise(threshold) => 1 << KIND_BIT | threshold.value(),
            Self::Compose(threshold) => 2 << KIND_BIT | threshold.value(),
            Self::Erase => 3 << KIND_BIT,
        }
    }

    /// The inverse of [`to_bits`](Self::to_bits).
    pub(crate) fn from_bits(bits: u64) -> Self {
        let threshold = Threshold::new(bits & ((1 << KIND_BIT) - 1)).unwrap_or(Threshold::KEEP_ALL);
        match bits >> KIND_BIT {
            0 => Self::None,
            1 => Self::Raise(threshold),
            2 => Self::Compose(threshold),
            _ => Self::Erase,
        }
    }

    /// The threshold of a span with the member `ot`.
    fn threshold(self, member: &OtMember<'_>, trace_id: [u8; 16]) -> Option<Threshold> {
        let randomness = randomness(member, trace_id);
        match self {
            Self::None => member.th,
            Self::Raise(threshold) => Some(member.th.unwrap_or(threshold).max(threshold)),
            Self::Compose(threshold) => {
                // A span that its sampler should not have sampled: its threshold is not its probability.
                let is_consistent = |threshold: &Threshold| threshold.keeps(randomness);
                if member.th.is_some_and(|incoming| !is_consistent(&incoming)) {
                    return None;
                }
                let composed = member.th.unwrap_or(threshold).max(threshold);
                Some(composed).filter(is_consistent)
            }
            Self::Erase => None,
        }
    }
}

/// The explicit randomness of a span, else that of its trace id.
pub(crate) fn randomness(member: &OtMember<'_>, trace_id: [u8; 16]) -> Randomness {
    member.rv.unwrap_or_else(|| Randomness::of_trace(u128::from_be_bytes(trace_id)))
}

/// An encoded span in up to three pieces, of which the middle one may be new.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct OutgoingSpan<'a> {
    pieces: [&'a [u8]; 3],
}

impl<'a> OutgoingSpan<'a> {
    /// A span as it came.
    pub(crate) fn unchanged(span: &'a [u8]) -> Self {
        Self { pieces: [span, &[], &[]] }
    }

    /// Number of bytes.
    pub(crate) fn len(&self) -> usize {
        self.pieces.iter().map(|piece| piece.len()).sum()
    }

    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        self.pieces.iter().for_each(|piece| out.extend_from_slice(piece));
    }
}

/// Rewrites the trace states of spans, with memory that is reused.
#[derive(Default)]
pub(crate) struct TraceStateWriter {
    member: String,
    header: String,
    field: Vec<u8>,
    malformed: u64,
}

impl TraceStateWriter {
    /// Number of spans whose trace state is malformed; they leave as they came.
    pub(crate) fn malformed(&self) -> u64 {
        self.malformed
    }

    /// The span after `update`. Only its `trace_state` field is read and replaced; other members of the trace state stay.
    pub(crate) fn update<'s>(
        &'s mut self,
        span: &'s [u8],
        trace_id: [u8; 16],
        update: ThresholdUpdate,
    ) -> OutgoingSpan<'s> {
        if update == ThresholdUpdate::None {
            return OutgoingSpan::unchanged(span);
        }
        let place = Place::of(span);
        let Some((header, member)) = place.parse() else {
            self.malformed += 1;
            return OutgoingSpan::unchanged(span);
        };
        let th = update.threshold(&member, trace_id);
        if th == member.th {
            return OutgoingSpan::unchanged(span);
        }
        self.replace(span, place, header, |out| member.write(th, out))
    }

    /// The span with the member that `write` appends; an empty one is removed.
    pub(crate) fn set_member<'s>(
        &'s mut self,
        span: &'s [u8],
        write: impl FnOnce(&mut String),
    ) -> OutgoingSpan<'s> {
        let place = Place::of(span);
        match place.text() {
            Some(header) => self.replace(span, place, header, write),
            None => OutgoingSpan::unchanged(span),
        }
    }

    fn replace<'s>(
        &'s mut self,
        span: &'s [u8],
        place: Place<'s>,
        header: &str,
        write: impl FnOnce(&mut String),
    ) -> OutgoingSpan<'s> {
        self.member.clear();
        write(&mut self.member);
        let value = (!self.member.is_empty()).then_some(self.member.as_str());
        self.header.clear();
        write_header(header, OT, value, &mut self.header);
        self.field.clear();
        // An empty field outweighs an earlier one.
        if !self.header.is_empty() || place.is_repeated {
            self.field.push(TRACE_STATE_KEY);
            put_varint(&mut self.field, self.header.len() as u64);
            self.field.extend_from_slice(self.header.as_bytes());
        }
        let before = span.get(..place.start).unwrap_or_default();
        let behind = span.get(place.end..).unwrap_or_default();
        OutgoingSpan { pieces: [before, &self.field, behind] }
    }
}

/// The last `trace_state` field of a span, which is the one that counts; without one, the place for it.
#[derive(Debug, Clone, Copy)]
struct Place<'a> {
    header: &'a [u8],
    start: usize,
    end: usize,
    is_repeated: bool,
}

impl<'a> Place<'a> {
    fn of(span: &'a [u8]) -> Self {
        let mut found: Option<Self> = None;
        let mut behind_ids = None;
        let mut fields = Fields::new(span);
        let mut start = 0;
        while let Some(field) = fields.next() {
            let end = span.len() - fields.rest().len();
            match field {
                Ok(Field { number: TRACE_STATE, value: FieldValue::Bytes(header) }) => {
                    found = Some(Self { header, start, end, is_repeated: found.is_some() });
                }
                Ok(Field { number, .. }) if number > TRACE_STATE && behind_ids.is_none() => {
                    behind_ids = Some(start);
                }
                _ => {}
            }
            start = end;
        }
        found.unwrap_or_else(|| {
            let at = behind_ids.unwrap_or(span.len());
            Self { header: &[], start: at, end: at, is_repeated: false }
        })
    }

    fn text(&self) -> Option<&'a str> {
        std::str::from_utf8(self.header).ok().filter(|header| header.len() <= MAX_HEADER_BYTES)
    }

    /// The header and its member `ot`; `None` if either is malformed.
    fn parse(&self) -> Option<(&'a str, OtMember<'a>)> {
        let header = self.text()?;
        let member = OtMember::of_header(header).ok()?;
        Some((header, member.unwrap_or_default()))
    }
}

/// `Span.trace_state`.
const TRACE_STATE: u32 = 3;
const TRACE_STATE_KEY: u8 = 0x1a;
const KIND_BIT: u32 = 56;
/// W3C Trace Context: at least 512 bytes should be propagated; a longer header than this counts as malformed.
const MAX_HEADER_BYTES: usize = 8_192;

#[cfg(test)]
mod tests {
    use opentelemetry_proto::tonic::trace::v1::Span;
    use prost::Message as _;

    use super::*;

    /// The low 56 bits are 0x80….
    const ID: [u8; 16] = [1, 1, 1, 1, 1, 1, 1, 1, 1, 0x80, 0, 0, 0, 0, 0, 0];

    fn span(trace_state: &str) -> Span {
        Span {
            trace_id: ID.to_vec(),
            span_id: vec![2; 8],
            trace_state: trace_state.to_owned(),
            parent_span_id: vec![3; 8],
            name: "name".to_owned(),
            ..Span::default()
        }
    }

    fn updated(span: &[u8], update: ThresholdUpdate) -> Vec<u8> {
        let mut writer = TraceStateWriter::default();
        let outgoing = writer.update(span, ID, update);
        let mut bytes = Vec::new();
        outgoing.write(&mut bytes);
        assert_eq!(bytes.len(), outgoing.len());
        bytes
    }

    fn th(digits: &str) -> Threshold {
        Threshold::parse(digits).unwrap()
    }

    #[test]
    fn a_threshold_is_composed_with_the_one_of_the_span() {
        use ThresholdUpdate::{Compose, Erase, None, Raise};
        for (before, update, after) in [
            ("", None, ""),
            ("ot=th:4", None, "ot=th:4"),
            ("", Compose(th("8")), "ot=th:8"),
            ("", Compose(th("0")), "ot=th:0"),
            ("ot=th:4", Compose(th("8")), "ot=th:8"),
            ("ot=th:8", Compose(th("4")), "ot=th:8"),
            ("ot=th:8", Compose(th("0")), "ot=th:8"),
            // R = 0x80…: neither threshold would have sampled the span.
            ("ot=th:c", Compose(th("4")), ""),
            ("", Compose(th("c")), ""),
            ("a=b,ot=th:c,d=e", Compose(th("4")), "a=b,d=e"),
            // Explicit randomness counts instead of the trace id's.
            ("ot=rv:f0000000000000;th:c", Compose(th("e")), "ot=rv:f0000000000000;th:e"),
            ("ot=rv:10000000000000;th:0", Compose(th("8")), "ot=rv:10000000000000"),
            // The member moves to the front, and the others stay in their order.
            ("a=b,ot=x:1;th:4,d=e", Compose(th("8")), "ot=th:8;x:1,a=b,d=e"),
            ("a=b", Raise(th("c")), "ot=th:c,a=b"),
            ("ot=th:c", Raise(th("8")), "ot=th:c"),
            ("ot=th:8", Raise(th("c")), "ot=th:c"),
            ("ot=th:4;x:1,a=b", Erase, "ot=x:1,a=b"),
            ("ot=th:4", Erase, ""),
            ("a=b", Erase, "a=b"),
        ] {
            let bytes = updated(&span(before).encode_to_vec(), update);
            assert_eq!(bytes, span(after).encode_to_vec(), "{before} {update:?}");
        }
    }

    #[test]
    fn a_malformed_trace_state_stays() {
        for text in ["ot=th:x", "ot=", "ot=th:1,ot=th:2", "ot =th:1"] {
            let bytes = span(text).encode_to_vec();
            let mut writer = TraceStateWriter::default();
            let update = ThresholdUpdate::Compose(th("4"));
            assert_eq!(writer.update(&bytes, ID, update), OutgoingSpan::unchanged(&bytes));
            assert_eq!(writer.malformed(), 1, "{text}");
        }
        let long = span(&format!("a={}", "v".repeat(MAX_HEADER_BYTES - 1))).encode_to_vec();
        assert_eq!(updated(&long, ThresholdUpdate::Compose(th("4"))), long);
        let not_utf8 = [&span("").encode_to_vec()[..], &[0x1a, 1, 0xff]].concat();
        assert_eq!(updated(&not_utf8, ThresholdUpdate::Erase), not_utf8);
    }

    #[test]
    fn fields_in_any_order_keep_their_meaning() {
        let bytes = span("a=b").encode_to_vec();
        // The last of two fields counts.
        let repeated = [&bytes[..], &[0x1a, 7], b"ot=th:4"].concat();
        for (update, state) in
            [(ThresholdUpdate::Compose(th("8")), "ot=th:8"), (ThresholdUpdate::Erase, "")]
        {
            let decoded = Span::decode(&updated(&repeated, update)[..]).unwrap();
            assert_eq!(decoded, span(state));
        }
        // A span whose name comes first, without a trace state.
        let name = [0x2a, 1, b'n'];
        let ids = [&[0x0a, 16][..], &ID, &[0x12, 8], &[2; 8]].concat();
        let mixed = [&name[..], &ids].concat();
        let decoded = Span::decode(&updated(&mixed, ThresholdUpdate::Compose(th("8")))[..]);
        let expected = Span {
            trace_id: ID.to_vec(),
            span_id: vec![2; 8],
            trace_state: "ot=th:8".to_owned(),
            name: "n".to_owned(),
            ..Span::default()
        };
        assert_eq!(decoded, Ok(expected));
    }

    #[test]
    fn a_header_keeps_32_members_and_a_member_256_bytes() {
        let others: Vec<String> = (0..32).map(|index| format!("k{index}=v")).collect();
        let bytes =
            updated(&span(&others.join(",")).encode_to_vec(), ThresholdUpdate::Raise(th("8")));
        let state = Span::decode(&bytes[..]).unwrap().trace_state;
        assert_eq!(state.split(',').count(), 32);
        assert!(state.starts_with("ot=th:8,k0=v,") && state.ends_with(",k30=v"), "{state}");
        let long = format!("ot=x:{}", "v".repeat(254));
        let bytes = updated(&span(&long).encode_to_vec(), ThresholdUpdate::Raise(th("8")));
        assert_eq!(Span::decode(&bytes[..]).unwrap().trace_state, "ot=th:8");
    }

    #[test]
    fn an_update_survives_a_cache() {
        use ThresholdUpdate::{Compose, Erase, None, Raise};
        for update in [None, Raise(th("8")), Compose(th("0")), Compose(th("ffffffffffffff")), Erase]
        {
            assert_eq!(ThresholdUpdate::from_bits(update.to_bits()), update);
        }
    }
}
