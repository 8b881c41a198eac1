//! The invariant of the budget: the bytes charged never exceed the limit, and returned bytes can be
//! charged again.

use proptest::prelude::*;
use spanwise_batch::Budget;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::thread;

proptest! {
    #[test]
    fn charges_sum_to_the_charged_bytes(
        limit in 0usize..1000,
        steps in prop::collection::vec((any::<bool>(), 0usize..700), 0..100),
    ) {
        let budget = Budget::new(limit);
        let (mut held, mut peak) = (Vec::new(), 0);
        for (charge, number) in steps {
            let sum: usize = held.iter().map(spanwise_batch::Charge::bytes).sum();
            if charge {
                let charge = budget.try_charge(number);
                prop_assert_eq!(charge.is_some(), sum + number <= limit);
                held.extend(charge);
            } else if !held.is_empty() {
                drop(held.swap_remove(number % held.len()));
            }
            let sum: usize = held.iter().map(spanwise_batch::Charge::bytes).sum();
            peak = peak.max(sum);
            prop_assert_eq!((budget.charged(), budget.peak(), budget.limit()), (sum, peak, limit));
        }
        drop(held);
        prop_assert_eq!(budget.charged(), 0);
    }
}

#[test]
fn a_charge_never_overflows() {
    let budget = Budget::new(usize::MAX);
    assert_eq!(budget.limit(), isize::MAX as usize, "the size of an allocation");
    assert!(budget.try_charge(usize::MAX).is_none());
    let all = budget.try_charge(budget.limit()).unwrap();
    assert!(budget.try_charge(1).is_none() && budget.try_charge(usize::MAX).is_none());
    assert!(budget.try_charge(0).is_some());
    drop(all);
    assert_eq!(budget.charged(), 0);
}

#[test]
fn threads_together_stay_within_the_limit() {
    const LIMIT: usize = 1000;
    let budget = Budget::new(LIMIT);
    // Incremented after a charge and decremented before its return: never above the charged bytes.
    let held = AtomicUsize::new(0);
    let charged: usize = thread::scope(|scope| {
        let threads: Vec<_> = (1..=4)
            .map(|thread| {
                let (budget, held) = (budget.clone(), &held);
                scope.spawn(move || {
                    let mut charged = 0;
                    for round in 0..20_000 {
                        let bytes = (round * 37 * thread) % 701;
                        if let Some(charge) = budget.try_charge(bytes) {
                            let sum = held.fetch_add(bytes, SeqCst) + bytes;
                            assert!(sum <= LIMIT && budget.charged() <= LIMIT);
                            charged += 1;
                            held.fetch_sub(bytes, SeqCst);
                            drop(charge);
                        }
                    }
                    charged
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).sum()
    });
    assert!(charged > 0);
    assert_eq!(budget.charged(), 0);
    assert!((700..=LIMIT).contains(&budget.peak()), "{}", budget.peak());
}

#[test]
fn only_try_charge_reserved_uses_the_reserve() {
    let budget = Budget::new(100);
    budget.set_reserve(30);
    let unreserved = budget.try_charge(70).unwrap();
    assert!(budget.try_charge(1).is_none() && budget.try_charge_reserved(31).is_none());
    let mut reserved = budget.try_charge_reserved(30).unwrap();
    assert_eq!((budget.charged(), budget.peak()), (100, 100));
    reserved.shrink_to(40);
    assert_eq!(reserved.bytes(), 30, "a charge does not grow");
    reserved.shrink_to(10);
    assert_eq!((reserved.bytes(), budget.charged()), (10, 80));
    budget.set_reserve(5);
    assert!(budget.try_charge(16).is_none());
    reserved.merge(budget.try_charge(15).unwrap()).unwrap();
    assert_eq!((reserved.bytes(), budget.charged()), (25, 95));
    assert!(reserved.merge(Budget::new(9).try_charge(9).unwrap()).is_err());
    // The merged charge returns its bytes once, and none of them to the reserve.
    reserved.shrink_to(20);
    drop((unreserved, reserved));
    let all = budget.try_charge(95).unwrap();
    assert!(budget.try_charge(1).is_none() && budget.try_charge_reserved(6).is_none());
    drop(all);
    // A reserve beyond the limit is the whole limit.
    budget.set_reserve(usize::MAX);
    assert!(budget.try_charge(1).is_none() && budget.try_charge_reserved(100).is_some());
    assert_eq!(budget.charged(), 0);
}
