//! The bodies that a transport makes, and their memory.

use crate::backend::Backend;
use crate::{Compression, Protocol, Transport, payload};

impl Transport {
    /// The compression of request bodies.
    pub fn compression(&self) -> Compression {
        self.shared.encoders.compression()
    }

    /// Maximum memory, in bytes, of the copies of a message of `message_len` bytes at any time until
    /// its request ends, including one [encoder](Self::encoder_bytes). 0 when there is no copy.
    ///
    /// A caller with a memory budget charges it before the request is sent. The compressed copy is
    /// allocated once, three quarters as large as the message. The bound covers the original that is
    /// restored for a receiver that refuses the encoding.
    /// With [`Protocol::HttpJson`] the bound includes the JSON, six times as large as the message at
    /// most, and the compressed copy is one of the JSON. A [`Sink`](crate::Sink) states its own bound.
    /// The bound excludes the request itself: see [`send`](Self::send).
    pub fn compressed_bound(&self, message_len: usize) -> usize {
        if let Backend::Sink(sink) = &self.shared.backend {
            return sink.copy_bound(message_len);
        }
        payload::copies_bound(message_len, self.shared.protocol, &self.shared.encoders)
    }

    /// Whether this transport and `other` send the same bytes for a request: both or neither of them OTLP/JSON,
    /// with equal compression, level and threshold; never for a [`Sink`](crate::Sink). The protocols `grpc` and
    /// `http/protobuf` have the same bodies.
    ///
    /// They make the body once of a request [with shared
    /// bodies](crate::FramedRequest::with_shared_bodies). A caller with a memory budget charges the
    /// [bound](Self::compressed_bound) for one of them. A receiver that refuses the encoding gets the uncompressed
    /// body, which is shared too.
    pub fn sends_same_bodies(&self, other: &Self) -> bool {
        let encoding = |it: &Self| match it.shared.backend {
            Backend::Sink(_) => None,
            _ => Some(it.shared.encoders.encoding(it.shared.protocol == Protocol::HttpJson)),
        };
        encoding(self).is_some_and(|own| encoding(other) == Some(own))
    }

    /// Maximum memory of one encoder in bytes; 0 without compression. gzip takes 384 KiB, zstd at level 1
    /// 576 KiB, at most 1 MiB at others.
    ///
    /// The transport retains four idle encoders at most, and none once the receiver refuses the encoding.
    pub fn encoder_bytes(&self) -> usize {
        self.shared.encoders.encoder_bytes()
    }

    /// Frees the idle encoders: for a transport that few more requests are sent through.
    pub fn free_idle_encoders(&self) {
        self.shared.encoders.clear();
    }

    #[doc(hidden)] // Identifies the transport and its clones while one of them exists.
    pub fn __id(&self) -> usize {
        std::sync::Arc::as_ptr(&self.shared).addr()
    }

    #[doc(hidden)] // For the benches of this repository.
    pub fn __compressed(&self, message: &[u8]) -> Option<Vec<u8>> {
        self.shared.encoders.pack(message).map(|packed| packed.body)
    }
}
