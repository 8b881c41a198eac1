//! An export request with space for the gRPC prefix.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use spanwise_wire::Request;

use crate::fence::Fenced;
use crate::framing::{self, PREFIX};
use crate::json_memory::{self, JsonMemory};
use crate::shared_bodies::SharedBodies;

/// One encoded `ExportTraceServiceRequest`, ready to be [sent](crate::Transport::send). Clones
/// share its memory.
///
/// Built from
/// - a [`Request`] of `spanwise-wire`: in place when its limits left
///   [`PREFIX`](crate::PREFIX) bytes free in front, copied once otherwise;
/// - a plain message (`Vec<u8>`, [`Bytes`], [`from_message`](Self::from_message)): copied once;
/// - a `Request` in memory of the caller's, without a copy: [`in_memory`](Self::in_memory).
#[derive(Clone)]
pub struct FramedRequest {
    /// The gRPC prefix of the message (zeros when its length exceeds the prefix's `u32`), then the
    /// message. At least [`PREFIX`] bytes.
    bytes: Bytes,
    /// The bodies that transports made of the bytes; `None`: each makes its own.
    bodies: Option<Arc<SharedBodies>>,
    json_memory: Option<JsonMemory>,
}

impl FramedRequest {
    /// Copies `message`, an encoded `ExportTraceServiceRequest` without any prefix.
    pub fn from_message(message: &[u8]) -> Self {
        let mut bytes = Vec::with_capacity(PREFIX + message.len());
        bytes.extend_from_slice(&[0; PREFIX]);
        bytes.extend_from_slice(message);
        Self::from_prefixed(bytes)
    }

    /// Wraps `request` in memory that the caller owns: a pool's, or charged to a budget.
    ///
    /// `share` receives the memory that `request` was framed in and returns it as [`Bytes`], for
    /// example by [`Bytes::from_owner`]. Dropping them, after the last attempt or when a compressed
    /// copy is complete, returns the memory.
    ///
    /// # Errors
    /// When `request` was framed without [`PREFIX`](crate::PREFIX) bytes in front, so that it
    /// cannot be sent in place (`share` is not called), or when `share` returns other
    /// memory than it received.
    pub fn in_memory(
        request: Request,
        share: impl FnOnce(Vec<u8>) -> Bytes,
    ) -> Result<Self, InMemoryError> {
        if request.prefix_len() != PREFIX {
            return Err(InMemoryError::Prefix { len: request.prefix_len() });
        }
        Self::in_prefixed_memory(request.into_bytes(), share)
    }

    /// As [`in_memory`](Self::in_memory), for a message that was encoded before, as one that was stored on disk: `whole` has
    /// [`PREFIX`](crate::PREFIX) bytes, which are overwritten, and then the message.
    ///
    /// # Errors
    /// When `whole` is shorter than the prefix (`share` is not called), or when `share` returns other memory than it received.
    pub fn in_prefixed_memory(
        mut whole: Vec<u8>,
        share: impl FnOnce(Vec<u8>) -> Bytes,
    ) -> Result<Self, InMemoryError> {
        if whole.len() < PREFIX {
            return Err(InMemoryError::Prefix { len: whole.len() });
        }
        framing::write_prefix(&mut whole);
        let (memory, len) = (whole.as_ptr(), whole.len());
        let bytes = share(whole);
        if bytes.as_ptr() == memory && bytes.len() == len {
            // The owner's drop is the caller's code, and runs where the last attempt ends.
            Ok(Self::new(Bytes::from_owner(Owner(Fenced::new(bytes)))))
        } else {
            Err(InMemoryError::Moved)
        }
    }

    /// Lets the transports that send the clones of this request share the bodies that they make: it is compressed
    /// once, and transcoded to OTLP/JSON once, for all that
    /// [send the same bodies](crate::Transport::sends_same_bodies).
    ///
    /// Those bodies, and the request itself, are freed with the last clone: a slow transport retains them for
    /// itself alone. Their memory is the [bound](crate::Transport::compressed_bound) of one transport of each
    /// kind.
    #[must_use]
    pub fn with_shared_bodies(mut self) -> Self {
        self.bodies.get_or_insert_default();
        self
    }

