//! Memory for requests: charged to the budget, and reused.

use crate::encoder_bytes::json_factor;
use crate::metrics::ExportMetrics;
use bytes::Bytes;
use spanwise_batch::{Budget, Charge};
use spanwise_pool::{Pool, PooledOwned, Reset};
use spanwise_transport::FramedRequest;
use std::sync::Arc;

/// The memory that requests are framed into.
///
/// A request of a MiB in fresh memory costs more in page faults than in copying. A buffer of the
/// usual size returns to the cache when the last reference to its bytes is dropped, be it by a
/// response, an error or an aborted task, and stays charged while it is cached. A smaller request gets
/// memory of just its length: requests that wait for a receiver must not be charged for more.
pub(super) struct Memory {
    budget: Budget,
    /// Length of a usual buffer.
    usual: usize,
    /// The most buffers in `cached`.
    count: usize,
    cached: Arc<Pool<RequestBuffer>>,
    /// A buffer for the JSON of a usual request. The next request is made after another one has ended, so one
    /// is enough.
    json: Arc<Pool<RequestBuffer>>,
    /// The copies that the chunk of a large span is charged for.
    large_span_copies: usize,
    /// The maximum memory of a request in multiples of its length: itself, those split by trace, JSON, and
    /// compressed copies.
    copies: usize,
    metrics: Option<ExportMetrics>,
}

/// The memory for one request.
pub(super) struct Charged {
    pub(super) request: RequestMemory,
    /// For its JSON, if it is one of the usual length.
    pub(super) json: Option<RequestMemory>,
    /// The charge of its other copies.
    pub(super) copies: Option<Charge>,
}

impl Memory {
    /// Memory charged to `budget`; at most `count` buffers of the `usual` length are cached.
    pub(super) fn new(budget: Budget, usual: usize, count: usize, copies: usize) -> Self {
        let [cached, json] = pools(count);
        let large_span_copies = copies;
        Self { budget, usual, count, cached, json, large_span_copies, copies, metrics: None }
    }

    /// Counts the memory that is reused and allocated.
    pub(super) fn with_metrics(mut self, metrics: ExportMetrics) -> Self {
        self.metrics = Some(metrics);
        self
    }

    /// Replaces the `usual` length and the maximum of copies.
    pub(super) fn set_sizes(&mut self, usual: usize, copies: usize) {
        self.copies = copies;
        if self.usual != usual {
            self.trim();
            // Buffers in use are of the former length, and return to the pools that they are from.
            self.usual = usual;
            [self.cached, self.json] = pools(self.count);
        }
    }

    /// The copies of a request that the chunk of a large span is charged for.
    pub(super) fn large_span_copies(&self) -> usize {
        self.large_span_copies
    }

    /// The most bytes of a span and its copies. With the copies that the budget was divided for, each span has
    /// fewer.
    pub(super) fn most_of_one_span(&self) -> usize {
        self.budget.limit() / 4 * 3
    }

    pub(super) fn budget(&self) -> &Budget {
        &self.budget
    }

    /// Length of a usual request in bytes.
    pub(super) fn usual(&self) -> usize {
        self.usual
    }

    /// Memory for a request of `len` bytes and the rest of its `copies`, all or none. JSON is one of them if
    /// the request `needs_json`.
    pub(super) fn try_take(&self, len: usize, copies: usize, needs_json: bool) -> Option<Charged> {
        if needs_json
            && self.is_usual(len)
            && let Some(json) = self.try_json()
        {
            match self.try_rest(len, copies.saturating_sub(json_factor())) {
                Some((request, copies)) => {
                    return Some(Charged { request, json: Some(json), copies });
                }
                None => {
                    // It takes more than the JSON of this request.
                    drop(json);
                    self.json.clear();
                }
            }
        }
        let (request, copies) = self.try_rest(len, copies)?;
        Some(Charged { request, json: None, copies })
    }

    fn try_rest(&self, len: usize, copies: usize) -> Option<(RequestMemory, Option<Charge>)> {
        let charge = match copies.saturating_sub(1) {
            0 => None,
            others => Some(self.budget.try_charge_reserved(len * others)?),
        };
        Some((self.try_buffer(len)?, charge))
    }

    /// Memory for a request of `len` bytes that another charge covers.
    pub(super) fn charged_elsewhere(&self, len: usize) -> Option<RequestMemory> {
        Some(RequestMemory::owned(len, self.budget.try_charge_reserved(0)?))
    }

    /// Bytes that are charged for `copies` copies of a request of `len` bytes, at most.
    pub(super) fn charge_of(&self, len: usize, copies: usize, needs_json: bool) -> usize {
        let first = if self.is_usual(len) { self.usual } else { len };
        let (json, others) = match needs_json && self.is_usual(len) {
            true => {
                (FramedRequest::json_capacity(self.usual), copies.saturating_sub(json_factor()))
            }
            false => (0, copies),
        };
        first + json + len * others.saturating_sub(1)
    }

    /// Bytes of a request for which the budget has memory now.
    pub(super) fn affordable(&self) -> usize {
        self.budget.limit().saturating_sub(self.budget.charged()) / self.copies
    }

    /// Frees the cached buffers.
    pub(super) fn trim(&self) {
        self.cached.clear();
        self.json.clear();
    }

    fn try_buffer(&self, bytes: usize) -> Option<RequestMemory> {
        if self.is_usual(bytes)
            && let Some(cached) = self.try_cached(&self.cached, self.usual)
        {
            return Some(cached);
        }
        let charge = self.budget.try_charge_reserved(bytes)?;
        self.allocated(bytes);
        Some(RequestMemory::owned(bytes, charge))
    }

