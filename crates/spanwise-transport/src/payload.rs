//! The bytes that every attempt of one request sends.

use bytes::Bytes;

use crate::framing::{self, PREFIX};
use crate::{Compression, Failure, FramedRequest, Protocol, compression};

/// The encoded request body that every attempt sends.
#[derive(Debug, Clone)]
pub(crate) struct Payload {
    /// The bytes, with the gRPC prefix exactly when the protocol is gRPC.
    pub(crate) bytes: Bytes,
    pub(crate) gzip: bool,
}

impl Payload {
    /// Compresses and frames `request`, once for all attempts. That of OTLP/JSON is transcoded.
    pub(crate) fn new(
        request: FramedRequest,
        protocol: Protocol,
        compression: Compression,
    ) -> Result<Self, Failure> {
        // Field numbers start at 1. A first byte of 0 or 1 usually belongs to a gRPC prefix: a
        // receiver that skips it would respond that it accepted no span, or all.
        if request.message().first().is_some_and(|tag| *tag < FIRST_TAG) {
            return Err(Failure::Unsendable);
        }
        let framed = request.into_bytes();
        let packed = match compression {
            Compression::None => None,
            Compression::Gzip => compression::deflate(&framed),
        };
        let gzip = packed.is_some();
        let len = packed.as_ref().map_or(framed.len(), Vec::len);
        let prefix = match protocol {
            Protocol::HttpProtobuf | Protocol::HttpJson => None,
            Protocol::Grpc => Some(framing::prefix(len, gzip).ok_or(Failure::TooLarge)?),
        };
        let bytes = match (packed, prefix) {
            (Some(mut packed), prefix) => {
                // The copy replaces the original: attempts hold the request in memory once.
                drop(framed);
                if let Some((head, prefix)) = packed.first_chunk_mut().zip(prefix) {
                    *head = prefix;
                }
                packed.into()
            }
            // The caller wrote into the shared memory.
            (None, Some(prefix)) if !framed.starts_with(&prefix) => {
                [&prefix, framed.get(PREFIX..).unwrap_or_default()].concat().into()
            }
            (None, _) => framed,
        };
        let bytes = match protocol {
            Protocol::HttpProtobuf | Protocol::HttpJson => bytes.slice(PREFIX.min(bytes.len())..),
            Protocol::Grpc => bytes,
        };
        Ok(Self { bytes, gzip })
    }

    /// Bytes of the message without its prefix.
    pub(crate) fn body_len(&self, protocol: Protocol) -> usize {
        match protocol {
            Protocol::HttpProtobuf | Protocol::HttpJson => self.bytes.len(),
            Protocol::Grpc => self.bytes.len().saturating_sub(PREFIX),
        }
    }
}

/// The lowest tag of a protobuf field: number 1, a varint.
const FIRST_TAG: u8 = 1 << 3;

#[cfg(test)]
mod tests {
    use flate2::read::GzDecoder;
    use std::io::Read as _;

    use super::*;

    fn framed(len: usize) -> FramedRequest {
        FramedRequest::from_message(&vec![b'a'; len])
    }

    #[test]
    fn a_payload_shares_the_bytes_of_its_request() {
        let framed = framed(3000);
        let http = Payload::new(framed.clone(), Protocol::HttpProtobuf, Compression::None).unwrap();
        assert_eq!(http.bytes.as_ptr(), framed.message().as_ptr());
        assert_eq!((http.bytes.len(), http.gzip), (3000, false));
        let grpc = Payload::new(framed.clone(), Protocol::Grpc, Compression::None).unwrap();
        assert_eq!(grpc.bytes[PREFIX..].as_ptr(), framed.message().as_ptr());
        assert_eq!(grpc.bytes[..PREFIX], [0, 0, 0, 0x0b, 0xb8]);
        assert_eq!(grpc.body_len(Protocol::Grpc), 3000);
    }

    #[test]
    fn gzip_is_framed_for_grpc_and_bare_for_http() {
        let framed = framed(3000);
        for protocol in [Protocol::HttpProtobuf, Protocol::Grpc] {
            let payload = Payload::new(framed.clone(), protocol, Compression::Gzip).unwrap();
            assert!(payload.gzip);
            let packed = match protocol {
                Protocol::HttpProtobuf | Protocol::HttpJson => payload.bytes.clone(),
                Protocol::Grpc => {
                    let prefix = framing::prefix(payload.bytes.len(), true).unwrap();
                    assert_eq!(payload.bytes[..PREFIX], prefix);
                    payload.bytes.slice(PREFIX..)
                }
            };
            assert_eq!(packed.len(), payload.body_len(protocol));
            let mut plain = Vec::new();
            GzDecoder::new(&packed[..]).read_to_end(&mut plain).unwrap();
            assert_eq!(plain, framed.message());
        }
    }
}
