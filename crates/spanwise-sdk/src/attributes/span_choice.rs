//! [`SpanChoice`]: spans at random, few enough to read.

use crate::bounded_share::BoundedShare;

/// Chooses spans at random: all of a quiet process, and a [share](BoundedShare) of a busy one.
#[derive(Debug)]
pub(super) struct SpanChoice {
    share: BoundedShare,
    random: u64,
}

impl SpanChoice {
    pub(super) fn new() -> Self {
        Self { share: BoundedShare::new(MANY), random: 0 }
    }

    /// Whether the next span is read, at `now` in nanoseconds.
    pub(super) fn takes(&mut self, now: u64) -> bool {
        // At random, and not each nth: spans of a trace recur in a pattern. Knuth's generator, whose high bits are good.
        self.random = self.random.wrapping_mul(6_364_136_223_846_793_005);
        self.random = self.random.wrapping_add(1_442_695_040_888_963_407);
        self.share.takes(self.random.leading_zeros(), now)
    }
}

/// Spans in a second that are too many: they take a millisecond of processor time.
const MANY: u32 = 2000;

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;

    #[test]
    fn a_quiet_process_has_every_span_read() {
        let mut choice = SpanChoice::new();
        for number in 0..10_000 {
            assert!(choice.takes(number * SECOND / 1000));
        }
    }

    #[test]
    fn a_busy_process_has_few_spans_read_of_each_kind() {
        let (mut choice, mut kinds) = (SpanChoice::new(), [0; 4]);
        for second in 0..10_u64 {
            kinds = [0; 4];
            for number in 0..1_000_000_usize {
                kinds[number % 4] += u32::from(choice.takes(second * SECOND));
            }
        }
        let sum: u32 = kinds.iter().sum();
        assert!((MANY / 8..=2 * MANY).contains(&sum), "{kinds:?}");
        assert!(kinds.iter().all(|kind| *kind > sum / 6), "{kinds:?}");
    }
}
