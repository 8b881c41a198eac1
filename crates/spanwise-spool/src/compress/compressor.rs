//! Compresses requests.

use std::fmt;
use std::time::SystemTime;

use spanwise_wire::{RequestLimits, RequestPart};
use zstd_safe::{CCtx, CParameter, get_error_name};

use super::dictionary::{Dictionary, SharedDictionary};
use super::trainer::Trainer;
use crate::SpoolError;
use crate::format::{MAX_RAW_BYTES, RecordHeader, RecordKind};
use crate::index::RecordFacts;
use crate::segment::Pending;
use crate::time::unix_seconds;

/// Compresses requests for a spool, also on another thread than that of the spool: one request is
/// compressed there while the disk stores the one before.
///
/// The first requests train a dictionary, which all compressors of a spool then share, if it makes requests
/// smaller.
pub struct RequestCompressor {
    context: CCtx<'static>,
    level: i32,
    shared: SharedDictionary,
    /// The dictionary in `context`.
    loaded: u32,
    trainer: Option<Trainer>,
    seed: u64,
    frame: Vec<u8>,
}

/// A compressed request, for [`Spool::append_compressed`](crate::Spool::append_compressed).
#[derive(Clone)]
pub struct CompressedRequest {
    /// One, or the parts of a request that is larger than a record may be.
    pub(crate) records: Vec<Pending>,
}

impl CompressedRequest {
    /// The count of spans.
    pub fn spans(&self) -> u64 {
        self.records.iter().map(|record| u64::from(record.header.spans)).sum()
    }

    /// Bytes of its records on disk, with headers and trailers.
    pub fn disk_bytes(&self) -> u64 {
        self.records.iter().map(Pending::disk_bytes).sum()
    }

    /// Bytes of the request before compression.
    pub fn raw_bytes(&self) -> u64 {
        self.records.iter().map(|record| u64::from(record.header.raw_bytes)).sum()
    }
}

/// Without the payload, which may have personal data.
impl fmt::Debug for CompressedRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CompressedRequest")
            .field("spans", &self.spans())
            .field("disk_bytes", &self.disk_bytes())
            .finish_non_exhaustive()
    }
}

impl RequestCompressor {
    /// `seed` is that of the indexes of the spool.
    pub(crate) fn new(
        level: i32,
        shared: SharedDictionary,
        trainer: Option<Trainer>,
        seed: u64,
    ) -> Self {
        let context = CCtx::create();
        Self { context, level, shared, loaded: 0, trainer, seed, frame: Vec::new() }
    }

    /// Compresses an `ExportTraceServiceRequest` of `spans` spans: into one record, or above 64 MiB into
    /// several, each with some of the spans.
    ///
    /// # Errors
    /// [`SpoolError::RequestTooLarge`] if the request is larger than 64 MiB and is malformed, has a span of
    /// that length, or another count of spans; [`SpoolError::Compression`].
    ///
    /// # Cost
    /// About 1 ms for 1 MiB. Once, the training of the dictionary: some 100 ms.
    pub fn compress(
        &mut self,
        now: SystemTime,
        request: &[u8],
        spans: u64,
    ) -> Result<CompressedRequest, SpoolError> {
        let records = if request.len() > MAX_RAW_BYTES {
            self.compress_parts(now, request, spans)?
        } else {
            vec![self.compress_record(now, request, spans)?]
        };
        Ok(CompressedRequest { records })
    }

    fn compress_parts(
        &mut self,
        now: SystemTime,
        request: &[u8],
        spans: u64,
    ) -> Result<Vec<Pending>, SpoolError> {
        let limits = RequestLimits::default().with_max_bytes(PART_BYTES).with_max_spans(usize::MAX);
        let (mut records, mut planned) = (Vec::new(), 0);
        while let Some(part) = RequestPart::plan(request, planned, limits)
            .map_err(|_malformed| too_large(request.len()))?
        {
            let part_spans = part.spans();
            let part = part.write(Vec::new());
            records.push(self.compress_record(now, part.message(), part_spans)?);
            planned += part_spans;
        }
        // The account of the caller has `spans`.
        if planned == spans { Ok(records) } else { Err(too_large(request.len())) }
    }

    fn compress_record(
        &mut self,
        now: SystemTime,
        request: &[u8],
        spans: u64,
    ) -> Result<Pending, SpoolError> {
        let (Ok(raw_bytes), Ok(spans)) = (u32::try_from(request.len()), u32::try_from(spans))
        else {
            return Err(too_large(request.len()));
        };
        if request.len() > MAX_RAW_BYTES {
            return Err(too_large(request.len()));
        }
        let dictionary = self
            .pack(request)
            .map_err(|code| SpoolError::Compression { reason: get_error_name(code) })?;
        self.train(request);
        let facts = RecordFacts::read(request, self.seed);
        let header = RecordHeader {
            raw_bytes,
            spans,
            dictionary,
            earliest_unix_nanos: facts.earliest_unix_nanos(),
            latest_unix_nanos: facts.latest_unix_nanos(),
            ..RecordHeader::empty(RecordKind::Spans, unix_seconds(now))
        };
        let pending = Pending::new(header, self.frame.as_slice().to_vec(), facts);
        if self.frame.capacity() > RETAINED_BYTES {
            self.frame = Vec::new();
        }
        Ok(pending)
    }

