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

/// The memory of the parts of a request while it is divided: a part is charged before it is allocated, to the charges of the request
/// first, then to the budget.
pub(crate) struct PartsMemory<'b> {
    budget: &'b Budget,
    /// Of the request alone.
    own: Option<Charge>,
    /// The bytes of `own` before the division.
    own_bytes: usize,
    /// With other owners: they last until the last part has ended.
    shared: Vec<Arc<Charge>>,
    /// Bytes of `shared` that no part uses.
    unused_shared: usize,
}

impl<'b> PartsMemory<'b> {
    pub(crate) fn new(held: Held, budget: &'b Budget) -> Self {
        let (mut own, mut shared): (Option<Charge>, Vec<_>) = (None, Vec::new());
        for charge in held.0 {
            match Arc::try_unwrap(charge) {
                Ok(charge) => shared.extend(merge(&mut own, charge).map(Arc::new)),
                Err(charge) => shared.push(charge),
            }
        }
        let own_bytes = own.as_ref().map_or(0, Charge::bytes);
        let unused_shared = shared.iter().map(|charge| charge.bytes()).sum();
        Self { budget, own, own_bytes, shared, unused_shared }
    }

    /// Charges `bytes` for a part, beside those of `part`. Returns whether there is memory; without, nothing is charged.
    pub(crate) fn charge(&mut self, part: &mut Option<Charge>, bytes: usize) -> bool {
        let of_shared = bytes.min(self.unused_shared);
        let of_own = self.own.as_ref().map_or(0, Charge::bytes).min(bytes - of_shared);
        let missing = bytes - of_shared - of_own;
        if missing > 0 {
            let Some(more) = self.budget.try_charge(missing) else { return false };
            self.shared.extend(merge(part, more).map(Arc::new));
        }
        self.unused_shared -= of_shared;
        if let Some(own) = self.own.as_mut().filter(|_| of_own > 0) {
            let own = own.split(of_own);
            self.shared.extend(merge(part, own).map(Arc::new));
        }
        true
    }

    /// Takes the charge of a part back that is not made.
    pub(crate) fn take_back(&mut self, part: Option<Charge>) {
        if let Some(part) = part {
            self.shared.extend(merge(&mut self.own, part).map(Arc::new));
        }
    }

    /// The charges of a part.
    pub(crate) fn of_part(&self, part: Option<Charge>) -> Held {
        Held(part.map(Arc::new).into_iter().chain(self.shared.iter().cloned()).collect())
    }

    /// The charges of the request, which stays whole.
    pub(crate) fn of_whole(mut self) -> Held {
        if let Some(own) = &mut self.own {
            own.shrink_to(self.own_bytes);
        }
        Held(self.own.map(Arc::new).into_iter().chain(self.shared).collect())
    }
}

/// Adds `more` to a charge. Returns it if it is one of another budget.
fn merge(charge: &mut Option<Charge>, more: Charge) -> Option<Charge> {
    match charge {
        Some(charge) => charge.merge(more).err(),
        None => {
            *charge = Some(more);
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(held: &Held) -> usize {
        held.0.iter().map(|charge| charge.bytes()).sum()
    }

    fn held(budget: &Budget, bytes: usize) -> Held {
        Held::new(Arc::new(budget.try_charge(bytes).unwrap()))
    }

    #[test]
    fn parts_are_charged_to_the_request_first_and_then_to_the_budget() {
        let budget = Budget::new(1_000);
        let mut memory = PartsMemory::new(held(&budget, 100), &budget);
        let (mut first, mut second) = (None, None);
        assert!(memory.charge(&mut first, 60));
        assert_eq!(budget.charged(), 100, "the request has them");
        assert!(memory.charge(&mut second, 70));
        assert_eq!(budget.charged(), 130, "30 are missing");
        assert!(memory.charge(&mut first, 5));
        let mut parts = [first, second].map(|part| memory.of_part(part));
        assert_eq!(parts.each_ref().map(bytes), [65, 70]);
        drop(memory);
        assert_eq!(budget.charged(), 135);
        let [first, second] = &mut parts;
        drop(std::mem::take(second));
        assert_eq!(budget.charged(), 65);
        first.join(held(&budget, 5));
        assert_eq!((first.0.len(), bytes(first)), (1, 70));
        drop(parts);
        assert_eq!(budget.charged(), 0);
    }

    #[test]
    fn bytes_that_no_part_needs_are_returned() {
        let budget = Budget::new(1_000);
        let mut memory = PartsMemory::new(held(&budget, 100), &budget);
        let mut part = None;
        assert!(memory.charge(&mut part, 60));
        let part = memory.of_part(part);
        drop(memory);
        assert_eq!((budget.charged(), bytes(&part)), (60, 60));
    }

    #[test]
    fn a_full_budget_refuses_a_part_and_leaves_the_request_its_charge() {
        let budget = Budget::new(100);
        let mut memory = PartsMemory::new(held(&budget, 90), &budget);
        let (mut first, mut second) = (None, None);
        assert!(memory.charge(&mut first, 95), "five of the budget");
        let before = budget.charged();
        assert!(!memory.charge(&mut second, 6));
        assert_eq!((budget.charged(), second.is_none()), (before, true), "nothing is charged");
        memory.take_back(first);
        let whole = memory.of_whole();
        assert_eq!((bytes(&whole), budget.charged()), (90, 90), "what the budget gave is returned");
        drop(whole);
        assert_eq!(budget.charged(), 0);
    }

    #[test]
    fn a_shared_charge_lasts_until_the_last_part() {
        let budget = Budget::new(100);
        let charge = Arc::new(budget.try_charge(90).unwrap());
        let mut memory = PartsMemory::new(Held::new(Arc::clone(&charge)), &budget);
        let (mut first, mut second) = (None, None);
        assert!(memory.charge(&mut first, 60) && memory.charge(&mut second, 40));
        assert_eq!(budget.charged(), 100, "ten are missing");
        let [first, second] = [first, second].map(|part| memory.of_part(part));
        drop((charge, memory, second));
        assert_eq!(budget.charged(), 90);
        drop(first);
        assert_eq!(budget.charged(), 0);
    }
}
