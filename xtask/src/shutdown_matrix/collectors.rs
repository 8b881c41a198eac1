//! The collectors: one of each behaviour, on loopback, for all runs at once.

use super::cell::Behaviour;
use super::trial::Variant;
use spanwise_receiver::{Answer, Receiver};
use spanwise_testkit::{ClosedPort, Fault, FaultProxy, Peer};
use std::io::{self, Write as _};
use std::net::TcpStream;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

/// The collectors of the matrix.
pub(super) struct Collectors {
    up: Receiver,
    down: ClosedPort,
    slow: Receiver,
    hung: Peer,
    refusing: Receiver,
    dying: [FaultProxy; 2],
    garbage: (FaultProxy, Peer),
    /// The receiver behind the proxies.
    _upstream: Receiver,
}

impl Collectors {
    /// Starts all of them.
    ///
    /// # Errors
    /// If the system has no socket or thread left.
    pub(super) fn start() -> Result<Self, String> {
        let receiver = |handler: fn() -> Answer| {
            let builder = Receiver::builder().with_handler(move |_| handler());
            builder.start().map_err(|error| error.to_string())
        };
        let upstream = receiver(|| Answer::Accept)?;
        let proxy = |fault| -> io::Result<FaultProxy> {
            let proxy = FaultProxy::start(upstream.address())?;
            proxy.set(fault);
            Ok(proxy)
        };
        let start = || -> io::Result<_> {
            let dying = [
                proxy(Fault::ResetAfterRequestBytes(200))?,
                proxy(Fault::ResetAfterResponseBytes(10))?,
            ];
            let garbage = (proxy(Fault::CorruptResponse)?, Peer::start(write_noise)?);
            Ok((ClosedPort::new()?, Peer::start(read_only)?, dying, garbage))
        };
        let (down, hung, dying, garbage) = start().map_err(|error| error.to_string())?;
        Ok(Self {
            up: receiver(|| Answer::Accept)?,
            down,
            slow: receiver(|| Answer::Accept.after(SLOW))?,
            hung,
            refusing: receiver(refuse)?,
            dying,
            garbage,
            _upstream: upstream,
        })
    }

    /// The endpoint of the collector of this behaviour.
    pub(super) fn endpoint(
        &self,
        behaviour: Behaviour,
        variant: Variant,
    ) -> Result<String, String> {
        let [in_request, in_response] = &self.dying;
        let (corrupted, noise) = &self.garbage;
        Ok(match (behaviour, variant.other_fault()) {
            (Behaviour::Up, _) => self.up.http_endpoint(),
            (Behaviour::Down, _) => self.down.endpoint().map_err(|error| error.to_string())?,
            (Behaviour::Slow, _) => self.slow.http_endpoint(),
            (Behaviour::Hung, _) => self.hung.endpoint(),
            (Behaviour::Refusing, _) => self.refusing.http_endpoint(),
            (Behaviour::Dying, false) => in_request.endpoint(),
            (Behaviour::Dying, true) => in_response.endpoint(),
            (Behaviour::Garbage, false) => corrupted.endpoint(),
            (Behaviour::Garbage, true) => noise.endpoint(),
        })
    }

    /// The spans that the collector of this behaviour received, if it counts them.
    pub(super) fn received(&self, behaviour: Behaviour) -> Option<u64> {
        match behaviour {
            Behaviour::Up => Some(self.up.stats().spans),
            Behaviour::Slow => Some(self.slow.stats().spans),
            _ => None,
        }
    }
}

fn refuse() -> Answer {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    let hour = Duration::from_secs(3600);
    let (http_status, grpc_code, retry_after) = match NEXT.fetch_add(1, Relaxed) % 3 {
        0 => (503, 14, None),
        1 => (429, 8, Some(hour)),
        _ => (400, 3, None),
    };
    Answer::Refuse { http_status, grpc_code, message: "refused".to_owned(), retry_after }
}

/// Reads until the client closes the connection, and answers nothing.
fn read_only(mut stream: TcpStream) {
    let _closed = io::copy(&mut stream, &mut io::sink());
}

/// Writes bytes that are no HTTP until the client closes the connection.
fn write_noise(mut stream: TcpStream) {
    let noise: Vec<u8> = (0..=255).rev().cycle().take(1024).collect();
    while stream.write_all(&noise).is_ok() {
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// The time that the slow collector takes to answer.
const SLOW: Duration = Duration::from_millis(300);
