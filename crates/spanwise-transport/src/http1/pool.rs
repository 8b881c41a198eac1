//! Connections that a request can use again.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::Poll;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::task::AbortHandle;
use tokio::time::{Instant, timeout};

use super::connection::RequestSender;

/// The idle connections to one endpoint, on one runtime. Its drop closes them.
#[derive(Debug, Default)]
pub(super) struct ConnectionPool {
    idle: Mutex<Idle>,
    /// Notified for each connection that becomes idle.
    returned: Notify,
    /// Connections whose response has ended and whose task has not noticed that yet.
    returning: AtomicUsize,
}

#[derive(Debug, Default)]
struct Idle {
    /// The newest last.
    connections: Vec<(RequestSender, Instant)>,
    /// The task that closes connections which nothing uses.
    evictor: Option<AbortHandle>,
}

/// A connection for one request.
#[derive(Debug)]
pub(super) struct Acquired {
    pub(super) sender: RequestSender,
    /// It served a request before, so that its peer may have closed it since.
    pub(super) reused: bool,
}

impl ConnectionPool {
    /// An idle connection, or the one that `connect` makes; whichever is there first.
    pub(super) async fn acquire<F, E>(&self, connect: impl FnOnce() -> F) -> Result<Acquired, E>
    where
        F: Future<Output = Result<RequestSender, E>>,
    {
        if let Some(sender) = self.take() {
            return Ok(Acquired { sender, reused: true });
        }
        // In a box: connections are rare, and their futures much larger than a request's.
        let mut connecting = Box::pin(async {
            // ORDER: Relaxed; a wrong guess costs a connection more, or a short wait.
            if self.returning.load(Ordering::Relaxed) > 0 {
                tokio::time::sleep(RETURN_TIME).await;
            }
            connect().await
        });
        let mut returned = pin!(self.returned.notified());
        poll_fn(|cx| {
            loop {
                if let Some(sender) = self.take() {
                    return Poll::Ready(Ok(Acquired { sender, reused: true }));
                }
                // Polled until it is pending, so that the next notification wakes this task.
                if returned.as_mut().poll(cx).is_pending() {
                    break;
                }
                returned.set(self.returned.notified());
            }
            let made = connecting.as_mut().poll(cx);
            made.map_ok(|sender| Acquired { sender, reused: false })
        })
        .await
    }

    /// Takes a connection back whose response was read. It is idle as soon as its task has noticed;
    /// one that its peer closes, or that has more to read, is dropped.
    pub(super) fn release(self: &Arc<Self>, mut sender: RequestSender) {
        if sender.requests.is_ready() {
            return self.put(sender);
        }
        if sender.requests.is_closed() {
            return;
        }
        let returning = Returning::new(self);
        tokio::spawn(async move {
            if let Ok(Ok(())) = timeout(READY_TIMEOUT, sender.requests.ready()).await
                && let Some(pool) = returning.0.upgrade()
            {
                pool.put(sender);
            }
        });
    }

    fn put(self: &Arc<Self>, sender: RequestSender) {
        let mut idle = self.lock();
        if idle.connections.len() >= MAX_IDLE {
            return;
        }
        idle.connections.push((sender, Instant::now()));
        if idle.evictor.is_none() {
            idle.evictor = Some(tokio::spawn(evict(Arc::downgrade(self))).abort_handle());
        }
        drop(idle);
        self.returned.notify_one();
    }

    /// The connection that was used last, if one is open and not idle for too long.
    fn take(&self) -> Option<RequestSender> {
        let mut idle = self.lock();
        std::iter::from_fn(|| idle.connections.pop())
            .find(|(sender, since)| sender.requests.is_ready() && since.elapsed() <= IDLE_TIMEOUT)
            .map(|(sender, _)| sender)
    }

    /// Closes what is idle for too long. Returns whether anything is left.
    fn evict(&self) -> bool {
        let mut idle = self.lock();
        let is_fresh = |(sender, since): &(RequestSender, Instant)| {
            sender.requests.is_ready() && since.elapsed() <= IDLE_TIMEOUT
        };
        idle.connections.retain(is_fresh);
        if idle.connections.is_empty() {
            idle.evictor = None;
        }
        !idle.connections.is_empty()
    }

