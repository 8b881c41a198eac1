//! Decompresses payloads.

use zstd_safe::{DCtx, get_error_name};

use super::dictionary::Dictionary;

/// A decompression context and the dictionaries that were used last.
pub(crate) struct Decompressor {
    context: DCtx<'static>,
    /// The dictionary in `context`, 0 for none.
    loaded: u32,
    /// The last one is the most recent.
    dictionaries: Vec<Dictionary>,
}

impl Decompressor {
    pub(crate) fn new() -> Self {
        Self { context: DCtx::create(), loaded: 0, dictionaries: Vec::new() }
    }

    pub(crate) fn add(&mut self, dictionary: Dictionary) {
        self.dictionaries.retain(|other| other.id() != dictionary.id());
        if self.dictionaries.len() >= MAX_DICTIONARIES {
            self.dictionaries.remove(0);
        }
        self.dictionaries.push(dictionary);
    }

    /// Whether a frame with this dictionary can be decompressed.
    pub(crate) fn has(&self, dictionary: u32) -> bool {
        dictionary == 0 || self.dictionaries.iter().any(|known| known.id() == dictionary)
    }

    /// Decompresses a frame of exactly `raw_bytes`; the name of libzstd's error otherwise.
    pub(crate) fn decompress(
        &mut self,
        dictionary: u32,
        frame: &[u8],
        raw_bytes: usize,
    ) -> Result<Vec<u8>, &'static str> {
        self.load(dictionary)?;
        let mut raw = Vec::with_capacity(raw_bytes);
        let written = self.context.decompress(&mut raw, frame).map_err(get_error_name)?;
        if written == raw_bytes { Ok(raw) } else { Err("another length") }
    }

    fn load(&mut self, dictionary: u32) -> Result<(), &'static str> {
        if dictionary == self.loaded {
            return Ok(());
        }
        if dictionary == 0 {
            self.context.disable_dictionary().map_err(get_error_name)?;
        } else {
            let known = self.dictionaries.iter().find(|known| known.id() == dictionary);
            let known = known.ok_or("no dictionary")?;
            self.context.load_dictionary(known.bytes()).map_err(get_error_name)?;
        }
        self.loaded = dictionary;
        Ok(())
    }
}

/// Dictionaries in memory at most, of 32 KiB and their tables.
const MAX_DICTIONARIES: usize = 4;
