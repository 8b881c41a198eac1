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
use crate::IdleConnections;
use crate::idle_connections::IdleCount;

/// The idle connections to one endpoint, on one runtime. Its drop closes them.
#[derive(Debug, Default)]
pub(super) struct ConnectionPool {
    settings: IdleConnections,
    idle: Mutex<Idle>,
    /// Notified for each connection that becomes idle.
    returned: Notify,
    /// Connections whose response has ended and whose task has not noticed that yet.
    returning: AtomicUsize,
}

#[derive(Debug, Default)]
struct Idle {
    /// The newest last.
    connections: Vec<IdleConnection>,
    /// The task that closes connections which nothing uses.
    evictor: Option<AbortHandle>,
}

#[derive(Debug)]
struct IdleConnection {
    sender: RequestSender,
    since: Instant,
    #[expect(dead_code, reason = "held for its drop")]
    count: IdleCount,
}

/// A connection for one request.
#[derive(Debug)]
pub(super) struct Acquired {
    pub(super) sender: RequestSender,
    /// It served a request before, so that its peer may have closed it since.
    pub(super) reused: bool,
}

impl ConnectionPool {
    pub(super) fn new(settings: IdleConnections) -> Self {
        let mut pool = Self::default();
        pool.settings = settings;
        pool
    }

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
        if idle.connections.len() >= self.settings.max_per_host() {
            return;
        }
        let Some(count) = self.settings.try_count() else { return };
        idle.connections.push(IdleConnection { sender, since: Instant::now(), count });
        if idle.evictor.is_none() {
            let evicting = evict(Arc::downgrade(self), self.settings.timeout());
            idle.evictor = Some(tokio::spawn(evicting).abort_handle());
        }
        drop(idle);
        self.returned.notify_one();
    }

    /// The connection that was used last, if one is open and not idle for too long.
    fn take(&self) -> Option<RequestSender> {
        let mut idle = self.lock();
        std::iter::from_fn(|| idle.connections.pop())
            .find(|idle| self.is_fresh(idle))
            .map(|idle| idle.sender)
    }

    /// Closes what is idle for too long. Returns whether anything is left.
    fn evict(&self) -> bool {
        let mut idle = self.lock();
        idle.connections.retain(|idle| self.is_fresh(idle));
        if idle.connections.is_empty() {
            idle.evictor = None;
        }
        !idle.connections.is_empty()
    }

    fn is_fresh(&self, idle: &IdleConnection) -> bool {
        idle.sender.requests.is_ready() && idle.since.elapsed() <= self.settings.timeout()
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

/// Closes idle connections of `pool`, every `timeout` until it has none.
async fn evict(pool: Weak<ConnectionPool>, timeout: Duration) {
    loop {
        tokio::time::sleep(timeout).await;
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

    const IDLE_TIMEOUT: Duration = Duration::from_secs(60);

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
        for _ in 0..=16 {
            let (sender, far) = connection().await;
            pool.release(sender);
            peers.push(far);
        }
        closed(peers.remove(16)).await;
        drop(pool);
        for far in peers {
            closed(far).await;
        }
        assert_eq!(start.elapsed(), Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn pools_with_clones_of_the_settings_share_the_maximum() {
        let settings = IdleConnections::default().with_max(3).with_max_per_host(2);
        let settings = settings.with_timeout(Duration::from_secs(1));
        let pools = [0, 1].map(|_| Arc::new(ConnectionPool::new(settings.clone())));
        let mut peers = Vec::new();
        for pool in [0, 0, 0, 1, 1] {
            let (sender, far) = connection().await;
            pools[pool].release(sender);
            peers.push(far);
        }
        let start = Instant::now();
        // The third of a host of which two may be idle, and the fourth of all.
        closed(peers.remove(4)).await;
        closed(peers.remove(2)).await;
        assert_eq!(start.elapsed(), Duration::ZERO);
        // One that is used makes space for another.
        let used = idle(&pools[0]).await.unwrap();
        let (sender, _far) = connection().await;
        pools[1].release(sender);
        assert!(idle(&pools[1]).await.is_some() && idle(&pools[1]).await.is_some());
        drop(used);
        peers.truncate(1);
        closed(peers.remove(0)).await;
        assert!(start.elapsed() <= Duration::from_secs(2));
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
