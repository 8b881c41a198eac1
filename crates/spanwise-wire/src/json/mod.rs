//! OTLP/JSON: requests transcoded from OTLP protobuf bytes to JSON and back, without an object tree.
//!
//! The encoding is that of the OTLP specification, *JSON Protobuf Encoding*: lowerCamelCase names, ids in
//! hexadecimal, enums as integers, 64-bit integers as decimal strings, bytes in base64.
//!
//! ```
//! use spanwise_wire::json;
//!
//! let text = br#"{"resourceSpans":[{"scopeSpans":[{"spans":[{"name":"GET /users","kind":2}]}]}]}"#;
//! let mut protobuf = Vec::new();
//! json::to_protobuf(text, 1 << 20, &mut protobuf)?;
//! let mut again = Vec::new();
//! json::from_protobuf(&protobuf, 1 << 20, &mut again)?;
//! assert_eq!(again, text);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod any_value;
mod encoder;
mod error;
mod from_protobuf;
mod number;
mod repeated;
mod response;
mod scanner;
mod to_protobuf;

pub use error::{FromProtobufError, JsonError, JsonProblem};
pub use from_protobuf::from_protobuf;
pub use response::{
    ExportResponse, encode_export_response, encode_status, export_response, status_message,
};
pub use to_protobuf::to_protobuf;
