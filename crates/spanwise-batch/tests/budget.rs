//! The budget's law: what is held is never more than the limit, and what is given back is free.

#![allow(clippy::unwrap_used)]

use proptest::prelude::*;
use spanwise_batch::Budget;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::thread;

proptest! {
    #[test]
    fn charges_add_up(limit in 0usize..1000, steps in prop::collection::vec((any::<bool>(), 0usize..700), 0..100)) {
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
fn a_charge_cannot_wrap() {
    let budget = Budget::new(usize::MAX);
    let all = budget.try_charge(usize::MAX).unwrap();
    assert!(budget.try_charge(1).is_none() && budget.try_charge(usize::MAX).is_none());
    assert!(budget.try_charge(0).is_some());
    drop(all);
    assert_eq!(budget.charged(), 0);
}

#[test]
fn threads_together_stay_within_the_limit() {
    const LIMIT: usize = 1000;
    let budget = Budget::new(LIMIT);
    // Raised after a charge and lowered before it is given back: never above what is charged.
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
fn a_reserve_is_kept_for_those_who_ask_for_it() {
    let budget = Budget::new(100);
    budget.set_reserve(30);
    let most = budget.try_charge(70).unwrap();
    assert!(budget.try_charge(1).is_none() && budget.try_charge_reserved(31).is_none());
    let mut rest = budget.try_charge_reserved(30).unwrap();
    assert_eq!((budget.charged(), budget.peak()), (100, 100));
    rest.shrink_to(40);
    assert_eq!(rest.bytes(), 30, "a charge does not grow");
    rest.shrink_to(10);
    assert_eq!((rest.bytes(), budget.charged()), (10, 80));
    budget.set_reserve(5);
    assert!(budget.try_charge(16).is_none());
    rest.merge(budget.try_charge(15).unwrap()).unwrap();
    assert_eq!((rest.bytes(), budget.charged()), (25, 95));
    assert!(rest.merge(Budget::new(9).try_charge(9).unwrap()).is_err());
    drop((most, rest));
    // A reserve beyond the limit is all of it.
    budget.set_reserve(usize::MAX);
    assert!(budget.try_charge(1).is_none() && budget.try_charge_reserved(100).is_some());
    assert_eq!(budget.charged(), 0);
}
