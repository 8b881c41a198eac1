//! The request of a batch, transcoded to OTLP/JSON.

use crate::corpus;
use spanwise::wire::json;
use spanwise_bench_harness::{Subject, Tally};
use std::hint::black_box;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};

/// The bytes of a request, and the buffer of its JSON.
pub(crate) struct EncodeJson {
    request: Vec<u8>,
    json: Mutex<Vec<u8>>,
    spans: AtomicU64,
}

impl EncodeJson {
    /// The constructor also transcodes the JSON back and compares the result with the request.
    pub(crate) fn new() -> Result<Self, String> {
        let request = corpus::request(BATCH);
        let (mut json, mut again) = (Vec::new(), Vec::new());
        json::from_protobuf(&request, usize::MAX, &mut json).map_err(|error| error.to_string())?;
        json::to_protobuf(&json, usize::MAX, &mut again).map_err(|error| error.to_string())?;
        if again.len() != request.len() {
            return Err("the request has another length after its JSON".to_owned());
        }
        Ok(Self { request, json: Mutex::new(json), spans: AtomicU64::new(0) })
    }
}

impl Subject for EncodeJson {
    fn run(&self, ops: u64) {
        let Ok(mut json) = self.json.lock() else { return };
        for _ in 0..ops {
            json.clear();
            let transcoded = json::from_protobuf(black_box(&self.request), usize::MAX, &mut json);
            if black_box(transcoded).is_ok() {
                self.spans.fetch_add(BATCH, SeqCst);
            }
        }
    }

    fn settle(&self) {}

    fn tally(&self, _made: u64) -> Tally {
        Tally { exported: self.spans.load(SeqCst), ..Tally::default() }
    }
}

const BATCH: u64 = 512;
