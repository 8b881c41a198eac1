//! Resolves host names by the system's resolver, on threads of its own.

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs as _};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError, Weak};
use std::thread;

use spanwise_worker::{catch_panic, fork, mask_sigpipe, oneshot};

use super::problem::{ConnectProblem, os_message};

/// Resolves `port` of `host`, a name or an address without brackets.
///
/// The system's resolver blocks, for as long as a name server takes. Its calls share no threads with those of
/// other hosts, so that one name server that hangs delays no other host, and there is one call per host at
/// most: who asks again meanwhile waits for the same result.
pub(crate) async fn resolve(host: &str, port: u16) -> Result<Vec<SocketAddr>, ConnectProblem> {
    if let Ok(address) = host.parse::<IpAddr>() {
        return Ok(vec![SocketAddr::new(address, port)]);
    }
    let mut addresses = LOOKUPS.resolve(host, system).await?;
    addresses.iter_mut().for_each(|address| address.set_port(port));
    Ok(addresses)
}

/// Asks the system's resolver, with port 0.
fn system(host: &str) -> Resolved {
    let addresses = (host, 0).to_socket_addrs();
    addresses.map(Iterator::collect).map_err(|error| match shortage() {
        Some(shortage) => ConnectProblem::of(&shortage),
        None => ConnectProblem::Name(os_message(&error)),
    })
}

/// The error of a process, or a system, that has no descriptor left. The system's resolver reports that as an
/// unknown name: it cannot open its files and sockets.
#[cfg(unix)]
fn shortage() -> Option<io::Error> {
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::DGRAM, None);
    let is_shortage =
        |error: &io::Error| matches!(error.raw_os_error(), Some(libc::EMFILE | libc::ENFILE));
    socket.err().filter(is_shortage)
}

#[cfg(not(unix))]
fn shortage() -> Option<io::Error> {
    None
}

type Resolved = Result<Vec<SocketAddr>, ConnectProblem>;

/// The calls of the resolver that are running in this process.
static LOOKUPS: Lookups = Lookups { running: Mutex::new(BTreeMap::new()) };

struct Lookups {
    /// By host.
    running: Mutex<BTreeMap<String, Lookup>>,
}

/// A call that is running.
struct Lookup {
    /// The fork generation of its thread, which a forked child does not have.
    generation: u32,
    /// Those who wait for the result.
    waiters: Vec<Waiter>,
}

struct Waiter {
    result: oneshot::Sender<Resolved>,
    /// Dead once the waiter's future is dropped.
    interest: Weak<()>,
}

impl Lookups {
    /// Waits for the result of the call for `host` that is running, else for that of a new one. Dropping the
    /// future ends the wait and not the call.
    async fn resolve(
        &'static self,
        host: &str,
        call: impl FnOnce(&str) -> Resolved + Send + 'static,
    ) -> Resolved {
        let (result, resolved) = oneshot::channel();
        let interest = Arc::new(());
        let waiter = Waiter { result, interest: Arc::downgrade(&interest) };
        self.wait(host, waiter, call).map_err(|error| no_thread(&error))?;
        let resolved = resolved.await;
        drop(interest);
        resolved.unwrap_or_else(|| Err(ended()))
    }

    /// Adds a waiter to the call for `host`, which is begun if none is running.
    fn wait(
        &'static self,
        host: &str,
        waiter: Waiter,
        call: impl FnOnce(&str) -> Resolved + Send + 'static,
    ) -> io::Result<()> {
        fork::watch();
        let generation = fork::generation();
        let Some(mut running) = self.lock() else {
            // A call of its own, whose result no other caller shares.
            return start(host, move |host| waiter.result.send(guarded(host, call)));
        };
        if let Some(lookup) = running.get_mut(host)
            && lookup.generation == generation
        {
            // While a name server hangs, every attempt that times out would leave one.
            lookup.waiters.retain(|waiter| waiter.interest.strong_count() > 0);
            lookup.waiters.push(waiter);
            return Ok(());
        }
        // Before the thread, which removes it, and under the lock.
        start(host, move |host| {
            let resolved = guarded(host, call);
            // Never that of a child: the thread that holds it runs.
            let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
            let lookup = running.remove(host);
            drop(running);
            for waiter in lookup.into_iter().flat_map(|lookup| lookup.waiters) {
                waiter.result.send(resolved.clone());
            }
        })?;
        running.insert(host.to_owned(), Lookup { generation, waiters: vec![waiter] });
        Ok(())
    }

    /// `None` if the lock is never free: a child was forked while a thread held it. Others hold it for a
    /// moment only.
    fn lock(&self) -> Option<MutexGuard<'_, BTreeMap<String, Lookup>>> {
        for _ in 0..LOCK_TRIES {
            match self.running.try_lock() {
                Ok(running) => return Some(running),
                Err(TryLockError::Poisoned(poisoned)) => return Some(poisoned.into_inner()),
                Err(TryLockError::WouldBlock) => thread::yield_now(),
            }
        }
        None
    }
}

