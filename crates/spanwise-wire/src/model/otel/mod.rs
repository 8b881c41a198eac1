//! Conversions from and to the types of the OpenTelemetry API.

mod context;
mod kind;
mod value;

pub(crate) use value::known;
