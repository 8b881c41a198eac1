//! Reading OTLP bytes where they lie.

mod fields;

pub use fields::{Field, FieldValue, Fields, WireError};
