//! A spool behind the exporter, whatever the receiver and the disk do, over several processes: the ledgers add up.

use crate::support;

use proptest::prelude::*;
use spanwise_export::ExporterBuilder;
use std::time::Duration;
use support::spooled::{Receiver, World};

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);

fn usual(builder: ExporterBuilder) -> ExporterBuilder {
    builder
}

#[derive(Debug, Clone)]
enum Op {
    Push(u64, usize),
    Wait(u64),
    Set(Receiver),
    DiskFails(bool),
    DiskHangs(bool),
    DiskLatency(u64),
    Evict,
    Flush(u64),
    /// With this timeout in milliseconds, or a crash.
    Restart(Option<u64>),
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        6 => (1u64..200, 0usize..1_000).prop_map(|(spans, bytes)| Op::Push(spans, bytes)),
        1 => (1u64..4, 10_000usize..100_000).prop_map(|(spans, bytes)| Op::Push(spans, bytes)),
        6 => prop_oneof![0u64..50, 0u64..3_000, 5_000u64..40_000].prop_map(Op::Wait),
        5 => prop_oneof![
            4 => Just(Receiver::Down),
            3 => Just(Receiver::Up),
            1 => Just(Receiver::Hung),
            1 => Just(Receiver::Rejecting),
            1 => Just(Receiver::Partial),
            1 => (70_000usize..200_000).prop_map(Receiver::Small),
        ]
        .prop_map(Op::Set),
        1 => any::<bool>().prop_map(Op::DiskFails),
        1 => prop_oneof![Just(false), any::<bool>()].prop_map(Op::DiskHangs),
        1 => prop_oneof![0u64..10, 0u64..2_000].prop_map(Op::DiskLatency),
        1 => Just(Op::Evict),
        1 => (0u64..20_000).prop_map(Op::Flush),
        1 => prop_oneof![Just(None), (0u64..5_000).prop_map(Some)].prop_map(Op::Restart),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    /// At the end each span is exported or lost for a reason, over all processes, and the
    /// receiver has the exported ones.
    #[test]
    fn the_ledgers_of_all_processes_add_up(
        max_in_flight in 1usize..5,
        ops in proptest::collection::vec(op(), 1..60),
    ) {
        let mut world = World::new(match max_in_flight {
            1 => |it| it.with_max_in_flight(1),
            2 => |it| it.with_max_in_flight(2).with_max_queue_size(2_000),
            3 => |it| it.with_max_in_flight(2).with_hold_back(SECOND),
            _ => usual,
        });
        for op in ops {
            match op {
                Op::Push(spans, bytes) => world.push(spans, bytes),
                Op::Wait(millis) => world.wait(Duration::from_millis(millis)),
                Op::Set(receiver) => world.set_receiver(receiver),
                Op::DiskFails(is_failing) => world.disk.is_failing = is_failing,
                Op::DiskHangs(is_hung) => world.disk.is_hung = is_hung,
                Op::DiskLatency(millis) => world.disk.latency = Duration::from_millis(millis),
                Op::Evict => {
                    world.disk.evict();
                    world.turn();
                }
                Op::Flush(millis) => {
                    world.flush(Duration::from_millis(millis));
                }
                Op::Restart(Some(millis)) => {
                    world.shut_down(Duration::from_millis(millis));
                    world.restart(false);
                }
                Op::Restart(None) => world.restart(true),
            }
        }
        (world.disk.is_hung, world.disk.is_failing) = (false, false);
        world.disk.latency = Duration::from_millis(1);
        world.set_receiver(Receiver::Up);
        world.wait(5 * MINUTE);
        let account = world.ledger();
        prop_assert_eq!((account.spooled, world.disk.records()), (0, 0), "{}", account);
        world.shut_down(MINUTE);
        world.judge();
    }
}
