//! The encoders of a transport: compression contexts that are reused, and their memory.

use std::fmt;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use flate2::{Compress, Decompress, FlushCompress, FlushDecompress, Status};
#[cfg(feature = "planted-bugs")]
use spanwise_ledger::planted::{Bug, planted};

use crate::Compression;
use crate::compression::CompressionSettings;
use crate::framing::PREFIX;
use crate::shared_bodies::BodyEncoding;
#[cfg(feature = "zstd")]
use crate::zstd::ZstdEncoder;

/// The encoders of one transport, of which at most [`MAX_IDLE`] are retained while no request uses them.
pub(crate) struct Encoders {
    settings: CompressionSettings,
    idle: Mutex<Vec<Encoder>>,
    /// Whether the receiver refuses the encoding.
    is_refused: AtomicBool,
}

/// A compressed body.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Packed {
    /// The body. There is capacity for [`PREFIX`] bytes more.
    pub(crate) body: Vec<u8>,
    /// Whether [`Encoders::unpack`] can restore the original within [`Encoders::bound`], so that the
    /// original can be freed.
    pub(crate) is_restorable: bool,
}

impl Encoders {
    pub(crate) fn new(settings: CompressionSettings) -> Self {
        Self { settings, idle: Mutex::default(), is_refused: AtomicBool::new(false) }
    }

    /// The encoding of bodies.
    pub(crate) fn compression(&self) -> Compression {
        self.settings.compression
    }

    /// The encoding of bodies, of JSON or protobuf. Encoders with equal ones write the same bytes.
    pub(crate) fn encoding(&self, is_json: bool) -> BodyEncoding {
        let CompressionSettings { compression, threshold, .. } = self.settings;
        let is_compressed = compression != Compression::None;
        BodyEncoding {
            is_json,
            compression,
            level: if is_compressed { self.settings.level() } else { 0 },
            threshold: if is_compressed { threshold } else { 0 },
        }
    }

    /// Whether no body is compressed: by the settings, or because the receiver refuses the encoding.
    pub(crate) fn are_off(&self) -> bool {
        self.settings.compression == Compression::None || self.is_refused.load(Ordering::Relaxed)
    }

    /// Bytes of one encoder at most; 0 without compression.
    pub(crate) fn encoder_bytes(&self) -> usize {
        match self.settings.compression {
            Compression::None => 0,
            Compression::Gzip => GZIP_ENCODER_BYTES,
            #[cfg(feature = "zstd")]
            Compression::Zstd => crate::zstd::encoder_bytes(self.settings.level()),
            #[cfg(not(feature = "zstd"))]
            Compression::Zstd => 0,
        }
    }

    /// Maximum memory of a compressed copy of `len` bytes and of one encoder, in bytes, at any time.
    pub(crate) fn bound(&self, len: usize) -> usize {
        match self.encoder_bytes() {
            0 => 0,
            _ if len < self.settings.threshold => 0,
            encoder => len.saturating_add(PREFIX + encoder),
        }
    }

    /// Compresses `body`. `None` when it is below the threshold or would not become a quarter smaller, the
    /// receiver refuses the encoding, or the allocation fails.
    pub(crate) fn pack(&self, body: &[u8]) -> Option<Packed> {
        if body.len() < self.settings.threshold || self.are_off() {
            return None;
        }
        let mut encoder = self.take()?;
        let mut packed = Vec::new();
        // A result that does not fit does not save a quarter.
        packed.try_reserve_exact(body.len() - body.len() / 4 + PREFIX).ok()?;
        let result = encoder.pack(body, &mut packed);
        self.release(encoder);
        result?;
        // An allocator may shrink by copying: the copy fits into the quarter that is saved.
        let is_small = packed.len() + PREFIX <= body.len() / 4;
        if is_small {
            packed.shrink_to(packed.len() + PREFIX);
        }
        // An encoding is refused before the original is restored; its encoder is freed by then.
        let decoder = packed.len() + DECODER_BYTES <= self.encoder_bytes();
        Some(Packed { body: packed, is_restorable: is_small && decoder })
    }

