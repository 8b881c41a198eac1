//! The accept loop of the receiver.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use tokio::select;
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::age::Age;
use crate::connection::{self, Stop, stopped};
use crate::listener::Listener;
use crate::service::Server;

/// Accepts connections until `stop` has a time, then waits for the open ones to finish.
pub(crate) async fn accept(listener: Listener, server: Arc<Server>, mut stop: Stop) {
    let mut connections = JoinSet::new();
    let mut backoff = Backoff::default();
    loop {
        let accepted = select! {
            () = stopped(&mut stop) => break,
            Some(_) = connections.join_next() => continue,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok(socket) => {
                backoff = Backoff::default();
                // A client notices the close at once; in the backlog it would wait in vain.
                if connections.len() >= server.limits.connections
                    && !server.budget.evict_connection()
                {
                    server.counters.refused_connections.fetch_add(1, Relaxed);
                    continue;
                }
                let number = server.counters.connections.fetch_add(1, Relaxed);
                let age = Age::starting(server.limits.connection_age, number);
                connections.spawn(connection::serve(server.clone(), socket, age, stop.clone()));
            }
            Err(error) => {
                if let Some(pause) = backoff.after(&error) {
                    select! {
                        () = sleep(pause) => {}
                        () = stopped(&mut stop) => break,
                    }
                }
            }
        }
    }
    drop(listener);
    // Each connection has the signal too, and its own deadline.
    while connections.join_next().await.is_some() {}
}

/// The backoff after a failed `accept`.
#[derive(Debug, Default)]
struct Backoff {
    last: Option<Duration>,
}

impl Backoff {
    /// The pause after `error`; `None` if only one connection was lost.
    fn after(&mut self, error: &io::Error) -> Option<Duration> {
        use io::ErrorKind::{ConnectionAborted, ConnectionReset, Interrupted};
        if matches!(error.kind(), ConnectionAborted | ConnectionReset | Interrupted) {
            return None;
        }
        // Out of descriptors, most likely: without a pause, accept would fail in a loop.
        let pause = self.last.map_or(FIRST_PAUSE, |last| (last * 2).min(MAX_PAUSE));
        self.last = Some(pause);
        Some(pause)
    }
}

const FIRST_PAUSE: Duration = Duration::from_millis(10);
const MAX_PAUSE: Duration = Duration::from_millis(100);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_a_maximum_and_a_lost_connection_causes_none() {
        let mut backoff = Backoff::default();
        let no_descriptors = io::Error::from_raw_os_error(24);
        let lost = io::Error::from(io::ErrorKind::ConnectionAborted);
        let pauses: Vec<_> = (0..6)
            .map(|_| {
                assert_eq!(backoff.after(&lost), None);
                backoff.after(&no_descriptors).unwrap().as_millis()
            })
            .collect();
        assert_eq!(pauses, [10, 20, 40, 80, 100, 100]);
    }
}
