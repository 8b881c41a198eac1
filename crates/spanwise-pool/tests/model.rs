//! Random calls of one thread on a pool and on a model of it.
#![cfg(not(loom))]

mod support;

use std::sync::Arc;

use proptest::prelude::*;
use proptest::sample::Index;
use spanwise_pool::{Pool, Pooled, PooledOwned};
use support::Canary;

#[derive(Clone, Debug)]
enum Act {
    Acquire {
        owned: bool,
    },
    TryAcquire {
        owned: bool,
    },
    Take,
    /// The released object has this number of bytes.
    Release(Index, usize),
    IntoInner(Index),
    Put(Index, usize),
    Trim,
    Clear,
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        4 => any::<bool>().prop_map(|owned| Act::Acquire { owned }),
        2 => any::<bool>().prop_map(|owned| Act::TryAcquire { owned }),
        2 => Just(Act::Take),
        5 => (any::<Index>(), 0..40_usize).prop_map(|(which, bytes)| Act::Release(which, bytes)),
        1 => any::<Index>().prop_map(Act::IntoInner),
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

    fn into_inner(self) -> Canary {
        match self {
            Guard::Borrowed(guard) => guard.into_inner(),
            Guard::Owned(guard) => guard.into_inner(),
        }
    }
}

/// An idle object: id, bytes, and whether it was used since the last trim.
struct Idle {
    id: u64,
    bytes: usize,
    used: bool,
}

/// A guard, and the charge of its slot; `None` without a slot.
struct InUse<'a> {
    mark: u64,
    charge: Option<usize>,
    guard: Guard<'a>,
}

#[derive(Default)]
struct Model {
    capacity: usize,
    limit: usize,
    idle: Vec<Idle>,
    hits: u64,
    misses: u64,
    discarded: u64,
    hatched: u64,
}

impl Model {
    /// The charge of the slot that a request was served from.
    fn hit(&mut self, id: u64) -> usize {
        self.hits += 1;
        let at = self.idle.iter().position(|idle| idle.id == id).unwrap_or(usize::MAX);
        self.idle.swap_remove(at).bytes
    }

    fn charged(&self, in_use: &[InUse<'_>]) -> usize {
        self.idle.iter().map(|idle| idle.bytes).sum::<usize>()
            + in_use.iter().filter_map(|in_use| in_use.charge).sum::<usize>()
    }

    fn slots_taken(&self, in_use: &[InUse<'_>]) -> usize {
        self.idle.len() + in_use.iter().filter(|in_use| in_use.charge.is_some()).count()
    }

    /// Parks the object in its own or an empty slot; `false` if it is evicted.
    fn release(&mut self, id: u64, bytes: usize, in_use: &[InUse<'_>], own_slot: bool) -> bool {
        let has_space = own_slot || self.slots_taken(in_use) < self.capacity;
        let fits = self.charged(in_use) + bytes <= self.limit;
        let retained = id % 5 != 4 && has_space && fits;
        if retained {
            self.idle.push(Idle { id, bytes, used: true });
        }
        retained
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]
    #[test]
    fn a_pool_behaves_as_its_model(
        capacity in 0usize..6,
        limit in prop_oneof![Just(usize::MAX), 0..100_usize],
        acts in prop::collection::vec(act(), 0..200),
    ) {
        let pool = Arc::new(Pool::new(capacity).with_byte_limit(limit));
        let mut in_use: Vec<InUse<'_>> = Vec::new();
        let mut taken: Vec<(u64, Canary)> = Vec::new();
        let mut model = Model { capacity, limit, ..Model::default() };

        for (mark, act) in (0u64..).zip(acts) {
            match act {
                Act::Acquire { owned } => {
                    let hatched = model.hatched;
                    let make = || Canary::hatch(hatched);
                    let mut guard = match owned {
                        true => Guard::Owned(pool.acquire_owned(make)),
                        false => Guard::Borrowed(pool.acquire(make)),
                    };
                    let canary = guard.canary();
                    canary.grasp(mark);
                    let charge = match model.idle.is_empty() {
                        true => {
                            prop_assert_eq!(canary.id, hatched);
                            model.hatched += 1;
                            model.misses += 1;
                            (model.slots_taken(&in_use) < capacity).then_some(0)
                        }
                        false => Some(model.hit(canary.id)),
                    };
                    in_use.push(InUse { mark, charge, guard });
                }
                Act::TryAcquire { owned } => {
                    let guard = match owned {
                        true => pool.try_acquire_owned().map(Guard::Owned),
                        false => pool.try_acquire().map(Guard::Borrowed),
                    };
                    prop_assert_eq!(guard.is_some(), !model.idle.is_empty());
                    let Some(mut guard) = guard else { model.misses += 1; continue };
                    guard.canary().grasp(mark);
                    let charge = Some(model.hit(guard.canary().id));
                    in_use.push(InUse { mark, charge, guard });
                }
                Act::Take => {
                    let canary = pool.try_take();
                    prop_assert_eq!(canary.is_some(), !model.idle.is_empty());
                    let Some(mut canary) = canary else { model.misses += 1; continue };
                    canary.grasp(mark);
                    model.hit(canary.id);
                    taken.push((mark, canary));
                }
                Act::Release(which, bytes) if !in_use.is_empty() => {
                    let InUse { mark, charge, mut guard } = in_use.swap_remove(which.index(in_use.len()));
                    guard.canary().bytes = bytes;
                    guard.canary().release(mark);
                    let id = guard.canary().id;
                    drop(guard);
                    if !model.release(id, bytes, &in_use, charge.is_some()) {
                        model.discarded += 1;
                    }
                }
                Act::IntoInner(which) if !in_use.is_empty() => {
                    let InUse { mark, guard, .. } = in_use.swap_remove(which.index(in_use.len()));
                    guard.into_inner().release(mark);
                }
                Act::Put(which, bytes) if !taken.is_empty() => {
                    let (mark, mut canary) = taken.swap_remove(which.index(taken.len()));
                    canary.release(mark);
                    canary.bytes = bytes;
                    let id = canary.id;
                    let put = pool.put(canary);
                    let retained = model.release(id, bytes, &in_use, false);
                    prop_assert_eq!(put.is_ok(), retained || id % 5 == 4);
                    model.discarded += u64::from(id % 5 == 4);
                }
                Act::Trim => {
                    let before = model.idle.len();
                    let trimmed = pool.trim();
                    let unused = model.idle.iter().filter(|idle| !idle.used);
                    prop_assert_eq!(trimmed.bytes, unused.map(|idle| idle.bytes).sum());
                    model.idle.retain(|idle| idle.used);
                    prop_assert_eq!(trimmed.objects, before - model.idle.len());
                    model.idle.iter_mut().for_each(|idle| idle.used = false);
                }
                Act::Clear => { pool.clear(); model.idle.clear(); }
                Act::Release(..) | Act::IntoInner(_) | Act::Put(..) => {}
            }
            let stats = pool.stats();
            prop_assert_eq!((stats.hits, stats.misses), (model.hits, model.misses));
            prop_assert_eq!(stats.discarded, model.discarded);
            prop_assert_eq!(stats.outstanding, in_use.len() + taken.len());
            prop_assert_eq!(stats.retained, model.idle.len());
            let bytes = model.idle.iter().map(|idle| idle.bytes).sum::<usize>();
            prop_assert_eq!(stats.retained_bytes, bytes);
            prop_assert!(stats.retained <= capacity && stats.retained_bytes <= limit);
        }
        for InUse { mark, guard, .. } in &mut in_use {
            guard.canary().release(*mark);
        }
    }
}
