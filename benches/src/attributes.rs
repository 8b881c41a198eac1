//! The report about attributes.

use crate::traffic::Traffic;
use spanwise::metrics::AttributeSketch;
use spanwise_bench_harness::{Subject, Tally};
use std::hint::black_box;
use std::sync::Mutex;

/// A sketch that reads a request again and again.
pub(crate) struct Attributes {
    request: Vec<u8>,
    sketch: Mutex<AttributeSketch>,
}

impl Attributes {
    /// The constructor also checks a report: each key of w3, with all of its occurrences.
    pub(crate) fn new() -> Result<Self, String> {
        let request = Traffic { spans: SPANS, concurrent: 64, is_shuffled: false }.request();
        let mut sketch = AttributeSketch::new(MAX_KEYS);
        sketch.add_request(&request).map_err(|error| error.to_string())?;
        let report = sketch.report();
        let of_queries =
            |key: &str| report.keys.iter().find(|it| it.key == key).map_or(0, |it| it.occurrences);
        let of_roots = of_queries("http.route");
        if of_roots + of_queries("db.query.text") != SPANS || report.replaced_keys > 0 {
            return Err(format!("{of_roots} roots of {SPANS} spans: {report:?}"));
        }
        Ok(Self { request, sketch: Mutex::new(AttributeSketch::new(MAX_KEYS)) })
    }
}

impl Subject for Attributes {
    fn run(&self, ops: u64) {
        let Ok(mut sketch) = self.sketch.lock() else { return };
        for _ in 0..ops {
            let _counted = black_box(sketch.add_request(black_box(&self.request)));
        }
    }

    fn settle(&self) {}

    fn tally(&self, _made: u64) -> Tally {
        let spans = self.sketch.lock().map(|sketch| sketch.report().spans);
        Tally { exported: spans.unwrap_or(0), ..Tally::default() }
    }
}

const SPANS: u64 = 512;
const MAX_KEYS: usize = 1024;
