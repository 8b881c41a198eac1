//! [`TraceChoice`]: whole traces, few enough to show.

use crate::bounded_share::BoundedShare;
use spanwise_wire::TraceId;

/// Chooses traces by bits of their id, so that a view of a busy process has whole traces and few spans: a
/// [share](BoundedShare) of them.
#[derive(Debug)]
pub(super) struct TraceChoice {
    share: BoundedShare,
}

impl TraceChoice {
    pub(super) fn new() -> Self {
        Self { share: BoundedShare::new(MANY) }
    }

    /// Whether the spans of this trace are shown, for one of its spans at `now` in nanoseconds.
    pub(super) fn takes(&mut self, trace_id: TraceId, now: u64) -> bool {
        // Samplers compare the high bits of the randomness, which are equal in all sampled traces of a low ratio: so these are its low bits.
        let bytes = trace_id.to_bytes();
        let low = bytes.last_chunk::<4>().map_or(0, |low| u32::from_be_bytes(*low));
        self.share.takes(low.trailing_zeros(), now)
    }
}

/// Spans in a second that are too many: a page shows some of them.
const MANY: u32 = 400;

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;

    fn id(number: u64) -> TraceId {
        let mut bytes = [0; 16];
        // Spreads the numbers over all bits.
        bytes[8..].copy_from_slice(
            &number.wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(32).to_be_bytes(),
        );
        TraceId::from(bytes)
    }

    #[test]
    fn a_quiet_process_shows_every_trace() {
        let mut choice = TraceChoice::new();
        for number in 0..1000 {
            assert!(choice.takes(id(number), number * SECOND / 50));
        }
    }

    #[test]
    fn a_busy_process_shows_few_spans_and_all_of_a_trace_that_it_shows() {
        let (mut choice, mut last) = (TraceChoice::new(), 0);
        for second in 0..5_u64 {
            last = 0;
            for number in 0..100_000 {
                last += u32::from(choice.takes(id(second * 100_000 + number), second * SECOND));
            }
        }
        assert!((50..=MANY * 2).contains(&last), "{last}");
        let now = 5 * SECOND;
        let chosen = (0..100_000).map(id).filter(|id| choice.takes(*id, now));
        let chosen: Vec<_> = chosen.take(10).collect();
        assert_eq!(chosen.len(), 10);
        assert!(chosen.iter().all(|id| choice.takes(*id, now)), "{choice:?}");
    }
}
