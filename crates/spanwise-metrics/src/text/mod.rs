//! Text expositions: Prometheus 0.0.4 and OpenMetrics 1.0.

mod buckets;
mod encoder;
mod exemplar;
mod family;
mod format;
mod labels;
mod merge;
mod name;
mod number;
mod sanitize;
mod unit;

pub use encoder::TextEncoder;
pub use format::TextFormat;
