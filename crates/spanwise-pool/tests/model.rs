//! Whatever is done to a pool by one thread, it does what its model says.
#![cfg(not(loom))]

mod support;

use std::sync::Arc;

use proptest::prelude::*;
use proptest::sample::Index;
use spanwise_pool::{Pool, Pooled, PooledOwned};
use support::Canary;

#[derive(Clone, Debug)]
enum Act {
    Lend {
        owned: bool,
    },
    TryLend {
        owned: bool,
    },
    Take,
    /// What comes home holds so many bytes then.
    ComeHome(Index, usize),
    Keep(Index),
    Put(Index, usize),
    Trim,
    Clear,
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        4 => any::<bool>().prop_map(|owned| Act::Lend { owned }),
        2 => any::<bool>().prop_map(|owned| Act::TryLend { owned }),
        2 => Just(Act::Take),
        5 => (any::<Index>(), 0..40_usize).prop_map(|(which, bytes)| Act::ComeHome(which, bytes)),
        1 => any::<Index>().prop_map(Act::Keep),
        2 => (any::<Index>(), 0..40_usize).prop_map(|(which, bytes)| Act::Put(which, bytes)),
        1 => Just(Act::Trim),
        1 => Just(Act::Clear),
    ]
}

enum Guard<'a> {
    Borrowed(Pooled<'a, Canary>),
    Owned(PooledOwned<Canary>),
}

impl Guard<'_> {
    fn canary(&mut self) -> &mut Canary {
        match self {
            Guard::Borrowed(guard) => guard,
            Guard::Owned(guard) => guard,
        }
    }

    fn keep(self) -> Canary {
        match self {
            Guard::Borrowed(guard) => guard.into_inner(),
            Guard::Owned(guard) => guard.into_inner(),
        }
    }
}

/// At rest in a slot: id, bytes, used since the last trim.
struct Resting {
    id: u64,
    bytes: usize,
    used: bool,
}

/// A guard, and how its slot is charged; `None` without a slot.
struct Lent<'a> {
    mark: u64,
    charge: Option<usize>,
    guard: Guard<'a>,
}

#[derive(Default)]
struct Model {
    capacity: usize,
    limit: usize,
    resting: Vec<Resting>,
    hits: u64,
    misses: u64,
    discarded: u64,
    hatched: u64,
}

impl Model {
    /// The charge of the slot a request was answered from.
    fn hit(&mut self, id: u64) -> usize {
        self.hits += 1;
        let at = self.resting.iter().position(|resting| resting.id == id).unwrap_or(usize::MAX);
        self.resting.swap_remove(at).bytes
    }

