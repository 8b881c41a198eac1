//! The channels of a transport on one runtime.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tonic::transport::Channel;

use super::ping_interval::PingInterval;
use super::while_open::{Open, WhileOpen};
use crate::ChannelSelection;

/// Channels to one endpoint. A channel connects with its first request.
pub(super) struct ChannelPool {
    slots: Vec<Slot>,
    selection: ChannelSelection,
    /// The slot whose turn it is.
    next: AtomicUsize,
    interval: Arc<PingInterval>,
    open: Open,
}

/// A channel.
#[derive(Default)]
struct Slot {
    /// With the interval of its pings. `None` before its first request.
    channel: Mutex<Option<(Channel, Duration)>>,
    in_flight: AtomicUsize,
}

/// A channel for one request, which counts as in flight until this is dropped.
pub(super) struct Selected {
    pool: Arc<ChannelPool>,
    slot: usize,
    pub(super) channel: Channel,
}

impl ChannelPool {
    pub(super) fn new(
        count: usize,
        selection: ChannelSelection,
        interval: Arc<PingInterval>,
    ) -> Self {
        let slots = (0..count.max(1)).map(|_| Slot::default()).collect();
        Self { slots, selection, next: AtomicUsize::new(0), interval, open: Open::new() }
    }

    /// Ends when the pool is dropped, and with it all requests on its channels.
    pub(super) fn while_open(&self) -> WhileOpen {
        self.open.watch()
    }

    /// The channel for the next request. `connect` makes one with pings at an interval: a channel whose
    /// interval has changed is replaced, and requests on it end undisturbed.
    pub(super) fn select(self: Arc<Self>, connect: impl FnOnce(Duration) -> Channel) -> Selected {
        let slot = self.select_slot();
        let interval = self.interval.get();
        let new = match self.slots.get(slot) {
            None => connect(interval),
            Some(slot) => {
                slot.in_flight.fetch_add(1, Relaxed);
                let mut channel = slot.channel.lock().unwrap_or_else(PoisonError::into_inner);
                match &*channel {
                    Some((channel, used)) if *used == interval => channel.clone(),
                    _ => {
                        let new = connect(interval);
                        *channel = Some((new.clone(), interval));
                        new
                    }
                }
            }
        };
        Selected { pool: self, slot, channel: new }
    }

    fn select_slot(&self) -> usize {
        let (count, turn) = (self.slots.len(), self.next.fetch_add(1, Relaxed));
        let first = turn % count;
        match self.selection {
            ChannelSelection::RoundRobin => first,
            ChannelSelection::LeastInFlight => {
                let in_flight = |slot: &usize| {
                    self.slots.get(*slot).map_or(0, |slot| slot.in_flight.load(Relaxed))
                };
                (0..count).map(|step| (first + step) % count).min_by_key(in_flight).unwrap_or(first)
            }
        }
    }
}

impl Drop for Selected {
    fn drop(&mut self) {
        if let Some(slot) = self.pool.slots.get(self.slot) {
            slot.in_flight.fetch_sub(1, Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const INTERVAL: Duration = Duration::from_secs(20);

    fn pool(count: usize, selection: ChannelSelection) -> Arc<ChannelPool> {
        Arc::new(ChannelPool::new(count, selection, Arc::new(PingInterval::new(INTERVAL))))
    }

    fn channel(_: Duration) -> Channel {
        tonic::transport::Endpoint::from_static("http://127.0.0.1:1").connect_lazy()
    }

    #[tokio::test]
    async fn round_robin_takes_each_channel_in_turn() {
        let pool = pool(3, ChannelSelection::RoundRobin);
        let slots: Vec<_> = (0..7).map(|_| pool.clone().select(channel).slot).collect();
        assert_eq!(slots, [0, 1, 2, 0, 1, 2, 0]);
    }

    #[tokio::test]
    async fn the_channel_with_the_fewest_requests_is_selected() {
        let pool = pool(3, ChannelSelection::LeastInFlight);
        let mut held: Vec<_> = (0..3).map(|_| pool.clone().select(channel)).collect();
        assert_eq!(held.iter().map(|it| it.slot).collect::<Vec<_>>(), [0, 1, 2]);
        drop(held.remove(1));
        let second = pool.clone().select(channel);
        assert_eq!(second.slot, 1);
        // All are equally busy: each in turn.
        let next = pool.clone().select(channel).slot;
        assert_ne!(pool.clone().select(channel).slot, next);
    }

    #[tokio::test]
    async fn a_channel_is_made_once_until_the_interval_changes() {
        let pool = pool(1, ChannelSelection::RoundRobin);
        let made = Mutex::new(Vec::new());
        let connect = |interval| {
            made.lock().unwrap().push(interval);
            channel(interval)
        };
        for _ in 0..3 {
            drop(pool.clone().select(connect));
        }
        pool.interval.double(INTERVAL);
        drop(pool.clone().select(connect));
        assert_eq!(*made.lock().unwrap(), [INTERVAL, 2 * INTERVAL]);
    }
}
