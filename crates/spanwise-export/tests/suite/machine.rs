//! The state machine in virtual time, with receivers that are slow, fail and never answer: the ledger
//! agrees with a model at every step.

use crate::support;

use proptest::prelude::*;
use spanwise_batch::{AdaptiveBatchSize, BatchLimits, BatchSize};
use support::{End, Op, Setup, run};

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        5 => (1u8..60, 0u32..200).prop_map(|(spans, bytes)| Op::Push { spans, bytes }),
        2 => (1u8..20, 1_000u32..20_000).prop_map(|(spans, bytes)| Op::Push { spans, bytes }),
        1 => (1u8..4, 20_000u32..200_000).prop_map(|(spans, bytes)| Op::Push { spans, bytes }),
        5 => prop_oneof![0u16..20, 0u16..300, 500u16..3_000].prop_map(Op::Advance),
        2 => prop_oneof![Just(0u16), 0u16..500, 1_000u16..10_000].prop_map(Op::Flush),
        1 => Just(Op::Notify),
        1 => retune(),
        1 => any::<bool>().prop_map(Op::Healthy),
    ]
}

fn queue_size() -> impl Strategy<Value = Option<usize>> {
    prop_oneof![Just(None), (16usize..2_000).prop_map(Some)]
}

fn batch() -> impl Strategy<Value = usize> {
    prop_oneof![Just(8_192usize), 1usize..200]
}

fn hold_back() -> impl Strategy<Value = u16> {
    prop_oneof![2 => Just(0u16), 1 => 1u16..10_000]
}

fn retune() -> impl Strategy<Value = Op> {
    (1usize..6, batch(), 50u16..5_000, hold_back(), queue_size()).prop_map(
        |(max_in_flight, batch, delay, hold_back, queue)| Op::Retune {
            max_in_flight,
            batch,
            delay,
            hold_back,
            queue,
        },
    )
}

fn size() -> impl Strategy<Value = Option<BatchSize>> {
    prop_oneof![
        3 => Just(None),
        1 => Just(Some(BatchSize::Dynamic)),
        1 => Just(Some(BatchSize::Adaptive(AdaptiveBatchSize::default()))),
        1 => (1usize..300, 1usize..100_000)
            .prop_map(|(spans, bytes)| Some(BatchSize::Fixed(BatchLimits { spans, bytes }))),
    ]
}

fn setup() -> impl Strategy<Value = Setup> {
    (
        prop_oneof![Just(1usize << 20), Just(3 << 20), Just(16 << 20)],
        1usize..6,
        queue_size(),
        batch(),
        hold_back(),
        prop::bool::weighted(0.25),
        size(),
        any::<u64>(),
    )
        .prop_map(
            |(budget_bytes, max_in_flight, queue, batch, hold_back, has_policy, size, seed)| {
                let max_queue_size = queue;
                Setup {
                    budget_bytes,
                    max_in_flight,
                    max_queue_size,
                    batch,
                    hold_back,
                    has_policy,
                    size,
                    seed,
                }
            },
        )
}

fn end() -> impl Strategy<Value = End> {
    prop_oneof![
        3 => prop_oneof![Just(0u16), 0u16..200, 1_000u16..60_000].prop_map(End::Shutdown),
        1 => Just(End::Death),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(if cfg!(miri) { 4 } else { 64 }))]
    #[test]
    fn every_span_has_one_outcome_whatever_happens(
        setup in setup(),
        ops in prop::collection::vec(op(), 0..60),
        end in end(),
    ) {
        run(setup, &ops, end);
    }
}

/// Chunks that are merged while a receiver hangs are all accounted for when it recovers.
#[test]
fn a_flush_is_answered_after_an_outage() {
    for seed in 0..20 {
        let setup = Setup { seed, ..Setup::default() };
        let fill = [Op::Push { spans: 40, bytes: 200 }, Op::Advance(300)];
        let mut ops: Vec<_> = fill.into_iter().cycle().take(120).collect();
        ops.extend([Op::Flush(60_000), Op::Healthy(true)]);
        ops.extend(std::iter::repeat_n(Op::Advance(1_000), 50));
        run(setup, &ops, End::Shutdown(0));
    }
}

/// Long runs of one producer, from seeds: fills the budget, stalls, recovers.
#[test]
fn simulated_hours_balance() {
    for seed in 0..12u64 {
        let setup = Setup {
            budget_bytes: [1 << 20, 2 << 20, 16 << 20][seed as usize % 3],
            max_in_flight: 1 + seed as usize % 4,
            max_queue_size: (seed % 5 == 0).then_some(300),
            hold_back: [0, 3_000][seed as usize % 2],
            seed,
            ..Setup::default()
        };
        let ops: Vec<_> = (0..200u64)
            .map(|step| match (step * 7 + seed) % 11 {
                0 => Op::Flush((step * 37 % 4_000) as u16),
                1 => Op::Advance(20_000),
                2..=5 => Op::Push { spans: 50, bytes: (step * 131 % 3_000) as u32 },
                6 => Op::Push { spans: 3, bytes: 90_000 },
                _ => Op::Advance((step * 53 % 400) as u16),
            })
            .collect();
        let end = if seed % 4 == 0 { End::Death } else { End::Shutdown((seed * 100) as u16) };
        run(setup, &ops, end);
    }
}
