//! [`SpanChoice`]: spans at random, few enough to read.

/// Chooses spans at random: all of a quiet process, and a share of a busy one that halves with each bit.
///
/// A bit is added as soon as a second has too many spans, and one is removed after a second with few.
#[derive(Debug, Default)]
pub(super) struct SpanChoice {
    bits: u32,
    second_began: u64,
    chosen: u32,
    random: u64,
}

impl SpanChoice {
    /// Whether the next span is read, at `now` in nanoseconds.
    pub(super) fn takes(&mut self, now: u64) -> bool {
        if now.saturating_sub(self.second_began) >= SECOND {
            if self.chosen < FEW {
                self.bits = self.bits.saturating_sub(1);
            }
            (self.second_began, self.chosen) = (now, 0);
        }
        // At random, and not each nth: spans of a trace recur in a pattern. Knuth's generator, whose high bits are good.
        self.random = self.random.wrapping_mul(6_364_136_223_846_793_005);
        self.random = self.random.wrapping_add(1_442_695_040_888_963_407);
        let is_chosen = self.random.leading_zeros() >= self.bits;
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
/// Spans in a second that are too many: they take a millisecond of processor time.
const MANY: u32 = 2000;
/// Spans in a second that leave space for twice as many.
const FEW: u32 = 500;
const MAX_BITS: u32 = 31;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quiet_process_has_every_span_read() {
        let mut choice = SpanChoice::default();
        for number in 0..10_000 {
            assert!(choice.takes(number * SECOND / 1000));
        }
    }

    #[test]
    fn a_busy_process_has_few_spans_read_of_each_kind() {
        let (mut choice, mut kinds) = (SpanChoice::default(), [0; 4]);
        for second in 0..10_u64 {
            kinds = [0; 4];
            for number in 0..1_000_000_usize {
                kinds[number % 4] += u32::from(choice.takes(second * SECOND));
            }
        }
        let sum: u32 = kinds.iter().sum();
        assert!((FEW / 2..=2 * MANY).contains(&sum), "{kinds:?}");
        assert!(kinds.iter().all(|kind| *kind > sum / 6), "{kinds:?}");
        // And every span again after a busy time.
        (11..=40).for_each(|second| _ = choice.takes(second * SECOND));
        assert_eq!(choice.bits, 0);
    }
}
