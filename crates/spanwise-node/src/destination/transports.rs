//! [`Transports`]: the transport of a destination, and the end of requests that are tried in vain with one that it replaced.

use crate::attempts::Attempts;
use arc_swap::ArcSwap;
use spanwise_transport::Transport;
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
    /// The number of the current transport, and that below which requests go on with it instead of another attempt.
    numbers: watch::Sender<Numbers>,
}

#[derive(Clone, Copy, Default)]
struct Numbers {
    current: u64,
    given_up_below: u64,
}

impl Transports {
    pub(super) fn new(transport: Transport) -> Self {
        let numbers = watch::Sender::new(Numbers::default());
        let shared = Arc::new(Shared { attempts: Attempts::default(), numbers });
        Self { current: ArcSwap::from_pointee(Numbered::new(0, transport, &shared)), shared }
    }

    pub(super) fn current(&self) -> Arc<Numbered> {
        self.current.load_full()
    }

    pub(super) fn attempts(&self) -> &Attempts {
        &self.shared.attempts
    }

    /// Requests that succeed end with the earlier transport; each whose attempt has failed or fails there goes on with this one.
    pub(super) fn replace(&self, transport: Transport) {
        let number = self.shared.numbers.borrow().current + 1;
        self.current.store(Arc::new(Numbered::new(number, transport, &self.shared)));
        let is_failing = self.shared.attempts.is_failing();
        self.shared.numbers.send_modify(|numbers| {
            numbers.current = number;
            if is_failing {
                numbers.given_up_below = number;
            }
        });
    }
}

impl Numbered {
    fn new(number: u64, transport: Transport, shared: &Arc<Shared>) -> Self {
        let observer = Arc::clone(shared);
        let transport = transport.with_attempt_observer(move |failed| {
            observer.attempts.failed(&failed.cause);
            observer.numbers.send_if_modified(|numbers| {
                let gives_up = number < numbers.current && number >= numbers.given_up_below;
                if gives_up {
                    numbers.given_up_below = numbers.current;
                }
                gives_up
            });
        });
        Self { number, transport, shared: Arc::clone(shared) }
    }

    /// Completes once another transport has replaced this one, whose attempts fail.
    pub(super) async fn given_up(&self) {
        let mut numbers = self.shared.numbers.subscribe();
        // The sender is in this value.
        _ = numbers.wait_for(|numbers| self.number < numbers.given_up_below).await;
    }
}

impl Deref for Numbered {
    type Target = Transport;

    fn deref(&self) -> &Transport {
        &self.transport
    }
}
