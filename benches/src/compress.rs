//! The compression of a request and its cost.

use crate::encode::{BATCH, Encode};
use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use spanwise_bench_harness::{Subject, Tally};
use std::hint::black_box;
use std::io::{Read as _, Write as _};
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};

/// gzip at one of its levels.
pub(crate) struct Compress {
    level: Compression,
    request: Vec<u8>,
    packed_len: usize,
    spans: AtomicU64,
}

impl Compress {
    /// `gzip-1` to `gzip-9`. The constructor also decompresses its
    /// result and compares it with the request.
    pub(crate) fn new(implementation: &str) -> Result<Self, String> {
        let level = implementation.strip_prefix("gzip-").and_then(|level| level.parse().ok());
        let level = Compression::new(level.ok_or(format!("no implementation {implementation}"))?);
        let request = Encode::new().request();
        let packed = pack(&request, level).map_err(|error| error.to_string())?;
        let mut unpacked = Vec::new();
        let read = GzDecoder::new(&packed[..]).read_to_end(&mut unpacked);
        if read.is_err() || unpacked != request {
            return Err("the decompressed request differs from the request".to_owned());
        }
        Ok(Self { level, packed_len: packed.len(), request, spans: AtomicU64::new(0) })
    }
}

fn pack(bytes: &[u8], level: Compression) -> std::io::Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::with_capacity(bytes.len() / 4), level);
    encoder.write_all(bytes)?;
    encoder.finish()
}

impl Subject for Compress {
    fn run(&self, ops: u64) {
        for _ in 0..ops {
            let packed = black_box(pack(&self.request, self.level));
            if packed.is_ok_and(|packed| packed.len() == self.packed_len) {
                self.spans.fetch_add(BATCH, SeqCst);
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
        Some(2 * BATCH)
    }
}
