//! The bytes that every attempt of one request sends.

use bytes::Bytes;
use http::HeaderValue;
#[cfg(feature = "planted-bugs")]
use spanwise_ledger::planted::{Bug, planted};

use crate::encoder::Encoders;
use crate::framing::{self, PREFIX};
use crate::request_machine::RequestMachine;
use crate::shared_bodies::{BodyEncoding, SharedBodies};
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
    /// Retained by the transports that share it: the request, which is protobuf.
    Shared(FramedRequest),
}

/// A request that has no payload, and the cause in words; empty if the failure is the whole cause.
pub(crate) type NoPayload = (Failure, String);

impl Payload {
    /// The payload of `request`, which is protobuf: transcoded if the protocol is OTLP/JSON, compressed and
    /// framed, once for all attempts, and once for all transports that share it.
    ///
    /// # Errors
    /// The failure of the request.
    pub(crate) fn encode(
        request: FramedRequest,
        protocol: Protocol,
        encoders: &Encoders,
    ) -> Result<Self, NoPayload> {
        let is_json = protocol == Protocol::HttpJson;
        if let Some(bodies) = request.bodies()
            && (is_json || !encoders.are_off())
        {
            return Self::shared(&request, bodies, protocol, encoders);
        }
        let request = if is_json { json_body::transcode(request)? } else { request };
        Self::new(request, protocol, encoders).map_err(|failure| (failure, String::new()))
    }

    /// The payload of a request whose bodies several transports share.
    fn shared(
        request: &FramedRequest,
        bodies: &SharedBodies,
        protocol: Protocol,
        encoders: &Encoders,
    ) -> Result<Self, NoPayload> {
        let is_json = protocol == Protocol::HttpJson;
        let pack = || {
            let packed = match is_json {
                true => encoders.pack(json_body::transcode(request.clone())?.message()),
                false => {
                    checked(request.message()).map_err(|failure| (failure, String::new()))?;
                    encoders.pack(request.message())
                }
            };
            // With the prefix of gRPC, which HTTP leaves out.
            let framed = |body| framed(body, Protocol::Grpc, true);
            Ok::<_, NoPayload>(packed.and_then(|packed| framed(packed.body)))
        };
        let packed = match encoders.are_off() {
            true => None,
            false => bodies.get_or_make(encoders.encoding(is_json), pack)?,
        };
        match packed {
            Some(framed) => {
                let from = if protocol == Protocol::Grpc { 0 } else { PREFIX };
                let bytes = framed.slice(from.min(framed.len())..);
                let original = Original::Shared(request.clone());
                Ok(Self { bytes, compression: encoders.compression(), original })
            }
            None => Self::shared_uncompressed(request, bodies, protocol),
        }
    }

    fn shared_uncompressed(
        request: &FramedRequest,
        bodies: &SharedBodies,
        protocol: Protocol,
    ) -> Result<Self, NoPayload> {
        let transcode = || Ok(Some(json_body::transcode(request.clone())?.into_bytes()));
        let framed = match protocol {
            Protocol::HttpJson => bodies.get_or_make(BodyEncoding::JSON, transcode)?,
            Protocol::HttpProtobuf | Protocol::Grpc => {
                checked(request.message()).map_err(|failure| (failure, String::new()))?;
                None
            }
        };
        let framed = framed.unwrap_or_else(|| request.clone().into_bytes());
        Self::uncompressed(framed, protocol).map_err(|failure| (failure, String::new()))
    }

