//! The `grpc-status` of a response, among its headers or trailers.

use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue};

/// The `grpc-status` code among `headers`, if it is there and a number.
pub(crate) fn grpc_code(headers: &HeaderMap) -> Option<u32> {
    parse_code(headers.get(GRPC_STATUS)?)
}

pub(super) fn parse_code(code: &HeaderValue) -> Option<u32> {
    code.to_str().ok()?.parse().ok()
}

/// Whether the content type is that of gRPC.
pub(super) fn speaks_grpc(headers: &HeaderMap) -> bool {
    headers.get(CONTENT_TYPE).is_some_and(|media| media.as_bytes().starts_with(b"application/grpc"))
}

pub(super) const GRPC_STATUS: &str = "grpc-status";