    /// Restores the original of `len` bytes, with capacity for [`PREFIX`] bytes more. `None` if an
    /// allocation fails.
    pub(crate) fn unpack(&self, packed: &[u8], len: usize) -> Option<Vec<u8>> {
        // No request needs the encoders meanwhile; their memory is that of the decoder.
        self.clear();
        let mut body = Vec::new();
        body.try_reserve_exact(len + PREFIX).ok()?;
        match self.settings.compression {
            Compression::None => return None,
            Compression::Gzip => {
                let mut decoder = Decompress::new_gzip(WINDOW_BITS);
                decoder.decompress_vec(packed, &mut body, FlushDecompress::Finish).ok()?;
            }
            #[cfg(feature = "zstd")]
            Compression::Zstd => crate::zstd::unpack(packed, &mut body)?,
            #[cfg(not(feature = "zstd"))]
            Compression::Zstd => return None,
        }
        (body.len() == len).then_some(body)
    }

    /// The receiver refuses the encoding: no later body is compressed.
    pub(crate) fn refuse(&self) {
        #[cfg(feature = "planted-bugs")]
        if planted(Bug::EncodingRefusalForgotten) {
            return;
        }
        self.is_refused.store(true, Ordering::Relaxed);
        self.clear();
    }

    fn take(&self) -> Option<Encoder> {
        // Never waits: in a forked child the lock may be held by a thread that does not exist.
        let idle = self.idle.try_lock().ok().and_then(|mut idle| idle.pop());
        idle.or_else(|| Encoder::new(self.settings))
    }

    fn release(&self, encoder: Encoder) {
        if let Ok(mut idle) = self.idle.try_lock()
            && idle.len() < MAX_IDLE
        {
            idle.push(encoder);
        }
    }

    /// Frees the idle encoders.
    pub(crate) fn clear(&self) {
        if let Ok(mut idle) = self.idle.try_lock() {
            idle.clear();
        }
    }
}

impl fmt::Debug for Encoders {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.settings.fmt(f)
    }
}

/// A compression context, which costs more to allocate than to reset.
enum Encoder {
    Gzip(Box<Compress>),
    #[cfg(feature = "zstd")]
    Zstd(ZstdEncoder),
}

impl Encoder {
    fn new(settings: CompressionSettings) -> Option<Self> {
        match settings.compression {
            Compression::None => None,
            Compression::Gzip => {
                let level = flate2::Compression::new(settings.level().unsigned_abs());
                Some(Self::Gzip(Box::new(Compress::new_gzip(level, WINDOW_BITS))))
            }
            #[cfg(feature = "zstd")]
            Compression::Zstd => ZstdEncoder::new(settings.level()).map(Self::Zstd),
            #[cfg(not(feature = "zstd"))]
            Compression::Zstd => None,
        }
    }

    /// Appends the compressed `body` to the empty `out`. `None` when it exceeds the capacity of `out`.
    fn pack(&mut self, body: &[u8], out: &mut Vec<u8>) -> Option<()> {
        match self {
            Self::Gzip(encoder) => {
                encoder.reset();
                pack_gzip(encoder, body, out)
            }
            #[cfg(feature = "zstd")]
            Self::Zstd(encoder) => encoder.pack(body, out),
        }
    }
}

fn pack_gzip(encoder: &mut Compress, body: &[u8], out: &mut Vec<u8>) -> Option<()> {
    loop {
        let (read, written) = (encoder.total_in(), out.len());
        let rest = body.get(read as usize..)?;
        match encoder.compress_vec(rest, out, FlushCompress::Finish).ok()? {
            Status::StreamEnd => return Some(()),
            // More than the encoder counts in one call (4 GiB).
            _ if encoder.total_in() > read || out.len() > written => {}
            _ => return None,
        }
    }
}

