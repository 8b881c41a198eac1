//! A workload: the spans to make, their number, and the expected outcome.

use serde_json::Value;

/// One file of `benches/workloads`.
#[derive(Debug, Clone)]
pub struct Workload {
    /// The name, which is also the name of the file.
    pub name: String,
    /// One sentence for the report.
    pub what: String,
    /// The spans of an operation.
    pub shape: Shape,
    /// The sampler.
    pub sampler: Sampler,
    /// The destination of spans.
    pub export: Export,
    /// The compression of requests.
    pub compression: Option<Compression>,
    /// How the tracer is held.
    pub tracer: Tracer,
    /// Whether the SDK has a span processor.
    pub processor: bool,
    /// Threads that make spans.
    pub threads: u64,
    /// Spans of one operation.
    pub spans_per_op: u64,
    /// Attributes of these spans; those of events come on top.
    pub attributes_per_op: u64,
    /// Events of these spans.
    pub events_per_op: u64,
    /// Spans between two drains.
    pub burst_spans: u64,
    /// Whether a drain is part of the time.
    pub timed_drain: bool,
    /// Spans of a request at most; `None`: the subject's default.
    pub batch_spans: Option<u64>,
}

/// The spans that one operation makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// A root span.
    Root,
    /// A root span that is the current one until it ends.
    RootInSpan,
    /// A request of five spans.
    Request,
    /// The same request, its attributes given to the builders of its spans, its server span current.
    RequestByBuilder,
    /// The same request, each span the current one until it ends.
    RequestInSpan,
}

/// The sampler of a workload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sampler {
    /// Samples every span.
    On,
    /// Samples no span.
    Off,
    /// Samples one half of the traces; children are sampled as their parent is.
    Half,
    /// The same with a ratio so small that it samples no trace of a measurement.
    Least,
}

impl Sampler {
    /// The ratio of a sampler that has one.
    pub fn ratio(self) -> Option<f64> {
        match self {
            Self::On | Self::Off => None,
            Self::Half => Some(0.5),
            Self::Least => Some(LEAST_RATIO),
        }
    }
}

/// The smallest ratio that Spanwise accepts, 2⁻⁵⁶.
const LEAST_RATIO: f64 = 1.0 / (1_u64 << 56) as f64;

/// The destination of spans.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Export {
    /// The destination that costs the subject least.
    None,
    /// A receiver, by OTLP over HTTP.
    Http,
    /// A receiver, by OTLP over HTTP in JSON.
    HttpJson,
    /// A receiver, by OTLP over gRPC.
    Grpc,
    /// A port without a receiver, by OTLP over HTTP, with default settings.
    Dead,
}

/// The compression of requests, each at the exporter's default level.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compression {
    /// gzip.
    Gzip,
    /// Zstandard.
    Zstd,
}

/// How the tracer is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tracer {
    /// By its type.
    Typed,
    /// The global one, behind a pointer.
    Boxed,
}

impl Workload {
    /// The workload of that name.
    ///
    /// # Errors
    /// No workload has that name, or its file is invalid.
    pub fn named(name: &str) -> Result<Self, String> {
        let text = FILES
            .iter()
            .find(|(file, _)| *file == name)
            .map(|(_, text)| *text)
            .ok_or_else(|| format!("no workload {name:?}"))?;
        Self::parse(text).map_err(|error| format!("workloads/{name}.json: {error}"))
    }

    fn parse(text: &str) -> Result<Self, String> {
        let json: Value = serde_json::from_str(text).map_err(|error| error.to_string())?;
        let text = |key: &str| json[key].as_str().ok_or_else(|| format!("no text {key:?}"));
        let count = |key: &str| json[key].as_u64().ok_or_else(|| format!("no count {key:?}"));
        let other = |key: &str| Err(format!("unknown {key}: {}", json[key]));
        Ok(Self {
            name: text("name")?.to_owned(),
            what: text("what")?.to_owned(),
            shape: match text("shape")? {
                "root" => Shape::Root,
                "root-in-span" => Shape::RootInSpan,
                "request" => Shape::Request,
                "request-by-builder" => Shape::RequestByBuilder,
                "request-in-span" => Shape::RequestInSpan,
                _ => return other("shape"),
            },
            sampler: match text("sampler")? {
                "on" => Sampler::On,
                "off" => Sampler::Off,
                "half" => Sampler::Half,
                _ => return other("sampler"),
            },
            export: match text("export")? {
                "none" => Export::None,
                "http" => Export::Http,
                "http-json" => Export::HttpJson,
                "grpc" => Export::Grpc,
                "dead" => Export::Dead,
                _ => return other("export"),
            },
            compression: match json["compression"].as_str() {
                None => None,
                Some("gzip") => Some(Compression::Gzip),
                Some("zstd") => Some(Compression::Zstd),
                Some(_) => return other("compression"),
            },
            tracer: match text("tracer")? {
                "typed" => Tracer::Typed,
                "boxed" => Tracer::Boxed,
                _ => return other("tracer"),
            },
            processor: json["processor"].as_bool().unwrap_or(true),
            threads: count("threads")?.max(1),
            spans_per_op: count("spans_per_op")?.max(1),
            attributes_per_op: count("attributes_per_op")?,
            events_per_op: count("events_per_op")?,
            burst_spans: count("burst_spans")?,
            timed_drain: json["timed_drain"].as_bool().unwrap_or(false),
            batch_spans: json["batch_spans"].as_u64(),
        })
    }
}

macro_rules! files {
    ($($name:literal)*) => {
        &[$(($name, include_str!(concat!("../../workloads/", $name, ".json")))),*]
    };
}

const FILES: &[(&str, &str)] = files!(
    "w1-kept" "w2-kept" "w3-kept" "dropped"
    "w1" "w1-off" "w2" "w3" "w3-end" "w3-builder" "w3-in-span" "w1-boxed" "w1-boxed-in-span" "encode"
    "encode-json"
    "e2e-grpc" "e2e-http" "e2e-json" "e2e-default" "e2e-http-gzip" "e2e-http-zstd" "e2e-grpc-zstd"
    "batch-10" "batch-50" "batch-100" "batch-500" "batch-1000" "batch-2000" "batch-export" "flush-100k" "compress"
    "order-mixed" "order-shuffled" "attributes-report"
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_workload_file_is_valid_and_listed() {
        for (name, _) in FILES {
            assert_eq!(Workload::named(name).unwrap().name, *name);
        }
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../workloads");
        assert_eq!(std::fs::read_dir(folder).unwrap().count(), FILES.len());
    }
}
