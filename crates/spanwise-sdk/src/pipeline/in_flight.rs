//! Requests on their way.

use spanwise_batch::Charge;
use spanwise_ledger::Tickets;
use spanwise_transport::{Delivery, FramedRequest, Transport};
use std::collections::HashMap;
use std::sync::Arc;
use tokio::task::{Id, JoinError, JoinSet};

/// What is owed for one request.
#[derive(Debug)]
pub(super) struct Sent {
    pub(super) tickets: Tickets,
    /// The first of the buffers whose spans are inside.
    pub(super) first_buffer: u64,
    /// Memory that is not a request buffer: of requests that one batch was cut into, which share
    /// it, or of the compressed copy.
    #[expect(dead_code, reason = "held for its drop")]
    pub(super) charge: Option<Arc<Charge>>,
}

/// How a request ended: what the transport says, or `None` when the sending task panicked.
pub(super) type End = Option<Delivery>;

/// Requests being sent, each by a task of the worker's runtime.
///
/// Tickets stay here, not in the tasks: a task that panics takes nothing with it.
#[derive(Debug, Default)]
pub(super) struct InFlight {
    tasks: JoinSet<Delivery>,
    sent: HashMap<Id, Sent>,
    /// Ended, and seen by `ended` but not yet asked for.
    ended: Vec<(Sent, End)>,
}

impl InFlight {
    pub(super) fn len(&self) -> usize {
        self.sent.len()
    }

    pub(super) fn start(&mut self, transport: &Transport, request: FramedRequest, sent: Sent) {
        let transport = transport.clone();
        // Never cancelled from inside: a shutdown abandons the task as a whole.
        let task = async move { transport.send_unless(request, std::future::pending()).await };
        let id = self.tasks.spawn(task).id();
        self.sent.insert(id, sent);
    }

    /// The next request that ended, if any has.
    pub(super) fn try_next(&mut self) -> Option<(Sent, End)> {
        if let Some(ended) = self.ended.pop() {
            return Some(ended);
        }
        loop {
            let joined = self.tasks.try_join_next_with_id()?;
            if let Some(ended) = self.end(joined) {
                return Some(ended);
            }
        }
    }

    /// Completes when a request has ended; never when there is none.
    pub(super) async fn ended(&mut self) {
        match self.tasks.join_next_with_id().await {
            Some(joined) => {
                if let Some(ended) = self.end(joined) {
                    self.ended.push(ended);
                }
            }
            None => std::future::pending().await,
        }
    }

    /// All buffers below this number have their outcome; `framed` are in requests so far.
    pub(super) fn settled_before(&self, framed: u64) -> u64 {
        let unbooked = self.ended.iter().map(|(sent, _)| sent.first_buffer);
        self.sent.values().map(|sent| sent.first_buffer).chain(unbooked).min().unwrap_or(framed)
    }

    /// Stops all tasks and returns what they owed.
    pub(super) fn abandon(&mut self) -> Vec<Sent> {
        self.tasks.abort_all();
        let mut sent: Vec<_> = self.ended.drain(..).map(|(sent, _)| sent).collect();
        sent.extend(self.sent.drain().map(|(_, sent)| sent));
        sent
    }

    fn end(&mut self, joined: Result<(Id, Delivery), JoinError>) -> Option<(Sent, End)> {
        let (id, end) = match joined {
            Ok((id, delivery)) => (id, Some(delivery)),
            Err(error) => (error.id(), None),
        };
        self.sent.remove(&id).map(|sent| (sent, end))
    }
}
