//! The compression of a request and its cost.

use crate::corpus;
use flate2::read::GzDecoder;
use spanwise::Compression;
use spanwise::transport::Transport;
use spanwise_bench_harness::{Subject, Tally};
use std::hint::black_box;
use std::io::Read as _;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};

/// A compression at one of its levels, as the transport does it: with encoders that it reuses.
pub(crate) struct Compress {
    transport: Transport,
    request: Vec<u8>,
    packed_len: usize,
    spans: AtomicU64,
}

impl Compress {
    /// `gzip-1` to `gzip-9`, `zstd-1` to `zstd-9`, and `zstd-fast-1` to `zstd-fast-7`, which are negative
    /// levels. The constructor also decompresses its result and compares it with the request.
    pub(crate) fn new(implementation: &str) -> Result<Self, String> {
        let unknown = || format!("no implementation {implementation}");
        let (name, level) = implementation.rsplit_once('-').ok_or_else(unknown)?;
        let level: i32 = level.parse().map_err(|_| unknown())?;
        let (compression, level) = match name {
            "gzip" => (Compression::Gzip, level),
            "zstd" => (Compression::Zstd, level),
            "zstd-fast" => (Compression::Zstd, -level),
            _ => return Err(unknown()),
        };
        let transport = Transport::builder()
            .with_compression(compression)
            .with_compression_level(level)
            .build()
            .map_err(|error| error.to_string())?;
        let request = corpus::request(SPANS);
        let packed = transport.__compressed(&request).ok_or("the request was not compressed")?;
        if unpack(&packed, compression, request.len()).as_ref() != Some(&request) {
            return Err("the decompressed request differs from the request".to_owned());
        }
        Ok(Self { transport, packed_len: packed.len(), request, spans: AtomicU64::new(0) })
    }
}

pub(crate) fn unpack(packed: &[u8], compression: Compression, len: usize) -> Option<Vec<u8>> {
    let mut plain = Vec::with_capacity(len);
    match compression {
        Compression::Gzip => drop(GzDecoder::new(packed).read_to_end(&mut plain).ok()?),
        _ => drop(zstd_safe::decompress(&mut plain, packed).ok()?),
    }
    Some(plain)
}

impl Subject for Compress {
    fn run(&self, ops: u64) {
        for _ in 0..ops {
            let packed = black_box(self.transport.__compressed(&self.request));
            if packed.is_some_and(|packed| packed.len() == self.packed_len) {
                self.spans.fetch_add(SPANS, SeqCst);
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

    /// One at the slowest level takes milliseconds.
    fn burst_spans(&self) -> Option<u64> {
        Some(2 * SPANS)
    }
}

/// A request of a usual size.
const SPANS: u64 = 512;