/// Runs `call` with `host` on a thread of its own.
fn start(host: &str, call: impl FnOnce(&str) + Send + 'static) -> io::Result<()> {
    let host = host.to_owned();
    let run = move || {
        mask_sigpipe();
        call(&host);
    };
    thread::Builder::new().name("spanwise-resolve".to_owned()).spawn(run).map(drop)
}

fn guarded(host: &str, call: impl FnOnce(&str) -> Resolved) -> Resolved {
    catch_panic(|| call(host)).unwrap_or_else(|_| Err(ended()))
}

fn no_thread(error: &io::Error) -> ConnectProblem {
    ConnectProblem::Other(format!("no thread for the resolver: {}", os_message(error)))
}

fn ended() -> ConnectProblem {
    ConnectProblem::Name("the resolver ended without a result".to_owned())
}

/// Far more than a holder of the lock needs.
const LOCK_TRIES: u32 = 1000;

#[cfg(all(test, feature = "tokio"))]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering::SeqCst};
    use std::sync::mpsc::{Sender, channel};
    use std::time::Duration;

    use tokio::time::timeout;

    use super::*;

    const LONG: Duration = Duration::from_secs(60);
    const MOMENT: Duration = Duration::from_millis(1);

    fn lookups() -> &'static Lookups {
        Box::leak(Box::new(Lookups { running: Mutex::default() }))
    }

    fn address(last: u8) -> Resolved {
        Ok(vec![SocketAddr::from(([127, 0, 0, last], 0))])
    }

    /// A call that hangs until the sender is used or dropped, and counts itself.
    fn hanging(
        calls: &Arc<AtomicU32>,
    ) -> (Sender<()>, impl FnOnce(&str) -> Resolved + Send + use<>) {
        let (release, hangs) = channel();
        let calls = calls.clone();
        let call = move |_: &str| {
            calls.fetch_add(1, SeqCst);
            let _released = hangs.recv();
            address(1)
        };
        (release, call)
    }

    #[tokio::test]
    async fn a_call_that_hangs_delays_no_other_host_and_is_made_once() {
        let (lookups, calls) = (lookups(), Arc::new(AtomicU32::new(0)));
        let (release, call) = hanging(&calls);
        assert!(timeout(MOMENT, lookups.resolve("hangs", call)).await.is_err());
        for _ in 0..20 {
            let (_release, call) = hanging(&calls);
            assert!(timeout(MOMENT, lookups.resolve("hangs", call)).await.is_err());
        }
        let other = timeout(LONG, lookups.resolve("other", |_| address(2))).await;
        assert_eq!(other, Ok(address(2)));
        // Those that gave up leave nothing.
        assert!(lookups.lock().unwrap().get("hangs").unwrap().waiters.len() <= 1);
        let (_release, call) = hanging(&calls);
        let mut waiting = std::pin::pin!(lookups.resolve("hangs", call));
        // It waits for the call before the call returns.
        assert!(timeout(MOMENT, &mut waiting).await.is_err());
        release.send(()).unwrap();
        assert_eq!(timeout(LONG, waiting).await, Ok(address(1)));
        assert_eq!(calls.load(SeqCst), 1);
        assert!(lookups.lock().unwrap().is_empty());
        let again = timeout(LONG, lookups.resolve("hangs", |_| address(3))).await;
        assert_eq!(again, Ok(address(3)));
    }

    #[tokio::test]
    async fn a_call_that_panics_is_an_error_and_the_next_one_is_made() {
        let lookups = lookups();
        let panicked = lookups.resolve("host", |_| std::panic::resume_unwind(Box::new(())));
        assert_eq!(timeout(LONG, panicked).await, Ok(Err(ended())));
        let next = timeout(LONG, lookups.resolve("host", |_| address(4))).await;
        assert_eq!(next, Ok(address(4)));
    }

    /// A child has the lookups of its parent and none of its threads.
    #[expect(
        clippy::await_holding_lock,
        reason = "the lock is held so that the lookup has to do without it"
    )]
    #[tokio::test]
    async fn a_forked_child_calls_itself() {
        let lookups = lookups();
        let (result, _resolved) = oneshot::channel();
        let inherited = Lookup {
            generation: fork::generation().wrapping_sub(1),
            waiters: vec![Waiter { result, interest: Weak::new() }],
        };
        lookups.lock().unwrap().insert("host".to_owned(), inherited);
        let resolved = timeout(LONG, lookups.resolve("host", |_| address(5))).await;
        assert_eq!(resolved, Ok(address(5)));
        let _held = lookups.lock().unwrap();
        let resolved = timeout(LONG, lookups.resolve("host", |_| address(6))).await;
        assert_eq!(resolved, Ok(address(6)));
    }

    #[tokio::test]
    async fn a_name_and_an_address_have_the_port() {
        for host in ["localhost", "127.0.0.1", "::1"] {
            let addresses = resolve(host, 4318).await.unwrap();
            assert!(!addresses.is_empty(), "{host}");
            assert!(addresses.iter().all(|it| it.port() == 4318), "{host}: {addresses:?}");
        }
    }
}
