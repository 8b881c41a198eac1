//! The messages that a receiver encodes: `ExportTraceServiceResponse` and `google.rpc.Status`.

use std::time::Duration;

use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use spanwise_wire::write::put_varint;

/// An `ExportTraceServiceResponse` with a partial success.
pub(crate) fn partial_success(rejected: i64, message: &str) -> Vec<u8> {
    let mut partial = Vec::with_capacity(message.len() + 16);
    put_number(&mut partial, 1, rejected as u64);
    put_bytes(&mut partial, 2, message.as_bytes());
    let mut response = Vec::with_capacity(partial.len() + 8);
    // Present even when empty, because the handler returned a partial success.
    put_message(&mut response, 1, &partial);
    response
}

/// A `google.rpc.Status`, with a `google.rpc.RetryInfo` in its details if there is a delay.
pub(crate) fn rpc_status(code: u16, message: &str, retry_after: Option<Duration>) -> Vec<u8> {
    let mut status = Vec::with_capacity(message.len() + 96);
    put_number(&mut status, 1, code.into());
    put_bytes(&mut status, 2, message.as_bytes());
    if let Some(delay) = retry_after {
        let mut duration = Vec::new();
        // Largest duration that google.protobuf.Duration allows: 10,000 years.
        put_number(&mut duration, 1, delay.as_secs().min(315_576_000_000));
        put_number(&mut duration, 2, delay.subsec_nanos().into());
        let mut retry_info = Vec::new();
        put_message(&mut retry_info, 1, &duration);
        let mut any = Vec::new();
        put_bytes(&mut any, 1, b"type.googleapis.com/google.rpc.RetryInfo");
        put_bytes(&mut any, 2, &retry_info);
        put_message(&mut status, 3, &any);
    }
    status
}

/// `text` as a `grpc-message`: all but printable ASCII in percent escapes.
pub(crate) fn percent_encoded(text: &str) -> String {
    utf8_percent_encode(text, NOT_IN_MESSAGE).to_string()
}

/// gRPC over HTTP/2, Percent-Byte-Unencoded: spaces and visible ASCII but `%` are not escaped.
const NOT_IN_MESSAGE: &AsciiSet = &CONTROLS.add(b'%');

fn put_number(out: &mut Vec<u8>, field: u8, value: u64) {
    if value != 0 {
        out.push(field << 3);
        put_varint(out, value);
    }
}

fn put_bytes(out: &mut Vec<u8>, field: u8, bytes: &[u8]) {
    if !bytes.is_empty() {
        put_message(out, field, bytes);
    }
}

fn put_message(out: &mut Vec<u8>, field: u8, message: &[u8]) {
    out.push(field << 3 | 2);
    put_varint(out, message.len() as u64);
    out.extend_from_slice(message);
}

#[cfg(test)]
mod tests {
    use super::*;
    use opentelemetry_proto::tonic::collector::trace::v1::{
        ExportTracePartialSuccess, ExportTraceServiceResponse,
    };
    use prost::Message;

    // googleapis google/rpc/status.proto and error_details.proto, google/protobuf/duration.proto
    #[derive(prost::Message)]
    struct RpcStatus {
        #[prost(int32, tag = "1")]
        code: i32,
        #[prost(string, tag = "2")]
        message: String,
        #[prost(message, repeated, tag = "3")]
        details: Vec<AnyMessage>,
    }

    #[derive(prost::Message)]
    struct AnyMessage {
        #[prost(string, tag = "1")]
        type_url: String,
        #[prost(bytes = "vec", tag = "2")]
        value: Vec<u8>,
    }

    #[derive(prost::Message)]
    struct RetryInfo {
        #[prost(message, optional, tag = "1")]
        retry_delay: Option<DurationMessage>,
    }

    #[derive(prost::Message)]
    struct DurationMessage {
        #[prost(int64, tag = "1")]
        seconds: i64,
        #[prost(int32, tag = "2")]
        nanos: i32,
    }

    #[test]
    fn partial_success_equals_the_encoding_of_prost() {
        for (rejected, message) in [(0, ""), (0, "warn"), (7, ""), (-1, "é"), (i64::MAX, "x")] {
            let response = ExportTraceServiceResponse {
                partial_success: Some(ExportTracePartialSuccess {
                    rejected_spans: rejected,
                    error_message: message.into(),
                }),
            };
            assert_eq!(partial_success(rejected, message), response.encode_to_vec());
        }
    }

    #[test]
    fn rpc_status_equals_the_encoding_of_prost() {
        let delays = [None, Some((0, 0)), Some((1, 0)), Some((0, 5)), Some((300, 999_999_999))];
        for delay in delays {
            for (code, message) in [(14, "busy"), (0, ""), (3, "ü%")] {
                let info = |(seconds, nanos): (u64, u32)| RetryInfo {
                    retry_delay: Some(DurationMessage {
                        seconds: seconds as i64,
                        nanos: nanos as i32,
                    }),
                };
                let expected = RpcStatus {
                    code,
                    message: message.into(),
                    details: Vec::from_iter(delay.map(|delay| AnyMessage {
                        type_url: "type.googleapis.com/google.rpc.RetryInfo".into(),
                        value: info(delay).encode_to_vec(),
                    })),
                };
                let ours = rpc_status(
                    code as u16,
                    message,
                    delay.map(|(seconds, nanos)| Duration::new(seconds, nanos)),
                );
                assert_eq!(ours, expected.encode_to_vec());
            }
        }
    }

    #[test]
    fn percent_encoded_escapes_all_but_printable_ascii() {
        assert_eq!(percent_encoded("plain text ~"), "plain text ~");
        assert_eq!(percent_encoded("100%\r\né\u{7f}"), "100%25%0D%0A%C3%A9%7F");
    }
}
