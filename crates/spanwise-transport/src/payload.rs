//! The bytes that every attempt of one request sends.

use bytes::Bytes;
use http::HeaderValue;

use crate::encoder::Encoders;
use crate::framing::{self, PREFIX};
use crate::{Compression, Failure, FramedRequest, Protocol, json_body};

/// The encoded request body that every attempt sends.
#[derive(Debug, Clone)]
pub(crate) struct Payload {
    /// The bytes, with the gRPC prefix exactly when the protocol is gRPC.
    pub(crate) bytes: Bytes,
    /// The encoding of the bytes.
    compression: Compression,
    original: Original,
}

/// The uncompressed body of a compressed payload.
#[derive(Debug, Clone)]
enum Original {
    /// The payload is not compressed.
    Sent,
    /// Prefix and message of the request, in the memory of the caller.
    Retained(Bytes),
    /// Freed; the payload decompresses to this many bytes.
    Packed(usize),
}

impl Payload {
    /// Compresses and frames `request`, once for all attempts. That of OTLP/JSON is transcoded.
    pub(crate) fn new(
        request: FramedRequest,
        protocol: Protocol,
        encoders: &Encoders,
    ) -> Result<Self, Failure> {
        // Field numbers start at 1. A first byte of 0 or 1 usually belongs to a gRPC prefix: a
        // receiver that skips it would respond that it accepted no span, or all.
        if request.message().first().is_some_and(|tag| *tag < FIRST_TAG) {
            return Err(Failure::Unsendable);
        }
        let Some(packed) = encoders.pack(request.message()) else {
            return Self::uncompressed(request.into_bytes(), protocol);
        };
        let bytes = framed(packed.body, protocol, true).ok_or(Failure::TooLarge)?;
        let original = match packed.is_restorable {
            // The copy replaces the original: attempts hold the request in memory once.
            true => Original::Packed(request.message().len()),
            false => Original::Retained(request.into_bytes()),
        };
        Ok(Self { bytes, compression: encoders.compression(), original })
    }

    /// The payload of a request that is not compressed: prefix and message.
    fn uncompressed(framed: Bytes, protocol: Protocol) -> Result<Self, Failure> {
        let bytes = match protocol {
            Protocol::HttpProtobuf | Protocol::HttpJson => framed.slice(PREFIX.min(framed.len())..),
            Protocol::Grpc => {
                let prefix = framing::prefix(framed.len(), false).ok_or(Failure::TooLarge)?;
                match framed.starts_with(&prefix) {
                    true => framed,
                    // The caller wrote into the shared memory.
                    false => [&prefix, framed.get(PREFIX..).unwrap_or_default()].concat().into(),
                }
            }
        };
        Ok(Self { bytes, compression: Compression::None, original: Original::Sent })
    }

    /// The same request uncompressed, for a receiver that refuses the encoding. `None` if the payload is
    /// not compressed, or its memory cannot be allocated.
    pub(crate) fn without_compression(
        &self,
        protocol: Protocol,
        encoders: &Encoders,
    ) -> Option<Self> {
        match &self.original {
            Original::Sent => None,
            Original::Retained(framed) => Self::uncompressed(framed.clone(), protocol).ok(),
            Original::Packed(len) => {
                let packed = match protocol {
                    Protocol::HttpProtobuf | Protocol::HttpJson => &*self.bytes,
                    Protocol::Grpc => self.bytes.get(PREFIX..)?,
                };
                let bytes = framed(encoders.unpack(packed, *len)?, protocol, false)?;
                Some(Self { bytes, compression: Compression::None, original: Original::Sent })
            }
        }
    }

    /// Whether the bytes are compressed.
    pub(crate) fn is_compressed(&self) -> bool {
        self.compression != Compression::None
    }

    /// The value of `Content-Encoding` or `grpc-encoding`; `None` without compression.
    pub(crate) fn encoding(&self) -> Option<HeaderValue> {
        self.is_compressed().then(|| HeaderValue::from_static(self.compression.name()))
    }

    /// Bytes of the message without its prefix.
    pub(crate) fn body_len(&self, protocol: Protocol) -> usize {
        match protocol {
            Protocol::HttpProtobuf | Protocol::HttpJson => self.bytes.len(),
            Protocol::Grpc => self.bytes.len().saturating_sub(PREFIX),
        }
    }
}

