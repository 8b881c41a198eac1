//! Sets of rules.

use crate::rule::Rule;

/// A set of indexes of rules.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct RuleSet(u128);

impl RuleSet {
    pub(super) fn of(rules: &[Rule], holds: &dyn Fn(&Rule) -> bool) -> Self {
        let mut set = Self::default();
        let holding = rules.iter().enumerate().filter(|(_, rule)| holds(rule));
        holding.for_each(|(index, _)| set.insert(index));
        set
    }

    pub(super) fn insert(&mut self, index: usize) {
        self.0 |= 1u128.checked_shl(index as u32).unwrap_or(0);
    }

    #[inline]
    pub(crate) fn is_empty(self) -> bool {
        self.0 == 0
    }

    #[inline]
    pub(super) fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    #[inline]
    pub(super) fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// The indexes in ascending order.
    pub(crate) fn iter(self) -> impl Iterator<Item = usize> {
        let mut rest = self.0;
        std::iter::from_fn(move || {
            let index = rest.trailing_zeros();
            rest &= rest.checked_sub(1)?;
            Some(index as usize)
        })
    }
}
