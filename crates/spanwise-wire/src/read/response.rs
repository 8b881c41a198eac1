//! The response to an export request.

use super::fields::{Fields, WireError};
use super::value;

/// An `ExportTraceServiceResponse`.
///
/// The default, which is also an empty message, is full success.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct ExportResponse<'a> {
    /// Number of spans of the request that the server rejected, as sent: it may be negative or larger
    /// than the number of spans in the request.
    pub rejected_spans: i64,
    /// The server's message: the reason, or a warning if no span was rejected. Empty if it is not UTF-8.
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
