//! The plan that the proxy gives its connections.

use std::future::pending;

use tokio::sync::watch;

use super::fault::Fault;

#[derive(Debug, Clone, Copy)]
pub(super) struct Plan {
    pub(super) fault: Fault,
    /// Connections accepted under an earlier generation are reset.
    pub(super) generation: u64,
}

/// The reason why a connection ends before both sides have shut it down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// The plan requires a reset.
    Reset,
    /// One side closed or failed; the other side is reset too.
    Broken,
}

/// The plan as one connection sees it.
pub(super) trait PlanReceiver {
    /// The current fault, marked as seen, or the end of the connection if the plan requires it.
    fn fault_for(&mut self, generation: u64) -> Result<Fault, End>;
    /// Waits for a plan not seen yet. Cancel-safe.
    async fn next(&mut self);
}

impl PlanReceiver for watch::Receiver<Plan> {
    fn fault_for(&mut self, generation: u64) -> Result<Fault, End> {
        let plan = *self.borrow_and_update();
        if plan.generation != generation || plan.fault == Fault::Refuse {
            return Err(End::Reset);
        }
        Ok(plan.fault)
    }

    async fn next(&mut self) {
        if self.changed().await.is_err() {
            // The proxy is stopping; the accept loop drops this task.
            pending::<()>().await;
        }
    }
}