/// Maximum memory of the copies of a message of `message_len` bytes: its JSON, and a compressed body.
pub(crate) fn copies_bound(message_len: usize, protocol: Protocol, encoders: &Encoders) -> usize {
    let (json, len) = match protocol {
        Protocol::HttpJson => (json_body::bound(message_len), json_body::max_len(message_len)),
        Protocol::HttpProtobuf | Protocol::Grpc => (0, message_len),
    };
    json.saturating_add(encoders.bound(len))
}

/// Adds the gRPC prefix to `body`, which has capacity for it, exactly when the protocol is gRPC. `None`
/// when the body is larger than gRPC can frame.
fn framed(mut body: Vec<u8>, protocol: Protocol, is_compressed: bool) -> Option<Bytes> {
    if protocol == Protocol::Grpc {
        let prefix = framing::prefix(body.len().checked_add(PREFIX)?, is_compressed)?;
        // A move of the compressed bytes costs less than zeros in a buffer for all of the original.
        body.splice(..0, prefix);
    }
    Some(body.into())
}

/// The lowest tag of a protobuf field: number 1, a varint.
const FIRST_TAG: u8 = 1 << 3;

#[cfg(test)]
mod tests {
    use flate2::read::GzDecoder;
    use std::io::Read as _;

    use super::*;
    use crate::compression::CompressionSettings;

    const PROTOCOLS: [Protocol; 2] = [Protocol::HttpProtobuf, Protocol::Grpc];

    fn encoders(compression: Compression) -> Encoders {
        Encoders::new(CompressionSettings { compression, ..CompressionSettings::default() })
    }

    fn request(len: usize) -> FramedRequest {
        FramedRequest::from_message(&vec![b'a'; len])
    }

    #[test]
    fn a_payload_shares_the_bytes_of_its_request() {
        let (none, framed) = (encoders(Compression::None), request(3000));
        let http = Payload::new(framed.clone(), Protocol::HttpProtobuf, &none).unwrap();
        assert_eq!(http.bytes.as_ptr(), framed.message().as_ptr());
        assert_eq!((http.bytes.len(), http.encoding()), (3000, None));
        let grpc = Payload::new(framed.clone(), Protocol::Grpc, &none).unwrap();
        assert_eq!(grpc.bytes[PREFIX..].as_ptr(), framed.message().as_ptr());
        assert_eq!(grpc.bytes[..PREFIX], [0, 0, 0, 0x0b, 0xb8]);
        assert_eq!(grpc.body_len(Protocol::Grpc), 3000);
        assert!(grpc.without_compression(Protocol::Grpc, &none).is_none());
    }

    #[test]
    fn gzip_is_framed_for_grpc_and_bare_for_http() {
        let (gzip, framed) = (encoders(Compression::Gzip), request(3000));
        for protocol in PROTOCOLS {
            let payload = Payload::new(framed.clone(), protocol, &gzip).unwrap();
            assert_eq!(payload.encoding().unwrap(), "gzip");
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

    #[test]
    fn a_compressed_payload_restores_the_request_whatever_became_of_the_original() {
        // Saves a third, so that the original is retained.
        let mut random = spanwise_testkit::SplitMix64::new(7);
        let noise = (0..60_000).map(|_| random.next_u64() as u8);
        let third = std::iter::repeat_n(b'\n', 30_000).chain(noise).collect();
        for (message, is_retained) in [(vec![b'a'; 90_000], false), (third, true)] {
            let request = FramedRequest::from_message(&message);
            for protocol in PROTOCOLS {
                let mut compressions = vec![Compression::Gzip];
                compressions.extend(cfg!(feature = "zstd").then_some(Compression::Zstd));
                for encoders in compressions.into_iter().map(encoders) {
                    let packed = Payload::new(request.clone(), protocol, &encoders).unwrap();
                    let retained = matches!(packed.original, Original::Retained(_));
                    assert_eq!((retained, packed.is_compressed()), (is_retained, true));
                    let restored = packed.without_compression(protocol, &encoders).unwrap();
                    let none = self::encoders(Compression::None);
                    let plain = Payload::new(request.clone(), protocol, &none).unwrap();
                    assert_eq!(restored.bytes, plain.bytes);
                    assert_eq!(restored.encoding(), None);
                }
            }
        }
    }
}
