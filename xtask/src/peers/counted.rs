//! A number with its noun, in a report.

use std::fmt;

/// `1 span`, `2 spans`.
pub(crate) struct Counted<N>(pub(crate) N, pub(crate) &'static str);

impl<N: fmt::Display + PartialEq + From<u8>> fmt::Display for Counted<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(number, noun) = self;
        let plural = if *number == N::from(1) { "" } else { "s" };
        write!(f, "{number} {noun}{plural}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_noun_is_in_the_plural_unless_there_is_one() {
        let of = |number: u64| Counted(number, "span").to_string();
        assert_eq!([of(0), of(1), of(2)], ["0 spans", "1 span", "2 spans"]);
    }
}
