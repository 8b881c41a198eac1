//! Trains a dictionary on the spans of the first requests.

use spanwise_wire::read::TraceRequest;

use super::dictionary::Dictionary;

/// Samples for a dictionary.
pub(crate) struct Trainer {
    max_dictionary_bytes: usize,
    samples: Vec<u8>,
    sizes: Vec<usize>,
}

impl Trainer {
    /// `None` if a dictionary of so few bytes is of no use.
    pub(crate) fn new(max_dictionary_bytes: usize) -> Option<Self> {
        (max_dictionary_bytes >= MIN_DICTIONARY_BYTES).then(|| Self {
            max_dictionary_bytes,
            samples: Vec::new(),
            sizes: Vec::new(),
        })
    }

    /// Adds some spans of a request; returns whether there are enough samples.
    pub(super) fn add(&mut self, request: &[u8]) -> bool {
        let wanted = self.max_dictionary_bytes * SAMPLES_PER_DICTIONARY;
        // Several requests, each with its services and routes, are better than many spans of one.
        let until = self.samples.len() + wanted / REQUESTS;
        for span in TraceRequest::new(request).spans().flatten() {
            let bytes = span.bytes();
            if self.samples.len() + bytes.len() > until {
                break;
            }
            if bytes.len() >= MIN_SAMPLE_BYTES {
                self.samples.extend_from_slice(bytes);
                self.sizes.push(bytes.len());
            }
        }
        self.samples.len() + wanted / REQUESTS > wanted && self.sizes.len() >= MIN_SAMPLES
    }

    /// Trains the dictionary. `None` if the spans have too little in common.
    pub(super) fn train(self) -> Option<Dictionary> {
        let mut dictionary = Vec::with_capacity(self.max_dictionary_bytes);
        zstd_safe::train_from_buffer(&mut dictionary, &self.samples, &self.sizes).ok()?;
        Dictionary::new(&dictionary)
    }
}

const MIN_DICTIONARY_BYTES: usize = 4 << 10;
/// Bytes of samples for each byte of the dictionary, within the range that libzstd recommends.
const SAMPLES_PER_DICTIONARY: usize = 32;
/// Requests that the samples are taken of, at least.
const REQUESTS: usize = 16;
const MIN_SAMPLES: usize = 64;
/// The algorithm reads eight bytes at a time.
const MIN_SAMPLE_BYTES: usize = 8;
