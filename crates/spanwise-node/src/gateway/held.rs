//! The charges of the memory of requests, which are joined and divided as these are.

use std::sync::Arc;

use spanwise_batch::{Budget, Charge};

/// The charges of the memory of a request.
#[derive(Default)]
pub(crate) struct Held(Vec<Arc<Charge>>);

impl Held {
    pub(crate) fn new(charge: Arc<Charge>) -> Self {
        Self(vec![charge])
    }

    /// Adds the charges of a request that is joined with this one.
    pub(crate) fn join(&mut self, other: Self) {
        for charge in other.0 {
            // One charge, where no other owner has a share.
            let last = self.0.last_mut().and_then(Arc::get_mut);
            match (last, Arc::try_unwrap(charge)) {
                (Some(last), Ok(charge)) => {
                    if let Err(foreign) = last.merge(charge) {
                        self.0.push(Arc::new(foreign));
                    }
                }
                (None, Ok(charge)) => self.0.push(Arc::new(charge)),
                (_, Err(shared)) => self.0.push(shared),
            }
        }
    }

    /// Divides the charges among the parts of the request, which have these numbers of bytes. Bytes that are missing are charged to
    /// `budget`.
    ///
    /// # Errors
    /// The charges, if the budget has no space.
    pub(crate) fn divide(mut self, sizes: &[usize], budget: &Budget) -> Result<Vec<Self>, Self> {
        let Some(charge) = self.0.first_mut().and_then(Arc::get_mut) else {
            return Ok(self.shared(sizes.len()));
        };
        let whole: usize = sizes.iter().sum();
        let missing = whole.saturating_sub(charge.bytes());
        if missing > 0 {
            let Some(more) = budget.try_charge(missing) else { return Err(self) };
            if let Err(_foreign) = charge.merge(more) {
                return Err(self);
            }
        }
        let parts: Vec<Charge> = sizes.iter().map(|size| charge.split(*size)).collect();
        charge.shrink_to(0);
        let parts = parts.into_iter().map(|part| Self::new(Arc::new(part)));
        let parts = parts.zip(Self(self.0.split_off(1)).shared(sizes.len()));
        Ok(parts
            .map(|(mut part, shared)| {
                part.0.extend(shared.0);
                part
            })
            .collect())
    }

    /// A share of all charges for each of `parts` parts: they are returned with the last one.
    pub(crate) fn shared(self, parts: usize) -> Vec<Self> {
        (0..parts).map(|_| Self(self.0.clone())).collect()
    }

    /// One charge for a stage behind the gateway; `None` without any.
    pub(crate) fn into_charge(mut self) -> Option<Arc<Charge>> {
        let mut joined = Self::default();
        joined.join(Self(std::mem::take(&mut self.0)));
        // Several are only there if they are shared or of several budgets: the first one is the largest part.
        joined.0.into_iter().next()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(held: &Held) -> usize {
        held.0.iter().map(|charge| charge.bytes()).sum()
    }

    #[test]
    fn parts_have_their_own_charges() {
        let budget = Budget::new(1_000);
        let held = Held::new(Arc::new(budget.try_charge(100).unwrap()));
        let mut parts = held.divide(&[60, 70], &budget).ok().unwrap();
        assert_eq!(parts.iter().map(bytes).collect::<Vec<_>>(), [60, 70]);
        assert_eq!(budget.charged(), 130);
        drop(parts.pop());
        assert_eq!(budget.charged(), 60);
        let other = Held::new(Arc::new(budget.try_charge(5).unwrap()));
        parts[0].join(other);
        assert_eq!((parts[0].0.len(), bytes(&parts[0])), (1, 65));
        let halves = parts.pop().unwrap().divide(&[10, 10], &budget).ok().unwrap();
        assert_eq!(budget.charged(), 20, "the rest is returned");
        drop(halves);
        assert_eq!(budget.charged(), 0);
    }

    #[test]
    fn a_full_budget_leaves_the_charge_whole() {
        let budget = Budget::new(100);
        let held = Held::new(Arc::new(budget.try_charge(90).unwrap()));
        let held = held.divide(&[60, 60], &budget).err().unwrap();
        assert_eq!((bytes(&held), budget.charged()), (90, 90));
    }

    #[test]
    fn a_shared_charge_lasts_until_the_last_part() {
        let budget = Budget::new(100);
        let charge = Arc::new(budget.try_charge(90).unwrap());
        let held = Held::new(Arc::clone(&charge));
        let mut parts = held.divide(&[60, 60], &budget).ok().unwrap();
        drop(charge);
        drop(parts.pop());
        assert_eq!(budget.charged(), 90);
        drop(parts);
        assert_eq!(budget.charged(), 0);
    }
}
