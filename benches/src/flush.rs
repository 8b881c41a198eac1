//! The flush of a long queue, alone.

use crate::native;
use spanwise::{OnFull, Spanwise, Tracer};
use spanwise_bench_harness::{Operations, Subject, Tally, Workload};
use spanwise_receiver::{Answer, Receiver};
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Makes the spans of a burst untimed; then a flush sends them to a receiver in this process.
///
/// The exporter sends full chunks while spans are made, so that a flush would have only the last ones to
/// send. Small requests prevent this: as many as may be in flight, which the receiver answers when the flush
/// begins.
pub(crate) struct Flush {
    spanwise: Spanwise,
    tracer: Tracer,
    operations: Operations,
    receiver: Receiver,
    gate: Arc<Gate>,
    /// Spans of the small requests.
    in_small_requests: AtomicU64,
}

impl Flush {
    pub(crate) fn new(workload: &Workload) -> Result<Self, String> {
        let gate = Arc::new(Gate::default());
        let (of_handler, largest) = (gate.clone(), workload.spans_per_op);
        let handler = move |export: spanwise_receiver::Export| {
            of_handler.pass(export.spans, largest);
            Answer::Accept
        };
        let receiver = Receiver::builder().with_handler(handler).start();
        let receiver = receiver.map_err(|error| error.to_string())?;
        let spanwise = Spanwise::builder()
            .with_environment(|_| None)
            .with_service_name("bench")
            .with_diagnostics(|_| {})
            .with_endpoint(receiver.http_endpoint())
            // The spans of a burst take more than the default.
            .with_budget_bytes(BUDGET_BYTES)
            .with_max_in_flight(IN_FLIGHT)
            .with_on_full(OnFull::Wait(PATIENCE))
            .build()
            .map_err(|error| error.to_string())?;
        let (tracer, operations) = (spanwise.tracer("bench"), Operations::new(workload));
        let in_small_requests = AtomicU64::new(0);
        Ok(Self { spanwise, tracer, operations, receiver, gate, in_small_requests })
    }

    fn make(&self, ops: u64) {
        native::run(&self.tracer, &self.operations, ops);
    }
}

impl Subject for Flush {
    fn prepare(&self, ops: u64) {
        self.gate.close();
        let before = self.spanwise.ledger().created;
        for _ in 0..IN_FLIGHT {
            self.make(1);
            // Sends a request; its response follows later.
            let _timeout = self.spanwise.force_flush_timeout(Duration::ZERO);
        }
        self.in_small_requests.fetch_add(self.spanwise.ledger().created - before, SeqCst);
        self.make(ops);
    }

    fn run(&self, _ops: u64) {
        self.gate.open();
        // `tally` finds the spans that were not delivered missing.
        let _incomplete = self.spanwise.force_flush_timeout(PATIENCE);
    }

    fn settle(&self) {}

    fn tally(&self, _made: u64) -> Tally {
        let ledger = self.spanwise.ledger();
        let others = self.in_small_requests.load(SeqCst) + self.gate.lock().early;
        Tally {
            exported: self.receiver.stats().spans.min(ledger.exported).saturating_sub(others),
            lost: ledger.dropped_total(),
            ..Tally::default()
        }
    }
}

/// Withholds the answers of a receiver while it is closed.
#[derive(Default)]
struct Gate {
    state: Mutex<GateState>,
    opened: Condvar,
}

#[derive(Default)]
struct GateState {
    is_closed: bool,
    /// Requests since the gate was closed.
    requests: usize,
    /// Spans of bursts that were in flight before their flush.
    early: u64,
}

impl Gate {
    fn close(&self) {
        let mut state = self.lock();
        (state.is_closed, state.requests) = (true, 0);
    }

    fn open(&self) {
        self.lock().is_closed = false;
        self.opened.notify_all();
    }

    /// Blocks while the gate is closed. A request with more than `largest` spans among the first ones is of
    /// a burst.
    fn pass(&self, spans: u64, largest: u64) {
        let mut state = self.lock();
        state.requests += 1;
        if state.requests <= IN_FLIGHT && spans > largest {
            state.early += spans;
        }
        let _open = self.opened.wait_while(state, |state| state.is_closed);
    }

    fn lock(&self) -> MutexGuard<'_, GateState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The most requests in flight, as by default.
const IN_FLIGHT: usize = 4;
const BUDGET_BYTES: usize = 64 << 20;
const PATIENCE: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_that_are_in_flight_before_their_flush_are_not_counted() {
        let workload = Workload::named("flush-100k").unwrap();
        let flush = Flush::new(&workload).unwrap();
        flush.prepare(100);
        flush.run(100);
        assert_eq!(flush.tally(0), Tally { exported: 500, ..Tally::default() });
        // Without small requests in front of them.
        flush.gate.close();
        flush.make(100);
        flush.run(100);
        assert_eq!(flush.receiver.stats().spans, 500 + 4 * 5 + 500);
        assert!(flush.tally(0).exported < 1000);
    }
}