    /// Compresses and frames `request`, once for all attempts. That of OTLP/JSON is transcoded.
    pub(crate) fn new(
        request: FramedRequest,
        protocol: Protocol,
        encoders: &Encoders,
    ) -> Result<Self, Failure> {
        checked(request.message())?;
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

    /// Follows `machine` after an attempt: once the receiver refuses the encoding, later attempts send the
    /// original. When it accepts that, no later request is compressed. `None`: the original has to be restored,
    /// and its memory cannot be allocated.
    pub(crate) fn follow(
        &mut self,
        machine: &RequestMachine,
        is_accepted: bool,
        protocol: Protocol,
        encoders: &Encoders,
    ) -> Option<()> {
        if is_accepted && machine.fell_back() {
            encoders.refuse();
        }
        #[cfg(feature = "planted-bugs")]
        if planted(Bug::FallbackStaysCompressed) {
            return Some(());
        }
        if self.is_compressed() && !machine.is_compressed() {
            *self = self.without_compression(protocol, encoders)?;
        }
        Some(())
    }

    /// The same request uncompressed, for a receiver that refuses the encoding. `None` if the payload is
    /// not compressed, or its memory cannot be allocated.
    fn without_compression(&self, protocol: Protocol, encoders: &Encoders) -> Option<Self> {
        match &self.original {
            Original::Sent => None,
            Original::Retained(framed) => Self::uncompressed(framed.clone(), protocol).ok(),
            Original::Shared(request) => {
                Self::shared_uncompressed(request, request.bodies()?, protocol).ok()
            }
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

/// Checks the first byte of a message. Field numbers start at 1. A first byte of 0 or 1 usually belongs to a
/// gRPC prefix: a receiver that skips it would respond that it accepted no span, or all.
fn checked(message: &[u8]) -> Result<(), Failure> {
    match message.first() {
        Some(tag) if *tag < FIRST_TAG => Err(Failure::Unsendable),
        _ => Ok(()),
    }
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

    /// Spans as protobuf, of `bytes` bytes or more.
    fn spans(bytes: usize) -> FramedRequest {
        use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span};
        use prost::Message as _;
        let span = Span { name: "a name of a span".into(), kind: 1, ..Span::default() };
        let spans = vec![span; bytes.div_ceil(20)];
        let scope_spans = vec![ScopeSpans { spans, ..ScopeSpans::default() }];
        let resource_spans = vec![ResourceSpans { scope_spans, ..ResourceSpans::default() }];
        use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
        ExportTraceServiceRequest { resource_spans }.encode_to_vec().into()
    }

    fn encode(request: &FramedRequest, protocol: Protocol, encoders: &Encoders) -> Payload {
        Payload::encode(request.clone(), protocol, encoders).unwrap()
    }

    const ALL: [Protocol; 3] = [Protocol::HttpProtobuf, Protocol::HttpJson, Protocol::Grpc];

    /// Whether two payloads have the same memory, whatever their prefixes.
    fn is_same(one: &Payload, other: &Payload) -> bool {
        one.bytes.as_ptr_range().end == other.bytes.as_ptr_range().end
    }

    #[test]
    fn clones_share_the_bodies_of_equal_settings_and_no_others() {
        let settings = |compression, level, threshold| {
            let level = Some(level);
            Encoders::new(CompressionSettings { compression, level, threshold })
        };
        // Each twice, as two transports have them.
        let kinds = [
            (Compression::None, 1, 1024),
            (Compression::Gzip, 1, 1024),
            (Compression::Gzip, 6, 1024),
            (Compression::Gzip, 1, 50),
        ];
        let of_kinds =
            || kinds.map(|(compression, level, threshold)| settings(compression, level, threshold));
        let (one, other) = (of_kinds(), of_kinds());
        let request = spans(5_000).with_shared_bodies();
        let mut payloads = Vec::new();
        for encoders in [&one, &other] {
            for (kind, encoders) in encoders.iter().enumerate() {
                let of = |protocol| (kind, protocol, encode(&request, protocol, encoders));
                payloads.extend(ALL.map(of));
            }
        }
        for (kind, protocol, payload) in &payloads {
            let alone = encode(&spans(5_000), *protocol, &one[*kind]);
            assert_eq!(payload.bytes, alone.bytes, "{protocol} {kind}");
            assert_eq!(payload.encoding(), alone.encoding());
            for (other_kind, other_protocol, other) in &payloads {
                let is_json = |protocol: &Protocol| *protocol == Protocol::HttpJson;
                let is_equal = kind == other_kind && is_json(protocol) == is_json(other_protocol);
                assert_eq!(is_same(payload, other), is_equal, "{protocol} {kind} {other_kind}");
            }
        }
    }

    #[test]
    fn a_body_that_is_not_compressed_is_shared_as_it_is() {
        let mut random = spanwise_testkit::SplitMix64::new(7);
        let noise = (0..60_000).map(|_| random.next_u64() as u8);
        let noise: Vec<_> = std::iter::once(b'\n').chain(noise).collect();
        for request in [FramedRequest::from_message(&noise), request(1_000)] {
            let request = request.with_shared_bodies();
            for protocol in PROTOCOLS {
                let payload = encode(&request, protocol, &encoders(Compression::Gzip));
                assert_eq!(payload.encoding(), None);
                assert_eq!(payload.body_len(protocol), request.message().len());
                assert!(payload.bytes.as_ptr_range().end == request.message().as_ptr_range().end);
            }
        }
    }

    #[test]
    fn receivers_that_refuse_the_encoding_share_the_uncompressed_body() {
        let request = spans(5_000).with_shared_bodies();
        for protocol in ALL {
            let [one, other, later] = [(); 3].map(|()| encoders(Compression::Gzip));
            let packed = [&one, &other].map(|encoders| encode(&request, protocol, encoders));
            assert!(is_same(&packed[0], &packed[1]));
            let restored = |payload: &Payload| payload.without_compression(protocol, &one).unwrap();
            let [first, second] = [restored(&packed[0]), restored(&packed[1])];
            assert!(is_same(&first, &second) && first.encoding().is_none(), "{protocol}");
            let plain = encode(&spans(5_000), protocol, &encoders(Compression::None));
            assert_eq!(first.bytes, plain.bytes);
            // One that was refused before.
            later.refuse();
            assert!(is_same(&encode(&request, protocol, &later), &first));
        }
    }

    #[test]
    fn shared_bodies_are_freed_with_the_last_clone() {
        let request = spans(5_000).with_shared_bodies();
        let gzip = encoders(Compression::Gzip);
        let payload = encode(&request, Protocol::HttpProtobuf, &gzip);
        let bytes = payload.bytes.clone();
        drop(request);
        assert!(!bytes.is_unique());
        drop(payload);
        assert!(bytes.is_unique());
    }

    #[test]
    fn a_request_that_is_no_message_has_no_shared_body() {
        let request = FramedRequest::from_message(&[0; 5_000]).with_shared_bodies();
        for protocol in ALL {
            for compression in [Compression::None, Compression::Gzip] {
                for _ in 0..2 {
                    let encoded =
                        Payload::encode(request.clone(), protocol, &encoders(compression));
                    assert_eq!(encoded.unwrap_err().0, Failure::Unsendable);
                }
            }
        }
    }
}
