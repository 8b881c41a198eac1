//! The small protobuf messages of responses: `ExportTraceServiceResponse` and `google.rpc.Status`.

use std::time::Duration;

use base64::alphabet;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use base64::engine::{DecodePaddingMode, Engine as _};
use spanwise_wire::read::{FieldValue, Fields, WireError};

/// `ExportTraceServiceResponse`: the partial success.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct ExportResponse {
    /// `rejected_spans`; a negative number counts as 0.
    pub(crate) rejected: u64,
    pub(crate) message: Option<String>,
}

impl ExportResponse {
    pub(crate) fn read(bytes: &[u8]) -> Result<Self, WireError> {
        let mut response = Self::default();
        for field in Fields::new(bytes) {
            let field = field?;
            if field.number == 1 {
                response.read_partial_success(nested(field.number, field.value)?)?;
            }
        }
        Ok(response)
    }

    fn read_partial_success(&mut self, bytes: &[u8]) -> Result<(), WireError> {
        for field in Fields::new(bytes) {
            let field = field?;
            match field.number {
                1 => {
                    let rejected = varint(field.number, field.value)?;
                    self.rejected = u64::try_from(rejected as i64).unwrap_or(0);
                }
                2 => {
                    let text = String::from_utf8_lossy(nested(field.number, field.value)?);
                    self.message = (!text.is_empty()).then(|| text.into_owned());
                }
                _ => {}
            }
        }
        Ok(())
    }
}

/// `google.rpc.Status`: the body of a failed HTTP request, and gRPC's details.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct RpcStatus {
    pub(crate) message: String,
    /// `RetryInfo.retry_delay`, negative taken as zero; `None` without a `RetryInfo`.
    pub(crate) retry_delay: Option<Duration>,
}

impl RpcStatus {
    pub(crate) fn read(bytes: &[u8]) -> Result<Self, WireError> {
        let mut status = Self::default();
        for field in Fields::new(bytes) {
            let field = field?;
            match field.number {
                1 => drop(varint(field.number, field.value)?),
                2 => {
                    let text = nested(field.number, field.value)?;
                    status.message = String::from_utf8_lossy(text).into_owned();
                }
                3 => {
                    if let Some(delay) = retry_info(nested(field.number, field.value)?)? {
                        status.retry_delay = Some(delay);
                    }
                }
                _ => {}
            }
        }
        Ok(status)
    }
}

/// The delay in an `Any` that holds a `RetryInfo`.
fn retry_info(any: &[u8]) -> Result<Option<Duration>, WireError> {
    let (mut ours, mut value) = (false, &[][..]);
    for field in Fields::new(any) {
        let field = field?;
        match field.number {
            1 => ours = nested(field.number, field.value)?.ends_with(b"/google.rpc.RetryInfo"),
            2 => value = nested(field.number, field.value)?,
            _ => {}
        }
    }
    if !ours {
        return Ok(None);
    }
    let mut delay = Duration::ZERO;
    for field in Fields::new(value) {
        let field = field?;
        if field.number == 1 {
            delay = duration(nested(field.number, field.value)?)?;
        }
    }
    Ok(Some(delay))
}

/// `google.protobuf.Duration`, negative taken as zero.
fn duration(bytes: &[u8]) -> Result<Duration, WireError> {
    let (mut seconds, mut nanos) = (0i64, 0i64);
    for field in Fields::new(bytes) {
        let field = field?;
        match field.number {
            1 => seconds = varint(field.number, field.value)? as i64,
            2 => nanos = varint(field.number, field.value)? as i64,
            _ => {}
        }
    }
    let whole = Duration::from_secs(u64::try_from(seconds).unwrap_or(0));
    let part = Duration::from_nanos(u64::try_from(nanos).unwrap_or(0).min(999_999_999));
    // Signs must agree; a negative part of either sign means no wait.
    Ok(if seconds < 0 || nanos < 0 { Duration::ZERO } else { whole.saturating_add(part) })
}

fn nested(number: u32, value: FieldValue<'_>) -> Result<&[u8], WireError> {
    match value {
        FieldValue::Bytes(bytes) => Ok(bytes),
        _ => Err(WireError::Mismatch(number)),
    }
}

fn varint(number: u32, value: FieldValue<'_>) -> Result<u64, WireError> {
    match value {
        FieldValue::Varint(value) => Ok(value),
        _ => Err(WireError::Mismatch(number)),
    }
}

/// Decodes standard base64, with or without padding: the form of binary gRPC metadata.
pub(crate) fn base64_decoded(text: &[u8]) -> Option<Vec<u8>> {
    BASE64.decode(text).ok()
}

const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

#[cfg(test)]
mod tests {
    use opentelemetry_proto::tonic::collector::trace::v1::{
        ExportTracePartialSuccess, ExportTraceServiceResponse,
    };
    use proptest::prelude::*;
    use prost::Message;

    use super::*;

    #[test]
    fn base64_is_rfc_4648() {
        let cases: [(&str, &[u8]); 8] = [
            ("", b""),
            ("Zg", b"f"),
            ("Zg==", b"f"),
            ("Zm8=", b"fo"),
            ("Zm9v", b"foo"),
            ("Zm9vYg", b"foob"),
            ("Zm9vYmE=", b"fooba"),
            ("+/+/", &[0xfb, 0xff, 0xbf]),
        ];
        for (text, bytes) in cases {
            assert_eq!(base64_decoded(text.as_bytes()).as_deref(), Some(bytes), "{text}");
        }
        for broken in ["Z", "Zm9vY", "Z===", "Zm9v!", "-_-_"] {
            assert_eq!(base64_decoded(broken.as_bytes()), None, "{broken}");
        }
    }

    proptest! {
        #[test]
        fn responses_decode_as_prost_encoded_them(
            rejected in any::<i64>(), message in ".{0,40}", set in any::<bool>(),
        ) {
            let partial = ExportTracePartialSuccess {
                rejected_spans: rejected,
                error_message: message.clone(),
            };
            let bytes = ExportTraceServiceResponse { partial_success: set.then_some(partial) }
                .encode_to_vec();
            let read = ExportResponse::read(&bytes).unwrap();
            let expected = ExportResponse {
                rejected: if set { rejected.max(0) as u64 } else { 0 },
                message: (set && !message.is_empty()).then_some(message),
            };
            prop_assert_eq!(read, expected);
        }

        #[test]
        fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = ExportResponse::read(&bytes);
            let _ = RpcStatus::read(&bytes);
        }
    }
}