    fn allocated(&self, bytes: usize) {
        if let Some(metrics) = &self.metrics {
            metrics.buffer_allocated(bytes);
        }
    }

    fn try_json(&self) -> Option<RequestMemory> {
        self.try_cached(&self.json, FramedRequest::json_capacity(self.usual))
    }

    /// A buffer of the cache, or a new one of `bytes` bytes.
    fn try_cached(&self, cache: &Arc<Pool<RequestBuffer>>, bytes: usize) -> Option<RequestMemory> {
        if let Some(cached) = cache.try_acquire_owned() {
            if let Some(metrics) = &self.metrics {
                metrics.buffer_reused();
            }
            return Some(RequestMemory::Cached(cached));
        }
        let charge = self.budget.try_charge_reserved(bytes)?;
        self.allocated(bytes);
        let fresh = RequestBuffer::new(bytes, charge, true);
        Some(RequestMemory::Cached(cache.acquire_owned(|| fresh)))
    }

    /// Whether a request of `len` bytes gets a usual buffer: whole chunks fill one up to a chunk or two.
    fn is_usual(&self, len: usize) -> bool {
        len <= self.usual && len > self.usual / 4 * 3
    }
}

/// The caches of requests, at most `count` of them, and of their JSON.
fn pools(count: usize) -> [Arc<Pool<RequestBuffer>>; 2] {
    [count, 1].map(|count| Arc::new(Pool::new(count)))
}

/// Cached buffers are referred to by requests that may outlive the machine.
impl Drop for Memory {
    fn drop(&mut self) {
        self.trim();
    }
}

/// The memory of one request, returned to the cache or freed when it is dropped.
pub(super) enum RequestMemory {
    Cached(PooledOwned<RequestBuffer>),
    Owned(RequestBuffer),
}

pub(super) struct RequestBuffer {
    // Before `charge`: memory is freed first, its bytes are returned to the budget then.
    bytes: Vec<u8>,
    #[expect(dead_code, reason = "held for its drop")]
    charge: Charge,
    /// Whether it is of the usual length, and worth retaining.
    is_usual: bool,
}

impl RequestMemory {
    fn owned(bytes: usize, charge: Charge) -> Self {
        Self::Owned(RequestBuffer::new(bytes, charge, false))
    }

    /// The memory itself, to be returned by [`share`](Self::share).
    pub(super) fn take(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.buffer().bytes)
    }

    /// The filled memory as bytes that can be shared.
    pub(super) fn share(mut self, bytes: Vec<u8>) -> Bytes {
        self.buffer().bytes = bytes;
        Bytes::from_owner(self)
    }

    fn buffer(&mut self) -> &mut RequestBuffer {
        match self {
            Self::Cached(buffer) => buffer,
            Self::Owned(buffer) => buffer,
        }
    }
}

impl AsRef<[u8]> for RequestMemory {
    fn as_ref(&self) -> &[u8] {
        match self {
            Self::Cached(buffer) => &buffer.bytes,
            Self::Owned(buffer) => &buffer.bytes,
        }
    }
}

impl RequestBuffer {
    fn new(bytes: usize, charge: Charge, is_usual: bool) -> Self {
        Self { bytes: Vec::with_capacity(bytes), charge, is_usual }
    }
}

impl Reset for RequestBuffer {
    fn reset(&mut self) -> bool {
        self.bytes.clear();
        self.is_usual && self.bytes.capacity() > 0
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    const USUAL: usize = 100_000;

    #[test]
    fn memory_for_json_is_charged_while_it_is_cached_and_reused() {
        let budget = Budget::new(2 << 20);
        let memory = Memory::new(budget.clone(), USUAL, 4, 7);
        let json = FramedRequest::json_capacity(USUAL);
        let mut buffers = Vec::new();
        for _ in 0..3 {
            let charged = memory.try_take(USUAL - 9, 7, true).unwrap();
            assert_eq!(budget.charged(), USUAL + json);
            assert_eq!(memory.charge_of(USUAL - 9, 7, true), USUAL + json);
            assert!(charged.copies.is_none());
            let mut json = charged.json.unwrap();
            let mut buffer = json.take();
            buffer.push(b'{');
            buffers.push(json.share(buffer).as_ptr());
            drop(charged.request);
        }
        assert!(buffers.iter().all(|buffer| *buffer == buffers[0]));
        memory.trim();
        assert_eq!(budget.charged(), 0);
        // Its compressed copies are charged besides.
        let charged = memory.try_take(USUAL, 13, true).unwrap();
        assert_eq!(budget.charged(), USUAL + json + 6 * USUAL);
        drop(charged);
    }

    #[test]
    fn a_request_gets_memory_of_its_own_length_where_a_buffer_does_not_fit() {
        // For the requests, but not for a buffer.
        let budget = Budget::new(7 * (USUAL - 999));
        let memory = Memory::new(budget.clone(), USUAL, 4, 7);
        for (len, needs_json) in [(USUAL - 999, true), (USUAL / 2, true), (USUAL - 999, false)] {
            let charged = memory.try_take(len, 7, needs_json).unwrap();
            assert!(charged.json.is_none() && charged.copies.is_some());
            assert!(budget.charged() >= 7 * len, "{len}");
            drop(charged);
            memory.trim();
            assert_eq!(budget.charged(), 0);
        }
        assert!(memory.try_take(USUAL, 7, true).is_none());
    }
}
