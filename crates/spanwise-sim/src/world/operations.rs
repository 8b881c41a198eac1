//! The operations that a seed draws: what happens to the process.

use super::World;
use crate::violation::Checked;
use spanwise_export::DynamicTransport;
use spanwise_worker::__private::simulate_fork;
use std::time::Duration;

#[derive(Debug, Clone, Copy)]
enum Operation {
    MakeSpans,
    EndOpenSpans,
    Flush,
    ChangeNetwork,
    JumpClock,
    JumpWallClock,
    HoldSlots,
    Retune,
    Notify,
    Shutdown,
    CloseTransport,
    Die,
    Fork,
}

impl World {
    /// Carries out one operation.
    pub(super) fn operate(&mut self) -> Checked {
        let operation = self.random.pick(&[
            (400, Operation::MakeSpans),
            (80, Operation::EndOpenSpans),
            (70, Operation::Flush),
            (100, Operation::ChangeNetwork),
            (15, Operation::JumpClock),
            (15, Operation::JumpWallClock),
            (60, Operation::HoldSlots),
            (20, Operation::Retune),
            (10, Operation::Notify),
            (3, Operation::Shutdown),
            (1, Operation::CloseTransport),
            (1, Operation::Die),
            (1, Operation::Fork),
        ]);
        match operation {
            Operation::MakeSpans => self.make_spans(100)?,
            Operation::EndOpenSpans => self.end_open_spans()?,
            Operation::Flush => {
                let timeout = self.draw_timeout();
                self.call(timeout, false);
            }
            Operation::ChangeNetwork => {
                let index = self.random.below(self.endpoints.len() as u64) as usize;
                let condition = self.endpoints[index].network.change(self.now);
                self.line(format_args!("the network to endpoint {index} is {condition}"));
            }
            Operation::JumpClock => self.jump(),
            Operation::JumpWallClock => self.jump_wall_clock(),
            Operation::HoldSlots => self.hold_slots()?,
            Operation::Retune => self.retune()?,
            Operation::Notify => {
                self.thread.is_notified = true;
                self.wake();
            }
            Operation::Shutdown => {
                let timeout = self.draw_timeout();
                self.call(timeout, true);
                // Until its end, other operations follow.
            }
            Operation::CloseTransport => self.close_transport()?,
            Operation::Die => self.die()?,
            Operation::Fork => self.fork(),
        }
        if self.replacements.one_in(REPLACED_ONE_IN) {
            self.replace_transport();
        }
        self.check()
    }

    /// Another thread runs between two actions of the exporter's thread.
    pub(super) fn interfere(&mut self) -> Checked {
        if self.is_quiet {
            return Ok(());
        }
        match self.random.below(120) {
            0 => self.make_spans(10),
            1 => self.end_open_spans(),
            2 if !self.calls.is_closed() => {
                let timeout = self.draw_timeout();
                self.call(timeout, false);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// A timeout of a caller: none at all, short, or long.
    pub(super) fn draw_timeout(&mut self) -> Duration {
        self.random.millis(0, 30_000)
    }

    /// The transport of the first endpoint is replaced by one to the same receiver: the requests to the earlier one
    /// go on beside its own.
    fn replace_transport(&mut self) {
        let Some(machine) = self.thread.machine.as_mut().filter(|_| !self.is_closed) else {
            return;
        };
        if machine.retired_generations().count() >= DynamicTransport::MAX_RETIRED {
            return;
        }
        let transport = self.endpoints[0].sender.transport.clone();
        // One that is routed by trace id has none to replace.
        let Ok(next) = self.transport.prepare(transport, &self.scenario.batch) else { return };
        if machine.set_transport(self.now, &next) {
            self.endpoints[0].splits.replaced();
            let generation = machine.generation();
            self.line(format_args!("the transport of endpoint 0 is replaced: {generation}"));
            self.wake();
        }
    }

    /// The process is stopped for a while, and no thread runs.
    fn jump(&mut self) {
        let by = self.random.millis(1, 7_200_000);
        self.now += by;
        self.line(format_args!("the clock jumps by {by:?}"));
        self.frozen_until = self.now;
        self.thread.turns_in_a_row = 0;
        self.endpoints.iter_mut().for_each(|it| it.sender.excuse(self.now));
    }

    fn jump_wall_clock(&mut self) {
        let by = self.random.millis(1, 86_400_000);
        let is_forward = self.random.one_in(2);
        self.line(format_args!("the wall clock jumps by {by:?}, forward: {is_forward}"));
        self.wall = if is_forward { self.wall + by } else { self.wall - by };
    }

    /// Threads are interrupted within their slots, while others make spans and the exporter runs.
    fn hold_slots(&mut self) -> Checked {
        if self.calls.is_closed() {
            return Ok(());
        }
        let queue = self.queue.clone();
        let all = self.random.one_in(3);
        let one = self.random.below(self.scenario.slots as u64) as usize;
        let slots = (0..self.scenario.slots).filter(|&slot| all || slot == one);
        let held: Vec<_> = slots.filter_map(|slot| queue.buffer().hold_slot(slot)).collect();
        self.held_slots = held.len();
        self.line(format_args!("{} threads are interrupted in their slots", held.len()));
        self.make_spans(40)?;
        let pause = self.random.millis(0, 20);
        self.advance(pause)?;
        self.make_spans(40)?;
        drop(held);
        self.held_slots = 0;
        self.released_at = self.now;
        self.line(format_args!("the interrupted threads go on"));
        Ok(())
    }

    /// The process forks: from here on, this is the child, which has no exporter's thread.
    fn fork(&mut self) {
        self.line(format_args!("fork: this is the child"));
        simulate_fork();
        self.is_child = true;
    }
}

/// Operations for each replacement of a transport.
const REPLACED_ONE_IN: u64 = 40;