    /// Compresses into `frame`, with the dictionary if there is one; returns its identifier.
    fn pack(&mut self, request: &[u8]) -> Result<u32, usize> {
        if let Some(dictionary) = self.shared.get()
            && dictionary.id() != self.loaded
        {
            self.context.load_dictionary(dictionary.bytes())?;
            self.loaded = dictionary.id();
        }
        pack(&mut self.context, self.level, request, &mut self.frame)?;
        Ok(self.loaded)
    }

    /// Adds a request to the samples; once there are enough, trains the dictionary and shares it if it
    /// makes this request smaller, which it has not seen as a whole.
    fn train(&mut self, request: &[u8]) {
        if self.shared.get().is_some() {
            self.trainer = None;
        }
        let Some(trainer) = &mut self.trainer else { return };
        if !trainer.add(request) {
            return;
        }
        let Some(dictionary) = self.trainer.take().and_then(Trainer::train) else { return };
        if self.gains_enough(&dictionary, request) {
            // Another compressor may have been faster: its dictionary is as good.
            let _first_wins = self.shared.set(dictionary);
        }
    }

    fn gains_enough(&self, dictionary: &Dictionary, request: &[u8]) -> bool {
        let mut context = CCtx::create();
        let mut frame = Vec::new();
        let packed = context
            .load_dictionary(dictionary.bytes())
            .and_then(|_| pack(&mut context, self.level, request, &mut frame));
        packed.is_ok() && frame.len() * 100 <= self.frame.len() * MAX_PERCENT
    }
}

fn pack(
    context: &mut CCtx<'static>,
    level: i32,
    request: &[u8],
    frame: &mut Vec<u8>,
) -> Result<(), usize> {
    context.set_parameter(CParameter::CompressionLevel(level))?;
    context.set_parameter(CParameter::WindowLog(WINDOW_LOG))?;
    frame.clear();
    frame.reserve(zstd_safe::compress_bound(request.len()));
    context.compress2(frame, request)?;
    Ok(())
}

fn too_large(bytes: usize) -> SpoolError {
    SpoolError::RequestTooLarge { bytes: bytes as u64, limit: MAX_RAW_BYTES as u64 }
}

/// 1 MiB, the raw bytes between two syncs.
const WINDOW_LOG: u32 = 20;
/// A dictionary is used if a request has at most this percentage of its bytes without one.
const MAX_PERCENT: usize = 98;
/// Bytes of the parts of a request that is larger than a record may be.
const PART_BYTES: usize = 8 << 20;
/// Larger buffers are freed after their request.
const RETAINED_BYTES: usize = 4 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    /// libzstd allocates by `malloc`, where an allocator of Rust does not count.
    #[test]
    fn a_context_has_at_most_a_mebibyte_at_the_default_level() {
        let text: Vec<u8> = (0..4_000_000u32).map(|i| (i ^ (i >> 7) ^ (i >> 11)) as u8).collect();
        let mut context = CCtx::create();
        context.load_dictionary(&text[..32 << 10]).unwrap();
        for len in [1_000, 100_000, 1 << 20, 4_000_000] {
            let mut frame = Vec::new();
            pack(&mut context, 1, &text[..len], &mut frame).unwrap();
            assert!(context.sizeof() <= 1 << 20, "{len}: {}", context.sizeof());
        }
    }

    #[test]
    fn a_request_beyond_the_limit_becomes_records_of_its_spans() {
        // Three spans of 30 MiB: resource_spans { scope_spans { spans spans spans } }
        let message = |field: u8, bytes: &[u8]| {
            let mut message = vec![field << 3 | 2];
            spanwise_wire::write::put_varint(&mut message, bytes.len() as u64);
            message.extend_from_slice(bytes);
            message
        };
        let span = message(2, &message(5, &vec![b'x'; 30 << 20]));
        let request = message(1, &message(2, &span.repeat(3)));
        let mut compressor = RequestCompressor::new(1, SharedDictionary::default(), None, 0);
        let now = SystemTime::UNIX_EPOCH;
        let compressed = compressor.compress(now, &request, 3).unwrap();
        assert_eq!((compressed.records.len(), compressed.spans()), (3, 3));
        let error = compressor.compress(now, &request, 4).unwrap_err();
        assert!(matches!(error, SpoolError::RequestTooLarge { .. }), "{error}");
        let whole = message(1, &message(2, &message(2, &message(5, &vec![b'x'; 65 << 20]))));
        assert!(compressor.compress(now, &whole, 1).is_err());
    }
}
