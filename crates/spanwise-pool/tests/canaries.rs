//! Nobody is handed what another still holds, nor what another left behind.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

use proptest::prelude::*;
use spanwise_pool::{Pool, Pooled, Recycle};

/// Knows whether somebody holds it, and what was written on it.
#[derive(Debug)]
struct Canary {
    id: u64,
    held: Arc<AtomicBool>,
    note: Vec<u64>,
}

impl Canary {
    fn hatch(id: u64) -> Self {
        Canary { id, held: Arc::default(), note: Vec::new() }
    }

    fn grasp(&mut self, mark: u64) {
        assert!(!self.held.swap(true, Ordering::AcqRel), "canary {} has two holders", self.id);
        assert!(self.note.is_empty(), "canary {} sings the song of another", self.id);
        self.note.push(mark);
    }

    fn release(&self, mark: u64) {
        assert_eq!(self.note, [mark], "canary {} was written on by another", self.id);
        assert!(self.held.swap(false, Ordering::AcqRel));
    }
}

impl Recycle for Canary {
    fn recycle(&mut self) -> bool {
        self.note.clear();
        self.id % 5 != 4
    }
}

#[derive(Clone, Debug)]
enum Act {
    Lend,
    TryLend,
    GiveBack(prop::sample::Index),
    Keep(prop::sample::Index),
    Clear,
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        4 => Just(Act::Lend),
        2 => Just(Act::TryLend),
        4 => any::<prop::sample::Index>().prop_map(Act::GiveBack),
        1 => any::<prop::sample::Index>().prop_map(Act::Keep),
        1 => Just(Act::Clear),
    ]
}

proptest! {
    #[test]
    fn a_pool_is_what_its_model_says(capacity in 0usize..6, acts in prop::collection::vec(act(), 0..200)) {
        let pool = Arc::new(Pool::new(capacity));
        let mut lent: Vec<(u64, Pooled<Canary>)> = Vec::new();
        let mut seen: HashMap<u64, Arc<AtomicBool>> = HashMap::new();
        // The model: ids retained, oldest first.
        let mut retained: Vec<u64> = Vec::new();
        let (mut hits, mut misses, mut hatched) = (0, 0, 0);

        for (mark, act) in (0u64..).zip(acts) {
            match act {
                Act::Lend => {
                    let mut canary = pool.lend(|| { hatched += 1; Canary::hatch(hatched - 1) });
                    match retained.is_empty() {
                        true => { misses += 1; prop_assert_eq!(canary.id, hatched - 1); }
                        false => { hits += 1; prop_assert_eq!(canary.id, retained.remove(0)); }
                    }
                    canary.grasp(mark);
                    seen.insert(canary.id, canary.held.clone());
                    lent.push((mark, canary));
                }
                Act::TryLend => match pool.try_lend() {
                    Some(mut canary) => {
                        hits += 1;
                        prop_assert_eq!(canary.id, retained.remove(0));
                        canary.grasp(mark);
                        lent.push((mark, canary));
                    }
                    None => { misses += 1; prop_assert!(retained.is_empty()); }
                },
                Act::GiveBack(which) if !lent.is_empty() => {
                    let (mark, canary) = lent.swap_remove(which.index(lent.len()));
                    canary.release(mark);
                    if canary.id % 5 != 4 && retained.len() < capacity {
                        retained.push(canary.id);
                    }
                    drop(canary);
                }
                Act::Keep(which) if !lent.is_empty() => {
                    let (mark, canary) = lent.swap_remove(which.index(lent.len()));
                    let canary = canary.into_inner();
                    canary.release(mark);
                }
                Act::Clear => { pool.clear(); retained.clear(); }
                Act::GiveBack(_) | Act::Keep(_) => {}
            }
            let stats = pool.stats();
            prop_assert_eq!((stats.hits, stats.misses), (hits, misses));
            prop_assert_eq!(stats.outstanding, lent.len() as u64);
            prop_assert_eq!(stats.retained, retained.len());
            let held = seen.values().filter(|held| held.load(Ordering::Relaxed)).count();
            prop_assert_eq!(held, lent.len());
        }
        for (mark, canary) in &lent {
            canary.release(*mark);
        }
    }
}

/// A canary on its way to another thread; released wherever it ends up.
struct Letter {
    mark: u64,
    canary: Pooled<Canary>,
}

impl Drop for Letter {
    fn drop(&mut self) {
        self.canary.release(self.mark);
    }
}

/// Threads lend, hold a few, and give back on another thread than the one that lent.
#[test]
fn threads_never_share_a_canary() {
    const THREADS: u64 = 4;
    const TURNS: u64 = 20_000;
    let pool = Arc::new(Pool::filled(8, || Canary::hatch(0)));
    let hatched = AtomicU64::new(1);
    let (send, receive): (Vec<_>, Vec<_>) =
        (0..THREADS).map(|_| std::sync::mpsc::sync_channel::<Letter>(4)).unzip();
    thread::scope(|scope| {
        for (me, mail) in (0..THREADS).zip(receive) {
            let (pool, hatched) = (&pool, &hatched);
            let neighbour = send[((me + 1) % THREADS) as usize].clone();
            scope.spawn(move || {
                for turn in 0..TURNS {
                    let mark = me * TURNS + turn;
                    let mut canary =
                        pool.lend(|| Canary::hatch(hatched.fetch_add(1, Ordering::Relaxed)));
                    canary.grasp(mark);
                    // A full letter box, or a neighbour gone: it is given back here.
                    drop(neighbour.try_send(Letter { mark, canary }));
                    mail.try_iter().for_each(drop);
                }
            });
        }
        drop(send);
    });
    let stats = pool.stats();
    assert!(stats.retained <= pool.capacity());
    assert_eq!(stats.hits + stats.misses, THREADS * TURNS);
    assert_eq!(stats.outstanding, 0);
    assert!(stats.hits > 0);
}

#[test]
fn a_full_pool_hands_the_object_back_recycled() {
    let pool = Pool::filled(1, Vec::<u8>::new);
    let taken = pool.take().unwrap();
    assert_eq!(pool.put(taken), Ok(()));
    let made = vec![1, 2, 3];
    let capacity = made.capacity();
    let back = pool.put(made).unwrap_err();
    assert!(back.is_empty());
    assert_eq!(back.capacity(), capacity);
}

#[test]
fn a_pool_of_none_retains_nothing() {
    let pool = Arc::new(Pool::<String>::new(0));
    drop(pool.lend(|| "once".to_owned()));
    assert_eq!(pool.put(String::new()), Err(String::new()));
    assert!(pool.take().is_none());
    assert_eq!(pool.stats().retained, 0);
}

#[test]
fn a_guard_outlives_the_handles_of_its_pool() {
    let pool = Arc::new(Pool::<Vec<u8>>::new(2));
    let (weak, guard) = (Arc::downgrade(&pool), pool.lend(Vec::new));
    drop(pool);
    assert_eq!(weak.upgrade().map(|pool| pool.stats().outstanding), Some(1));
    drop(guard);
    assert!(weak.upgrade().is_none());
}
