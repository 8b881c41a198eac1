//! The addresses of a name, by the system's resolver.

use std::io;
use std::net::{IpAddr, ToSocketAddrs as _};
use std::sync::Arc;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use spanwise_worker::{catch_panic, mask_sigpipe};

use super::source::Source;

/// Resolves a name; blocks for as long as a name server takes.
pub(crate) type Lookup = Arc<dyn Fn(&str) -> io::Result<Vec<IpAddr>> + Send + Sync>;

/// Asks the system's resolver.
pub(crate) fn system() -> Lookup {
    Arc::new(|hostname| {
        let addresses = (hostname, 0).to_socket_addrs()?;
        Ok(addresses.map(|address| address.ip()).collect())
    })
}

/// The peers behind a name. A lookup runs on a thread of its own, and one at most: the system's resolver cannot be interrupted.
pub(super) struct Dns {
    hostname: String,
    port: Option<u16>,
    timeout: Duration,
    lookup: Lookup,
    /// The lookup that has not ended.
    running: Option<mpsc::Receiver<io::Result<Vec<IpAddr>>>>,
}

impl Dns {
    pub(super) fn new(
        hostname: String,
        port: Option<u16>,
        timeout: Duration,
        lookup: Lookup,
    ) -> Self {
        Self { hostname, port, timeout, lookup, running: None }
    }

    fn start(&self) -> Result<mpsc::Receiver<io::Result<Vec<IpAddr>>>, String> {
        let (send, result) = mpsc::sync_channel(1);
        let (lookup, hostname) = (Arc::clone(&self.lookup), self.hostname.clone());
        let run = move || {
            mask_sigpipe();
            let addresses = catch_panic(|| lookup(&hostname));
            _ = send.try_send(addresses.unwrap_or_else(|_| Err(io::ErrorKind::Other.into())));
        };
        let thread = thread::Builder::new().name("spanwise-resolve".to_owned()).spawn(run);
        thread.map_err(|error| format!("no thread for the resolver: {error}"))?;
        Ok(result)
    }
}

impl Source for Dns {
    fn names(&mut self) -> Result<Vec<String>, String> {
        let running = match self.running.take() {
            Some(running) => running,
            None => self.start()?,
        };
        match running.recv_timeout(self.timeout) {
            Ok(Ok(addresses)) => {
                Ok(addresses.into_iter().map(|address| name(address, self.port)).collect())
            }
            Ok(Err(error)) => Err(format!("{} is not resolved: {error}", self.hostname)),
            Err(RecvTimeoutError::Disconnected) => {
                Err(format!("{} is not resolved: the resolver ended", self.hostname))
            }
            Err(RecvTimeoutError::Timeout) => {
                self.running = Some(running);
                Err(format!("{} is not resolved within {:?}", self.hostname, self.timeout))
            }
        }
    }
}

/// The name of a peer in the Collector's ring: an IPv6 address has brackets also without a port.
fn name(address: IpAddr, port: Option<u16>) -> String {
    let host = match address.to_canonical() {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => format!("[{address}]"),
    };
    match port {
        Some(port) => format!("{host}:{port}"),
        None => host,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Mutex;

    #[test]
    fn names_are_the_ones_of_the_collector() {
        let name = |address: &str, port| name(address.parse().unwrap(), port);
        assert_eq!(name("10.0.0.1", None), "10.0.0.1");
        assert_eq!(name("10.0.0.1", Some(4317)), "10.0.0.1:4317");
        assert_eq!(name("2001:db8:0::1", None), "[2001:db8::1]");
        assert_eq!(name("2001:db8::1", Some(1)), "[2001:db8::1]:1");
        assert_eq!(name("::ffff:10.0.0.1", Some(1)), "10.0.0.1:1");
    }

    #[test]
    fn one_lookup_runs_and_its_late_result_counts() {
        let (release, released) = mpsc::channel();
        let released = Mutex::new(released);
        let (call, called) = mpsc::channel();
        let lookup: Lookup = Arc::new(move |hostname| {
            call.send(hostname.to_owned()).unwrap();
            released.lock().unwrap().recv().map_err(io::Error::other)?;
            Ok(vec!["10.0.0.1".parse().unwrap()])
        });
        let mut dns = Dns::new("samplers".to_owned(), Some(1), Duration::ZERO, lookup);
        for _ in 0..3 {
            assert!(dns.names().unwrap_err().contains("within"));
        }
        assert_eq!(called.recv().unwrap(), "samplers");
        assert!(called.try_recv().is_err(), "one lookup");
        release.send(()).unwrap();
        dns.timeout = Duration::from_secs(60);
        assert_eq!(dns.names(), Ok(vec!["10.0.0.1:1".to_owned()]));
        drop(release);
        assert!(dns.names().unwrap_err().starts_with("samplers is not resolved"));
    }

    #[test]
    fn the_system_resolves_this_machine() {
        let mut dns = Dns::new("localhost".to_owned(), None, Duration::from_secs(60), system());
        let names = dns.names().unwrap();
        assert!(names.iter().any(|name| name == "127.0.0.1" || name == "[::1]"), "{names:?}");
    }
}
