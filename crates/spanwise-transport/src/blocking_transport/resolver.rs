//! Resolves a host name within a deadline, by the system's resolver on a thread of its own.

use std::io::{self, ErrorKind};
use std::net::{IpAddr, SocketAddr, ToSocketAddrs as _};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Duration;

type Addresses = io::Result<Vec<SocketAddr>>;

/// Resolves one host. At most one call of the system's resolver is running, however many deadlines pass.
#[derive(Debug, Default)]
pub(super) struct Resolver {
    /// The result of the call that is running.
    pending: Mutex<Option<Receiver<Addresses>>>,
}

impl Resolver {
    /// The addresses of `port` of `host`, a name or an address without brackets.
    pub(super) fn resolve(&self, host: &str, port: u16, timeout: Duration) -> Addresses {
        if let Ok(address) = host.parse::<IpAddr>() {
            return Ok(vec![SocketAddr::new(address, port)]);
        }
        let mut pending = self.pending.lock().unwrap_or_else(PoisonError::into_inner);
        let result = match pending.take() {
            Some(result) => result,
            None => {
                let (sender, result) = channel();
                let host = host.to_owned();
                let call = move || {
                    let addresses = (host.as_str(), port).to_socket_addrs();
                    let _abandoned = sender.send(addresses.map(Iterator::collect));
                };
                thread::Builder::new().name("spanwise-resolve".to_owned()).spawn(call)?;
                result
            }
        };
        match result.recv_timeout(timeout) {
            Ok(addresses) => addresses,
            Err(RecvTimeoutError::Timeout) => {
                *pending = Some(result);
                Err(ErrorKind::TimedOut.into())
            }
            Err(RecvTimeoutError::Disconnected) => Err(io::Error::other("the resolver panicked")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_that_is_running_is_not_made_again() {
        let resolver = Resolver::default();
        let (sender, result) = channel();
        *resolver.pending.lock().unwrap() = Some(result);
        let moment = Duration::from_millis(1);
        for _ in 0..3 {
            let error = resolver.resolve("localhost", 80, moment).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::TimedOut);
        }
        let expected = SocketAddr::from(([127, 0, 0, 9], 80));
        sender.send(Ok(vec![expected])).unwrap();
        let minute = Duration::from_secs(60);
        assert_eq!(resolver.resolve("localhost", 80, minute).unwrap(), [expected]);
        assert!(!resolver.resolve("localhost", 80, minute).unwrap().is_empty());
    }
}
