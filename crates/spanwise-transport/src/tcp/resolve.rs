//! Resolves a host name by the system's resolver, on a thread for blocking calls.

use std::io;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs as _};

use crate::blocking::on_blocking_thread;

/// Resolves `port` of `host`, a name or an address without brackets.
///
/// Dropping the future cancels a call that waits for a thread.
pub(super) async fn resolve(host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
    if let Ok(address) = host.parse::<IpAddr>() {
        return Ok(vec![SocketAddr::new(address, port)]);
    }
    let host = host.to_owned();
    on_blocking_thread(move || Ok((host.as_str(), port).to_socket_addrs()?.collect())).await
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering::SeqCst};
    use std::sync::mpsc::channel;
    use std::time::Duration;

    use tokio::task::spawn_blocking;

    use super::*;

    #[test]
    fn a_dropped_resolution_makes_no_call() {
        let mut builder = tokio::runtime::Builder::new_current_thread();
        let runtime = builder.enable_time().max_blocking_threads(1).build().unwrap();
        let (release, blocked) = channel::<()>();
        let calls = Arc::new(AtomicU32::new(0));
        runtime.block_on(async {
            let blocking = spawn_blocking(move || blocked.recv());
            for _ in 0..10 {
                let counted = calls.clone();
                let call = on_blocking_thread(move || Ok(counted.fetch_add(1, SeqCst)));
                assert!(tokio::time::timeout(Duration::from_millis(1), call).await.is_err());
            }
            release.send(()).unwrap();
            blocking.await.unwrap().unwrap();
            assert!(!resolve("localhost", 80).await.unwrap().is_empty());
        });
        assert_eq!(calls.load(SeqCst), 0);
    }
}
