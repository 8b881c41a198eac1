//! Requests on their way.

use spanwise_batch::Charge;
use spanwise_ledger::Tickets;
use spanwise_transport::{Delivery, FramedRequest, Transport};
use std::collections::HashMap;
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::{Id, JoinError, JoinSet};

/// What is owed for one request.
#[derive(Debug)]
pub(super) struct Sent {
    pub(super) tickets: Tickets,
    /// The number of the first buffer whose spans are inside.
    pub(super) first_buffer: u64,
    /// Memory besides the request itself: of its compressed copy.
    #[expect(dead_code, reason = "held for its drop")]
    pub(super) charge: Option<Charge>,
}

/// How a request ended: what the transport says, or `None` when the sending task panicked.
pub(super) type End = Option<Delivery>;

/// Requests being sent, each by a task of the worker's runtime.
///
/// Tickets stay here, not in the tasks: a task that panics takes nothing with it.
#[derive(Debug)]
pub(super) struct InFlight {
    tasks: JoinSet<Delivery>,
    sent: HashMap<Id, Sent>,
    /// Ended, and seen by `ended` but not yet asked for.
    ended: Vec<(Sent, End)>,
    /// True once all requests are to be given up.
    cancelled: watch::Sender<bool>,
}

impl InFlight {
    pub(super) fn new() -> Self {
        Self {
            tasks: JoinSet::new(),
            sent: HashMap::new(),
            ended: Vec::new(),
            cancelled: watch::Sender::new(false),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.sent.len()
    }

    pub(super) fn start(&mut self, transport: &Transport, request: FramedRequest, sent: Sent) {
        let transport = transport.clone();
        let mut cancelled = self.cancelled.subscribe();
        let task = async move {
            let cancelled = async move {
                if cancelled.wait_for(|cancelled| *cancelled).await.is_err() {
                    std::future::pending().await
                }
            };
            transport.send_with_cancel(request, cancelled).await
        };
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

    /// All buffers below this number have their outcome; those below `framed` are in requests.
    pub(super) fn settled_before(&self, framed: u64) -> u64 {
        let unbooked = self.ended.iter().map(|(sent, _)| sent.first_buffer);
        self.sent.values().map(|sent| sent.first_buffer).chain(unbooked).min().unwrap_or(framed)
    }

    /// Gives up all requests. Each says how far it got; [`try_next`](Self::try_next) returns them.
    pub(super) async fn cancel(&mut self) {
        self.cancelled.send_replace(true);
        let all = async {
            while let Some(joined) = self.tasks.join_next_with_id().await {
                let ended = self.end(joined);
                self.ended.extend(ended);
            }
        };
        // A sink of the user's may not let its task come to an end.
        let _late = tokio::time::timeout(CANCELLED_WITHIN, all).await;
    }

    /// Aborts all tasks and returns their tickets; how far the requests got is unknown.
    pub(super) fn abandon(&mut self) -> Vec<Sent> {
        self.tasks.abort_all();
        let mut sent: Vec<_> = self.ended.drain(..).map(|(sent, _)| sent).collect();
        sent.extend(self.sent.drain().map(|(_, sent)| sent));
        sent
    }

    fn end(&mut self, joined: Result<(Id, Delivery), JoinError>) -> Option<(Sent, End)> {
        let (id, end) = match joined {
            Ok((id, delivery)) => (id, Some(delivery)),
            Err(error) => {
                let id = error.id();
                if let Ok(payload) = error.try_into_panic() {
                    // Its drop may panic.
                    std::mem::forget(payload);
                }
                (id, None)
            }
        };
        self.sent.remove(&id).map(|sent| (sent, end))
    }
}

/// How long cancelled requests may take to say how far they got.
const CANCELLED_WITHIN: Duration = Duration::from_millis(10);
