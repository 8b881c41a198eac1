//! New connections, as long as the receiver runs.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::select;
use tokio::sync::watch::Receiver as Signal;
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::connection::{self, stopped};
use crate::service::Server;

/// Accepts until `stop` comes, then lets what is under way finish.
pub(crate) async fn accept(listener: TcpListener, server: Arc<Server>, mut stop: Signal<bool>) {
    let mut connections = JoinSet::new();
    let mut backoff = Backoff::default();
    loop {
        let accepted = select! {
            () = stopped(&mut stop) => break,
            Some(_) = connections.join_next() => continue,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, _)) => {
                backoff = Backoff::default();
                // Closed at once, a client knows; in the backlog it would wait for nothing.
                if connections.len() >= server.limits.connections
                    && !server.budget.evict_connection()
                {
                    server.counters.refused_connections.fetch_add(1, Relaxed);
                    continue;
                }
                server.counters.connections.fetch_add(1, Relaxed);
                connections.spawn(connection::serve(Arc::clone(&server), stream, stop.clone()));
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
    // Each has the signal too, and its own bound.
    while connections.join_next().await.is_some() {}
}

/// How long to leave a listener alone that has failed.
#[derive(Debug, Default)]
struct Backoff {
    last: Option<Duration>,
}

impl Backoff {
    /// The pause after `error`; `None` if only the one connection was lost.
    fn after(&mut self, error: &io::Error) -> Option<Duration> {
        use io::ErrorKind::{ConnectionAborted, ConnectionReset, Interrupted};
        if matches!(error.kind(), ConnectionAborted | ConnectionReset | Interrupted) {
            return None;
        }
        // Out of descriptors, most likely: accepting at once fails at once, for ever.
        let pause = self.last.map_or(FIRST_PAUSE, |last| (last * 2).min(LONGEST_PAUSE));
        self.last = Some(pause);
        Some(pause)
    }
}

const FIRST_PAUSE: Duration = Duration::from_millis(10);
const LONGEST_PAUSE: Duration = Duration::from_millis(100);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_a_bound_and_lost_connections_cost_none() {
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
