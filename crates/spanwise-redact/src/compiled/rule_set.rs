//! Sets of rules.

/// A set of indexes of rules.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct RuleSet(u128);

impl RuleSet {
    /// The indexes of the items for which `holds` is true.
    pub(super) fn of<T>(items: &[T], holds: impl Fn(&T) -> bool) -> Self {
        let mut set = Self::default();
        let holding = items.iter().enumerate().filter(|(_, item)| holds(item));
        holding.for_each(|(index, _)| set.insert(index));
        set
    }

    pub(super) fn insert(&mut self, index: usize) {
        self.0 |= 1u128.checked_shl(index as u32).unwrap_or(0);
    }

    pub(super) fn remove(&mut self, index: usize) {
        self.0 &= !1u128.checked_shl(index as u32).unwrap_or(0);
    }

    pub(crate) fn contains(self, index: usize) -> bool {
        self.0.checked_shr(index as u32).unwrap_or(0) & 1 == 1
    }

    #[inline]
    pub(crate) fn is_empty(self) -> bool {
        self.0 == 0
    }

    #[inline]
    pub(crate) fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    #[inline]
    pub(crate) fn or(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    #[inline]
    pub(crate) fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// The smallest index that is at least `from`.
    pub(crate) fn next(self, from: usize) -> Option<usize> {
        let rest = self.0.checked_shr(from as u32).unwrap_or(0);
        (rest != 0).then(|| from + rest.trailing_zeros() as usize)
    }

    pub(super) fn to_words(self) -> [u64; 2] {
        [self.0 as u64, (self.0 >> 64) as u64]
    }

    pub(super) fn from_words([low, high]: [u64; 2]) -> Self {
        Self(u128::from(low) | u128::from(high) << 64)
    }
}