    /// Provides `memory` for the JSON that a transport with [`Protocol::HttpJson`](crate::Protocol::HttpJson)
    /// makes of this request or of a clone: a pool's, or charged to a budget. Default: fresh memory.
    ///
    /// `share` receives the memory with the JSON and returns it as [`Bytes`], as that of
    /// [`in_memory`](Self::in_memory) does; the request fails if it returns other memory or panics. The
    /// JSON is written once: a second one, without [shared bodies](Self::with_shared_bodies), gets fresh memory. So
    /// does any if `memory` has a capacity below [`json_capacity`](Self::json_capacity). Memory that is not used is dropped.
    #[must_use]
    pub fn with_json_memory(
        mut self,
        memory: Vec<u8>,
        share: impl FnOnce(Vec<u8>) -> Bytes + Send + 'static,
    ) -> Self {
        self.json_memory = Some(JsonMemory::new(memory, share));
        self
    }

    /// The capacity in bytes that the JSON of a message of `len` bytes needs while it is written: six times as
    /// much, and a constant. The JSON of usual spans fills less than half of it.
    pub fn json_capacity(len: usize) -> usize {
        json_memory::bound(len)
    }

    /// A message behind [`PREFIX`] bytes, which are overwritten.
    pub(crate) fn from_prefixed(mut bytes: Vec<u8>) -> Self {
        framing::write_prefix(&mut bytes);
        Self::new(bytes.into())
    }

    /// As [`from_prefixed`](Self::from_prefixed), in memory of the caller's, which `share` returns.
    pub(crate) fn from_shared(
        mut bytes: Vec<u8>,
        share: impl FnOnce(Vec<u8>) -> Option<Bytes>,
    ) -> Option<Self> {
        framing::write_prefix(&mut bytes);
        Some(Self::new(Bytes::from_owner(Owner(Fenced::new(share(bytes)?)))))
    }

    fn new(bytes: Bytes) -> Self {
        Self { bytes, bodies: None, json_memory: None }
    }

    /// The memory for the JSON, if there is some that no other JSON has.
    pub(crate) fn json_memory(&self) -> Option<&JsonMemory> {
        self.json_memory.as_ref()
    }

    /// The bodies that transports made of the request, if they share them.
    pub(crate) fn bodies(&self) -> Option<&SharedBodies> {
        self.bodies.as_deref()
    }

    /// The encoded `ExportTraceServiceRequest`.
    pub fn message(&self) -> &[u8] {
        self.bytes.get(PREFIX..).unwrap_or_default()
    }

    /// Prefix and message.
    pub(crate) fn into_bytes(self) -> Bytes {
        self.bytes
    }
}

/// Bytes whose owner is the caller's type.
struct Owner(Fenced<Bytes>);

impl AsRef<[u8]> for Owner {
    fn as_ref(&self) -> &[u8] {
        self.0.get().map_or(&[], |bytes| bytes)
    }
}

impl From<Request> for FramedRequest {
    fn from(request: Request) -> Self {
        if request.prefix_len() != PREFIX {
            return Self::from_message(request.message());
        }
        Self::from_prefixed(request.into_bytes())
    }
}

/// A plain message, without any prefix.
impl From<Vec<u8>> for FramedRequest {
    fn from(message: Vec<u8>) -> Self {
        Self::from_message(&message)
    }
}

/// A plain message, without any prefix.
impl From<Bytes> for FramedRequest {
    fn from(message: Bytes) -> Self {
        let message = Owner(Fenced::new(message));
        Self::from_message(message.as_ref())
    }
}

/// Prints the length of the message, and none of its bytes.
impl fmt::Debug for FramedRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FramedRequest")
            .field("message_bytes", &self.message().len())
            .field("has_shared_bodies", &self.bodies.is_some())
            .finish_non_exhaustive()
    }
}

/// The reason why [`FramedRequest::in_memory`] rejected a request.
#[derive(Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum InMemoryError {
    /// The request has no prefix of [`PREFIX`](crate::PREFIX) bytes.
    Prefix {
        /// The length of its prefix, in bytes.
        len: usize,
    },
    /// `share` returned other memory than it received.
    Moved,
}

impl fmt::Display for InMemoryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Prefix { len } => write!(
                f,
                "the request was framed with a prefix of {len} bytes; accepted is {PREFIX} \
                 (RequestLimits::with_prefix(spanwise_transport::PREFIX))"
            ),
            Self::Moved => {
                f.write_str("the bytes to share are other memory than the request was framed in")
            }
        }
    }
}

impl std::error::Error for InMemoryError {}

debug_as_display!(InMemoryError);