    fn charged(&self, lent: &[Lent<'_>]) -> usize {
        self.resting.iter().map(|resting| resting.bytes).sum::<usize>()
            + lent.iter().filter_map(|lent| lent.charge).sum::<usize>()
    }

    fn slots_taken(&self, lent: &[Lent<'_>]) -> usize {
        self.resting.len() + lent.iter().filter(|lent| lent.charge.is_some()).count()
    }

    /// Comes home to the slot it left, or to any that is empty. False: let go.
    fn home(&mut self, id: u64, bytes: usize, lent: &[Lent<'_>], own_slot: bool) -> bool {
        let room = own_slot || self.slots_taken(lent) < self.capacity;
        let fits = self.charged(lent) + bytes <= self.limit;
        let kept = id % 5 != 4 && room && fits;
        if kept {
            self.resting.push(Resting { id, bytes, used: true });
        }
        kept
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]
    #[test]
    fn a_pool_is_what_its_model_says(
        capacity in 0usize..6,
        limit in prop_oneof![Just(usize::MAX), 0..100_usize],
        acts in prop::collection::vec(act(), 0..200),
    ) {
        let pool = Arc::new(Pool::new(capacity).with_byte_limit(limit));
        let mut lent: Vec<Lent<'_>> = Vec::new();
        let mut taken: Vec<(u64, Canary)> = Vec::new();
        let mut model = Model { capacity, limit, ..Model::default() };

        for (mark, act) in (0u64..).zip(acts) {
            match act {
                Act::Lend { owned } => {
                    let hatched = model.hatched;
                    let make = || Canary::hatch(hatched);
                    let mut guard = match owned {
                        true => Guard::Owned(pool.acquire_owned(make)),
                        false => Guard::Borrowed(pool.acquire(make)),
                    };
                    let canary = guard.canary();
                    canary.grasp(mark);
                    let charge = match model.resting.is_empty() {
                        true => {
                            prop_assert_eq!(canary.id, hatched);
                            model.hatched += 1;
                            model.misses += 1;
                            (model.slots_taken(&lent) < capacity).then_some(0)
                        }
                        false => Some(model.hit(canary.id)),
                    };
                    lent.push(Lent { mark, charge, guard });
                }
                Act::TryLend { owned } => {
                    let guard = match owned {
                        true => pool.try_acquire_owned().map(Guard::Owned),
                        false => pool.try_acquire().map(Guard::Borrowed),
                    };
                    prop_assert_eq!(guard.is_some(), !model.resting.is_empty());
                    let Some(mut guard) = guard else { model.misses += 1; continue };
                    guard.canary().grasp(mark);
                    let charge = Some(model.hit(guard.canary().id));
                    lent.push(Lent { mark, charge, guard });
                }
                Act::Take => {
                    let canary = pool.try_take();
                    prop_assert_eq!(canary.is_some(), !model.resting.is_empty());
                    let Some(mut canary) = canary else { model.misses += 1; continue };
                    canary.grasp(mark);
                    model.hit(canary.id);
                    taken.push((mark, canary));
                }
                Act::ComeHome(which, bytes) if !lent.is_empty() => {
                    let Lent { mark, charge, mut guard } = lent.swap_remove(which.index(lent.len()));
                    guard.canary().bytes = bytes;
                    guard.canary().release(mark);
                    let id = guard.canary().id;
                    drop(guard);
                    if !model.home(id, bytes, &lent, charge.is_some()) {
                        model.discarded += 1;
                    }
                }
                Act::Keep(which) if !lent.is_empty() => {
                    let Lent { mark, guard, .. } = lent.swap_remove(which.index(lent.len()));
                    guard.keep().release(mark);
                }
                Act::Put(which, bytes) if !taken.is_empty() => {
                    let (mark, mut canary) = taken.swap_remove(which.index(taken.len()));
                    canary.release(mark);
                    canary.bytes = bytes;
                    let id = canary.id;
                    let put = pool.put(canary);
                    let kept = model.home(id, bytes, &lent, false);
                    prop_assert_eq!(put.is_ok(), kept || id % 5 == 4);
                    model.discarded += u64::from(id % 5 == 4);
                }
                Act::Trim => {
                    let before = model.resting.len();
                    let trimmed = pool.trim();
                    let unused = model.resting.iter().filter(|resting| !resting.used);
                    prop_assert_eq!(trimmed.bytes, unused.map(|resting| resting.bytes).sum());
                    model.resting.retain(|resting| resting.used);
                    prop_assert_eq!(trimmed.objects, before - model.resting.len());
                    model.resting.iter_mut().for_each(|resting| resting.used = false);
                }
                Act::Clear => { pool.clear(); model.resting.clear(); }
                Act::ComeHome(..) | Act::Keep(_) | Act::Put(..) => {}
            }
            let stats = pool.stats();
            prop_assert_eq!((stats.hits, stats.misses), (model.hits, model.misses));
            prop_assert_eq!(stats.discarded, model.discarded);
            prop_assert_eq!(stats.outstanding, lent.len() + taken.len());
            prop_assert_eq!(stats.retained, model.resting.len());
            let bytes = model.resting.iter().map(|resting| resting.bytes).sum::<usize>();
            prop_assert_eq!(stats.retained_bytes, bytes);
            prop_assert!(stats.retained <= capacity && stats.retained_bytes <= limit);
        }
        for Lent { mark, guard, .. } in &mut lent {
            guard.canary().release(*mark);
        }
    }
}
