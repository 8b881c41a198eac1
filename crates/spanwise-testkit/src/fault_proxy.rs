//! A TCP proxy on loopback that injects faults.

mod fault;
mod plan;
mod relay;
mod traffic;

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};
use std::{fmt, io};

use tokio::net::TcpListener;
use tokio::sync::watch;

use plan::Plan;
use traffic::Meter;

pub use fault::Fault;
pub use traffic::Traffic;

/// A TCP proxy between a client and an upstream on 127.0.0.1 that injects a [`Fault`].
///
/// It runs on a thread of its own with its own runtime, so it works from any test, async or not. A
/// change of the fault takes effect at once, on open connections too: delayed bytes flow again
/// when the fault is removed. Dropping the proxy closes everything and joins the thread.
pub struct FaultProxy {
    address: SocketAddr,
    plan: watch::Sender<Plan>,
    meter: Arc<Meter>,
    thread: Option<JoinHandle<()>>,
}

impl FaultProxy {
    /// Listens on a free port of 127.0.0.1 and relays to `upstream`, which need not exist yet.
    ///
    /// # Errors
    /// If the system has no socket or thread left, or if building the runtime failed.
    pub fn start(upstream: SocketAddr) -> io::Result<FaultProxy> {
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (plan, plan_changes) = watch::channel(Plan { fault: Fault::Pass, generation: 0 });
        let meter = Arc::new(Meter::default());
        let shared = Arc::clone(&meter);
        let thread = thread::Builder::new().name("fault-proxy".into()).spawn(move || {
            runtime.block_on(async move {
                if let Ok(listener) = TcpListener::from_std(listener) {
                    relay::accept(listener, upstream, plan_changes, shared).await;
                }
            });
        })?;
        Ok(FaultProxy { address, plan, meter, thread: Some(thread) })
    }

    /// The address that clients connect to.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// [`address`](Self::address) as a URL: `http://127.0.0.1:PORT`.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Injects `fault` from now on.
    pub fn set(&self, fault: Fault) {
        self.plan.send_modify(|plan| plan.fault = fault);
    }

    /// The current fault.
    pub fn fault(&self) -> Fault {
        self.plan.borrow().fault
    }

    /// Resets every open connection, once; the current fault applies to new ones.
    pub fn reset_open_connections(&self) {
        self.plan.send_modify(|plan| plan.generation += 1);
    }

    /// Connections and bytes so far.
    pub fn traffic(&self) -> Traffic {
        *self.meter.lock()
    }

    /// Waits until `reached` returns true for the traffic; returns false after `timeout`.
    pub fn wait_timeout(
        &self,
        timeout: Duration,
        mut reached: impl FnMut(&Traffic) -> bool,
    ) -> bool {
        let deadline = Instant::now() + timeout;
        let mut traffic = self.meter.lock();
        loop {
            if reached(&traffic) {
                return true;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            let (next, _) = self
                .meter
                .changed
                .wait_timeout(traffic, left)
                .unwrap_or_else(PoisonError::into_inner);
            traffic = next;
        }
    }
}

impl fmt::Debug for FaultProxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FaultProxy")
            .field("address", &self.address)
            .field("fault", &self.fault())
            .field("traffic", &self.traffic())
            .finish_non_exhaustive()
    }
}

impl Drop for FaultProxy {
    fn drop(&mut self) {
        // A closed channel stops the thread, which owns every socket.
        self.plan = watch::channel(Plan { fault: Fault::Refuse, generation: 0 }).0;
        if let Some(thread) = self.thread.take() {
            let _panicked = thread.join();
        }
    }
}