    fn lock(&self) -> MutexGuard<'_, Idle> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for ConnectionPool {
    fn drop(&mut self) {
        if let Some(evictor) = self.lock().evictor.take() {
            evictor.abort();
        }
    }
}

/// Closes idle connections of `pool` until it has none.
async fn evict(pool: Weak<ConnectionPool>) {
    loop {
        tokio::time::sleep(IDLE_TIMEOUT).await;
        if !pool.upgrade().is_some_and(|pool| pool.evict()) {
            return;
        }
    }
}

/// Counts a connection as returning, until it is dropped.
struct Returning(Weak<ConnectionPool>);

impl Returning {
    fn new(pool: &Arc<ConnectionPool>) -> Self {
        pool.returning.fetch_add(1, Ordering::Relaxed);
        Self(Arc::downgrade(pool))
    }
}

impl Drop for Returning {
    fn drop(&mut self) {
        if let Some(pool) = self.0.upgrade() {
            pool.returning.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

const IDLE_TIMEOUT: Duration = Duration::from_secs(60);
/// As many as requests are in flight in any usual configuration: a connection that is dropped between two
/// requests costs the second one a handshake and a slow start.
const MAX_IDLE: usize = 16;
/// The time for a peer that responded early to read the remaining request, which it may never do.
const READY_TIMEOUT: Duration = Duration::from_secs(1);
/// How long a request waits for a connection that is about to be idle before it makes one.
const RETURN_TIME: Duration = Duration::from_millis(2);

#[cfg(test)]
mod tests {
    use std::future::{pending, ready};

    use tokio::io::{AsyncReadExt as _, DuplexStream};

    use super::super::connection::handshake;
    use super::*;

    /// A connection that takes a request, and its peer's end.
    async fn connection() -> (RequestSender, DuplexStream) {
        let (near, far) = tokio::io::duplex(1024);
        (handshake(near).await.unwrap(), far)
    }

    /// Waits until the connection to `far` is closed.
    async fn closed(mut far: DuplexStream) {
        assert_eq!(far.read(&mut [0]).await.unwrap(), 0);
    }

    async fn idle(pool: &ConnectionPool) -> Option<Acquired> {
        pool.acquire(|| ready(Err(()))).await.ok()
    }

    #[tokio::test(start_paused = true)]
    async fn an_idle_connection_is_used_again_for_a_minute() {
        let pool = Arc::<ConnectionPool>::default();
        let (sender, far) = connection().await;
        pool.release(sender);
        tokio::time::sleep(IDLE_TIMEOUT).await;
        let acquired = idle(&pool).await.unwrap();
        assert!(acquired.reused);
        let released = Instant::now();
        pool.release(acquired.sender);
        closed(far).await;
        let passed = released.elapsed();
        assert!(IDLE_TIMEOUT <= passed && passed <= 2 * IDLE_TIMEOUT, "{passed:?}");
        assert!(idle(&pool).await.is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn a_pool_holds_a_few_idle_connections_and_a_dropped_pool_none() {
        let pool = Arc::<ConnectionPool>::default();
        let start = Instant::now();
        let mut peers = Vec::new();
        for _ in 0..=MAX_IDLE {
            let (sender, far) = connection().await;
            pool.release(sender);
            peers.push(far);
        }
        closed(peers.remove(MAX_IDLE)).await;
        drop(pool);
        for far in peers {
            closed(far).await;
        }
        assert_eq!(start.elapsed(), Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_takes_a_connection_that_becomes_idle_while_it_connects() {
        let pool = Arc::<ConnectionPool>::default();
        let (sender, _far) = connection().await;
        let releasing = pool.clone();
        tokio::spawn(async move {
            tokio::time::sleep(Duration::from_secs(1)).await;
            releasing.release(sender);
        });
        let acquired = pool.acquire(pending::<Result<RequestSender, ()>>).await;
        assert!(acquired.unwrap().reused);
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_that_its_peer_closed_is_not_used_again() {
        let pool = Arc::<ConnectionPool>::default();
        let (sender, far) = connection().await;
        pool.release(sender);
        drop(far);
        // Long enough for the connection's task to notice.
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert!(idle(&pool).await.is_none());
    }
}
