//! The responses of OTLP/HTTP in JSON.

use super::encoder::Encoder;
use super::error::JsonError;
use super::scanner::{Scan as _, Scanner};

/// An `ExportTraceServiceResponse`. The default is full success.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct ExportResponse {
    /// Number of spans of the request that the server rejected, as sent: it may be negative or larger
    /// than the number of spans in the request.
    pub rejected_spans: i64,
    /// The server's message: the reason, or a warning if no span was rejected.
    pub error_message: String,
}

/// Reads an `ExportTraceServiceResponse` in JSON. Unknown fields are skipped.
///
/// # Errors
/// The text is not JSON, or a field has another type.
pub fn export_response(json: &[u8]) -> Result<ExportResponse, JsonError> {
    let mut response = ExportResponse::default();
    let mut scanner = Scanner::new(json);
    scanner.object(|scanner, name| match name {
        "partialSuccess" if !scanner.eat_null()? => scanner.object(|scanner, name| {
            match name {
                "rejectedSpans" if !scanner.eat_null()? => {
                    let accepted = "an integer of 64 bits, as a number or a string";
                    let spans = scanner.integer(i64::MIN.into(), i64::MAX.into(), accepted)?;
                    response.rejected_spans = i64::try_from(spans).unwrap_or_default();
                }
                "errorMessage" if !scanner.eat_null()? => {
                    response.error_message = scanner.string()?.unescaped().into_owned();
                }
                "rejectedSpans" | "errorMessage" => {}
                _ => scanner.skip()?,
            }
            Ok(())
        }),
        "partialSuccess" => Ok(()),
        _ => scanner.skip(),
    })?;
    scanner.end()?;
    Ok(response)
}

/// Reads the message of a `google.rpc.Status` in JSON, the body of a failed response; `None` if the
/// object has no message.
///
/// # Errors
/// The text is not JSON, or the message is not a string.
pub fn status_message(json: &[u8]) -> Result<Option<String>, JsonError> {
    let mut message = None;
    let mut scanner = Scanner::new(json);
    scanner.object(|scanner, name| match name {
        "message" if !scanner.eat_null()? => {
            message = Some(scanner.string()?.unescaped().into_owned());
            Ok(())
        }
        "message" => Ok(()),
        _ => scanner.skip(),
    })?;
    scanner.end()?;
    Ok(message)
}

/// An `ExportTraceServiceResponse` with a partial success, in JSON.
pub fn encode_export_response(rejected_spans: i64, error_message: &str) -> Vec<u8> {
    let mut out = Vec::new();
    let mut json = Encoder::new(&mut out, usize::MAX);
    json.raw(b"{\"partialSuccess\":{");
    if rejected_spans != 0 {
        json.raw(b"\"rejectedSpans\":\"");
        json.integer(rejected_spans);
        json.raw(b"\",");
    }
    // Without a limit, no string is too large.
    let _encoded = json.string_member(b"\"errorMessage\":\"", error_message.as_bytes());
    json.close(b'}');
    json.raw(b"}");
    out
}

/// A `google.rpc.Status` in JSON, without details.
pub fn encode_status(code: i32, message: &str) -> Vec<u8> {
    let mut out = Vec::new();
    let mut json = Encoder::new(&mut out, usize::MAX);
    json.raw(b"{");
    json.number_member(b"\"code\":", code.into());
    let _encoded = json.string_member(b"\"message\":\"", message.as_bytes());
    json.close(b'}');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn responses_read_as_they_were_encoded() {
        for (rejected, message) in [(0, ""), (0, "warn"), (7, ""), (-1, "é\n\""), (i64::MAX, "x")]
        {
            let json = encode_export_response(rejected, message);
            let read = export_response(&json).unwrap();
            assert_eq!((read.rejected_spans, &*read.error_message), (rejected, message));
        }
        for (code, message) in [(14, "busy"), (0, "ü%")] {
            let read = status_message(&encode_status(code, message)).unwrap();
            assert_eq!(read.as_deref(), Some(message));
        }
        assert_eq!(encode_status(3, "no"), br#"{"code":3,"message":"no"}"#);
        assert_eq!(encode_export_response(0, ""), br#"{"partialSuccess":{}}"#);
    }

    #[test]
    fn unknown_fields_are_skipped() {
        for json in ["{}", r#"{"partialSuccess":null}"#, r#"{"x":[{"y":1}],"partialSuccess":{}}"#] {
            assert_eq!(export_response(json.as_bytes()), Ok(ExportResponse::default()), "{json}");
        }
        let json = br#"{"partialSuccess":{"rejectedSpans":3,"errorMessage":null,"x":{}}}"#;
        assert_eq!(export_response(json).unwrap().rejected_spans, 3);
        assert_eq!(status_message(br#"{"error":"x"}"#), Ok(None));
        for json in ["", "[]", "{} {}", "<html>", r#"{"partialSuccess":{"rejectedSpans":"x"}}"#] {
            assert!(export_response(json.as_bytes()).is_err(), "{json}");
        }
    }
}
