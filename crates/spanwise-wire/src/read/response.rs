//! The answer to an export.

use super::fields::{Fields, WireError};
use super::value;

/// What an `ExportTraceServiceResponse` says.
///
/// The default, which an empty message also reads as, is full success.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct ExportResponse<'a> {
    /// How many spans of the request were refused. As sent: it may be negative or more than
    /// the request held.
    pub rejected_spans: i64,
    /// Why, in the server's words; a warning if nothing was refused. Empty if it is not UTF-8.
    pub error_message: &'a str,
}

/// Reads the bytes of an `ExportTraceServiceResponse`.
///
/// # Errors
/// [`WireError`] if they are malformed.
pub fn export_response(bytes: &[u8]) -> Result<ExportResponse<'_>, WireError> {
    let mut response = ExportResponse::default();
    for field in Fields::new(bytes) {
        let field = field?;
        if field.number != PARTIAL_SUCCESS {
            continue;
        }
        for field in Fields::new(field.bytes()?) {
            let field = field?;
            match field.number {
                1 => response.rejected_spans = field.varint()? as i64,
                2 => response.error_message = value::text(field.bytes()?).unwrap_or_default(),
                _ => {}
            }
        }
    }
    Ok(response)
}

// opentelemetry/proto/collector/trace/v1/trace_service.proto
const PARTIAL_SUCCESS: u32 = 1;
