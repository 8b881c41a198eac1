//! [`Transports`]: the transport of a destination, and the end of requests that are tried in vain with one that it replaced.

use crate::attempts::Attempts;
use arc_swap::ArcSwap;
use spanwise_transport::{Delivery, FramedRequest, Transport};
use std::ops::Deref;
use std::sync::Arc;
use tokio::sync::watch;

/// The transport of a destination, which a reload replaces.
pub(super) struct Transports {
    current: ArcSwap<Numbered>,
    shared: Arc<Shared>,
}

/// A transport with its place in the row of them.
pub(super) struct Numbered {
    number: u64,
    transport: Transport,
    shared: Arc<Shared>,
}

struct Shared {
    attempts: Attempts,
    /// The number of the current transport.
    current: watch::Sender<u64>,
}

impl Transports {
    pub(super) fn new(transport: Transport) -> Self {
        let (attempts, current) = (Attempts::default(), watch::Sender::new(0));
        let shared = Arc::new(Shared { attempts, current });
        let first = Numbered { number: 0, transport, shared: Arc::clone(&shared) };
        Self { current: ArcSwap::from_pointee(first), shared }
    }

    pub(super) fn current(&self) -> Arc<Numbered> {
        self.current.load_full()
    }

    pub(super) fn attempts(&self) -> &Attempts {
        &self.shared.attempts
    }

    /// The next requests have this transport, and so has each that was under way and fails.
    pub(super) fn replace(&self, transport: Transport) {
        let number = *self.shared.current.borrow() + 1;
        self.current.store(Arc::new(Numbered {
            number,
            transport,
            shared: Arc::clone(&self.shared),
        }));
        // Behind the transport, which those that are notified read.
        self.shared.current.send_replace(number);
    }
}

impl Numbered {
    /// Sends a request until it has an outcome, it is `cancelled`, or another transport has replaced this one and an attempt has failed: a
    /// request that succeeds ends here.
    pub(super) async fn send(
        &self,
        request: FramedRequest,
        cancelled: impl Future<Output = ()>,
    ) -> Delivery {
        let (failed, mut has_failed) = watch::channel(false);
        let shared = Arc::clone(&self.shared);
        let transport = self.transport.clone().with_attempt_observer(move |attempt| {
            shared.attempts.failed(&attempt.cause);
            failed.send_replace(true);
        });
        let ended = async {
            let given_up = async {
                self.replaced().await;
                // The sender is in the transport, which lives longer.
                _ = has_failed.wait_for(|has_failed| *has_failed).await;
            };
            tokio::select! {
                () = cancelled => {}
                () = given_up => {}
            }
        };
        transport.send_with_cancel(request, ended).await
    }

    /// Whether another transport has replaced this one.
    pub(super) fn is_replaced(&self) -> bool {
        *self.shared.current.borrow() > self.number
    }

    /// Completes once another transport has replaced this one.
    pub(super) async fn replaced(&self) {
        let mut current = self.shared.current.subscribe();
        // The sender lives as long as this.
        _ = current.wait_for(|current| *current > self.number).await;
    }
}

impl Deref for Numbered {
    type Target = Transport;

    fn deref(&self) -> &Transport {
        &self.transport
    }
}