/// The window of 32 KiB, which every gzip decoder supports.
const WINDOW_BITS: u8 = 15;
/// Memory of a gzip encoder: its window, hash chains and pending output, with their headers.
const GZIP_ENCODER_BYTES: usize = 384 << 10;
/// Memory of a decoder that writes into the whole body.
const DECODER_BYTES: usize = 192 << 10;
/// An exporter compresses on one thread; others send from several.
const MAX_IDLE: usize = 4;

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::*;

    fn encoders(compression: Compression, level: i32) -> Encoders {
        let level = Some(level);
        Encoders::new(CompressionSettings { compression, level, ..CompressionSettings::default() })
    }

    /// Every compression at its lowest, usual and highest level.
    fn all() -> Vec<Encoders> {
        let zstd = if cfg!(feature = "zstd") { &[-7, -1, 1, 3, 6, 9][..] } else { &[] };
        let gzip = [1, 6, 9].map(|level| encoders(Compression::Gzip, level));
        gzip.into_iter().chain(zstd.iter().map(|&l| encoders(Compression::Zstd, l))).collect()
    }

    fn noise(len: usize) -> Vec<u8> {
        let mut random = spanwise_testkit::SplitMix64::new(7);
        (0..len).map(|_| random.next_u64() as u8).collect()
    }

    fn numbers(len: u32) -> Vec<u8> {
        (0..len).flat_map(|i| (i / 100).to_le_bytes()).collect()
    }

    #[test]
    fn a_body_survives_the_round_trip_whatever_was_packed_before() {
        for encoders in all() {
            for len in [100_000, 300, 1_024] {
                let body = numbers(len);
                let packed = encoders.pack(&body).unwrap();
                assert!(packed.body.len() < body.len() / 2);
                assert_eq!(encoders.unpack(&packed.body, body.len()).unwrap(), body);
                assert_eq!(encoders.unpack(&packed.body, body.len() - 1), None);
                // A used encoder and a new one write the same bytes.
                assert_eq!(encoders.pack(&body).unwrap(), packed, "{encoders:?} {len}");
            }
        }
    }

    #[test]
    fn another_decoder_reads_gzip() {
        let body = numbers(100_000);
        let packed = encoders(Compression::Gzip, 1).pack(&body).unwrap();
        let mut plain = Vec::new();
        flate2::read::GzDecoder::new(&packed.body[..]).read_to_end(&mut plain).unwrap();
        assert_eq!(plain, body);
    }

    #[test]
    fn bodies_that_do_not_become_a_quarter_smaller_are_not_packed() {
        for encoders in all() {
            assert_eq!(encoders.pack(&[7; 1023]), None);
            assert!(encoders.pack(&[7; 1024]).is_some());
            assert_eq!(encoders.pack(&noise(4096)), None);
            // A fifth of zeros saves less than a quarter, a third saves more.
            assert_eq!(encoders.pack(&[vec![0; 20_000], noise(80_000)].concat()), None);
            let third = [vec![0; 33_000], noise(66_000)].concat();
            let packed = encoders.pack(&third).unwrap();
            assert!(!packed.is_restorable && packed.body.len() > 66_000);
        }
    }

    #[test]
    fn a_threshold_decides_which_bodies_are_packed() {
        let settings = CompressionSettings {
            compression: Compression::Gzip,
            threshold: 50,
            ..CompressionSettings::default()
        };
        let encoders = Encoders::new(settings);
        assert_eq!((encoders.pack(&[7; 49]), encoders.bound(49)), (None, 0));
        assert!(encoders.pack(&[7; 50]).is_some() && encoders.bound(50) > 50);
    }

    #[test]
    fn a_refused_encoding_is_not_used_again_and_frees_its_encoders() {
        for encoders in all() {
            let body = numbers(10_000);
            assert!(encoders.pack(&body).is_some());
            assert_eq!(encoders.idle.lock().unwrap().len(), 1);
            encoders.refuse();
            assert_eq!(encoders.pack(&body), None);
            assert!(encoders.idle.lock().unwrap().is_empty());
        }
    }

    #[test]
    fn idle_encoders_are_bounded() {
        let encoders = encoders(Compression::Gzip, 1);
        let taken: Vec<_> = (0..MAX_IDLE + 3).map(|_| encoders.take().unwrap()).collect();
        taken.into_iter().for_each(|encoder| encoders.release(encoder));
        assert_eq!(encoders.idle.lock().unwrap().len(), MAX_IDLE);
        // A lock that is never released, as in a forked child, is no reason to wait.
        let _held = encoders.idle.lock().unwrap();
        assert!(encoders.pack(&numbers(1_000)).is_some());
    }
}
