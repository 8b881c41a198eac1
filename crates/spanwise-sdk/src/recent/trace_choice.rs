//! [`TraceChoice`]: whole traces, few enough to show.

use spanwise_wire::TraceId;

/// Chooses traces by bits of their id, so that a view of a busy process has whole traces and few spans.
///
/// Each bit halves the traces. A bit is added as soon as a second has too many spans, and one is removed after a second with few.
#[derive(Debug, Default)]
pub(super) struct TraceChoice {
    bits: u32,
    second_began: u64,
    chosen: u32,
}

impl TraceChoice {
    /// Whether the spans of this trace are shown, for one of its spans at `now` in nanoseconds.
    pub(super) fn takes(&mut self, trace_id: TraceId, now: u64) -> bool {
        if now.saturating_sub(self.second_began) >= SECOND {
            if self.chosen < FEW {
                self.bits = self.bits.saturating_sub(1);
            }
            (self.second_began, self.chosen) = (now, 0);
        }
        // Samplers compare the high bits of the randomness, which are equal in all sampled traces of a low ratio: so these are its low bits.
        let bytes = trace_id.to_bytes();
        let low = bytes.last_chunk::<4>().map_or(0, |low| u32::from_be_bytes(*low));
        let is_chosen = low.trailing_zeros() >= self.bits;
        if is_chosen {
            self.chosen += 1;
            if self.chosen >= MANY {
                self.bits = (self.bits + 1).min(MAX_BITS);
                self.chosen = 0;
            }
        }
        is_chosen
    }
}

const SECOND: u64 = 1_000_000_000;
/// Spans in a second that are too many: a page shows some of them.
const MANY: u32 = 400;
/// Spans in a second that leave space for twice as many.
const FEW: u32 = 100;
const MAX_BITS: u32 = 31;

#[cfg(test)]
mod tests {
    use super::*;

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
        let mut choice = TraceChoice::default();
        for number in 0..1000 {
            assert!(choice.takes(id(number), number * SECOND / 50));
        }
    }

    #[test]
    fn a_busy_process_shows_few_spans_and_all_of_a_trace_that_it_shows() {
        let (mut choice, mut last) = (TraceChoice::default(), 0);
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

    #[test]
    fn every_trace_is_shown_again_after_a_busy_time() {
        let mut choice = TraceChoice::default();
        (0..1_000_000).for_each(|number| _ = choice.takes(id(number), 0));
        assert!(choice.bits > 5, "{choice:?}");
        (1..=40).for_each(|second| _ = choice.takes(id(second), second * SECOND));
        assert_eq!(choice.bits, 0);
    }
}
