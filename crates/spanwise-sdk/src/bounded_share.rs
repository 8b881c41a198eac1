//! [`BoundedShare`]: a share of spans that bounds their number in a second.

/// Chooses all spans of a quiet process, and a share of a busy one that halves with each bit.
///
/// A bit is added as soon as a second has too many spans, and one is removed after a second with few.
#[derive(Debug)]
pub(crate) struct BoundedShare {
    /// Spans in a second that are too many.
    many: u32,
    bits: u32,
    second_began: u64,
    chosen: u32,
}

impl BoundedShare {
    /// A share of up to `many` spans in a second, about.
    pub(crate) fn new(many: u32) -> Self {
        Self { many, bits: 0, second_began: 0, chosen: 0 }
    }

    /// Whether a span is chosen whose random bits begin with this number of zeros, at `now` in nanoseconds.
    pub(crate) fn takes(&mut self, zeros: u32, now: u64) -> bool {
        if now.saturating_sub(self.second_began) >= SECOND {
            // A quarter leaves space for twice as many.
            if self.chosen < self.many / 4 {
                self.bits = self.bits.saturating_sub(1);
            }
            (self.second_began, self.chosen) = (now, 0);
        }
        let is_chosen = zeros >= self.bits;
        if is_chosen {
            self.chosen += 1;
            if self.chosen >= self.many {
                self.bits = (self.bits + 1).min(MAX_BITS);
                self.chosen = 0;
            }
        }
        is_chosen
    }
}

const SECOND: u64 = 1_000_000_000;
const MAX_BITS: u32 = 31;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_span_is_chosen_again_after_a_busy_time() {
        let mut share = BoundedShare::new(400);
        (0..1_000_000_u32).for_each(|number| _ = share.takes(number.trailing_zeros(), 0));
        assert!(share.bits > 5, "{share:?}");
        (1..=40).for_each(|second| _ = share.takes(0, second * SECOND));
        assert_eq!(share.bits, 0);
    }

    #[test]
    fn a_moderate_process_halves_once() {
        let mut share = BoundedShare::new(400);
        for second in 1..=10 {
            (0..600_u32)
                .for_each(|number| _ = share.takes(number.trailing_zeros(), second * SECOND));
        }
        assert_eq!(share.bits, 1, "{share:?}");
    }
}
