//! The compression of requests in several orders of their spans.

use crate::compress::unpack;
use crate::traffic::{Traffic, headers};
use spanwise::Compression;
use spanwise::transport::Transport;
use spanwise::wire::read::TraceRequest;
use spanwise::wire::{Chunk, Framer, RequestLimits, RequestOrder};
use spanwise_bench_harness::{Subject, Tally, Workload};
use std::hint::black_box;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};

/// A request that is made in an order, and compressed as the transport does it.
pub(crate) struct Ordered {
    transport: Transport,
    order: Order,
    chunk: Chunk,
    request: Vec<u8>,
    packed_len: usize,
    spans_of_one: u64,
    spans: AtomicU64,
}

/// The order, and the code that makes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Order {
    /// Framed as spans end.
    Arrival,
    /// Framed with the spans of a trace side by side.
    ByTrace,
    /// An encoded request in the order of arrival, rewritten.
    Rewritten(RequestOrder),
}

impl Order {
    pub(crate) const ALL: [(&str, Self); 4] = [
        ("arrival", Self::Arrival),
        ("by-trace", Self::ByTrace),
        ("rewritten-by-trace", Self::Rewritten(RequestOrder::new())),
        ("rewritten-by-key", Self::Rewritten(RequestOrder::new().with_sorted_keys(true))),
    ];
}

impl Ordered {
    /// `gzip-` or `zstd-` at the exporter's default level, and the name of an order. The constructor also decompresses a
    /// result and counts its spans.
    pub(crate) fn new(workload: &Workload, implementation: &str) -> Result<Self, String> {
        let unknown = || format!("no implementation {implementation}");
        let (compression, order) = implementation.split_once('-').ok_or_else(unknown)?;
        let named = Order::ALL.into_iter().find(|(name, _)| *name == order);
        let (_, order) = named.ok_or_else(unknown)?;
        let compression = match compression {
            "gzip" => Compression::Gzip,
            "zstd" => Compression::Zstd,
            _ => return Err(unknown()),
        };
        let is_shuffled = workload.name.ends_with("-shuffled");
        let traffic = Traffic { spans: workload.spans_per_op, concurrent: CONCURRENT, is_shuffled };
        Self::of(traffic, order, compression)
    }

    pub(crate) fn of(
        traffic: Traffic,
        order: Order,
        compression: Compression,
    ) -> Result<Self, String> {
        let transport = Transport::builder().with_compression(compression).build();
        let transport = transport.map_err(|error| error.to_string())?;
        let mut ordered = Self {
            transport,
            order,
            chunk: traffic.chunk(),
            request: traffic.request(),
            packed_len: 0,
            spans_of_one: traffic.spans,
            spans: AtomicU64::new(0),
        };
        let (packed, spans) = ordered.pack().ok_or("the request was not compressed")?;
        let plain = unpack(&packed, compression, ordered.request.len()).unwrap_or_default();
        let arrived = TraceRequest::new(&plain).count_spans();
        if (arrived, spans) != (Ok(traffic.spans), traffic.spans) {
            return Err(format!("{arrived:?} spans of {} arrived", traffic.spans));
        }
        ordered.packed_len = packed.len();
        Ok(ordered)
    }

    /// Makes the request, and compresses it. Returns its bytes and its spans.
    pub(crate) fn pack(&self) -> Option<(Vec<u8>, u64)> {
        let (request, spans) = self.make()?;
        Some((self.transport.__compressed(&request)?, spans))
    }

    /// Makes the request alone.
    pub(crate) fn make(&self) -> Option<(Vec<u8>, u64)> {
        if let Order::Rewritten(order) = self.order {
            let mut ordered = Vec::new();
            let spans = order.rewrite(&self.request, &mut ordered).ok()?;
            return Some((ordered, spans));
        }
        let (resource, scope) = headers();
        let framer = Framer::new(&resource, |_| &scope, RequestLimits::default());
        let mut framer = framer.with_grouped_traces(self.order == Order::ByTrace);
        let mut framed = None;
        framer.frame(&[&self.chunk], |request| framed = Some(request));
        let spans = framed.as_ref()?.spans();
        Some((framed?.into_message(), spans))
    }

    /// Bytes of the compressed request.
    pub(crate) fn packed_len(&self) -> usize {
        self.packed_len
    }
}

impl Subject for Ordered {
    fn run(&self, ops: u64) {
        for _ in 0..ops {
            let packed = black_box(self.pack());
            if let Some((packed, spans)) = packed
                && packed.len() == self.packed_len
            {
                self.spans.fetch_add(spans, SeqCst);
            }
        }
    }

    fn settle(&self) {}

    fn tally(&self, _made: u64) -> Tally {
        Tally { exported: self.spans.load(SeqCst), ..Tally::default() }
    }

    fn ratio(&self) -> Option<f64> {
        Some(self.request.len() as f64 / self.packed_len as f64)
    }

    /// One takes a millisecond.
    fn burst_spans(&self) -> Option<u64> {
        Some(2 * self.spans_of_one)
    }
}

/// Requests that the service of the workloads answers at the same time.
const CONCURRENT: usize = 64;
