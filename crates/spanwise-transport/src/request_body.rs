//! The body of a request for a caller that drives its attempts.

use crate::payload::Payload;
use crate::request_machine::{RequestMachine, RequestSettings};
use crate::{Failure, FramedRequest, Transport};
use bytes::Bytes;
use std::fmt;
use std::time::Instant;

/// The body of a request as [`Transport::send`] sends it: transcoded and compressed by the settings of the
/// transport, once for all attempts.
///
/// A caller without a network calls [`attempt_ended`](Self::attempt_ended) after each attempt.
pub struct RequestBody {
    payload: Payload,
    transport: Transport,
}

impl RequestBody {
    /// The body of `request`. It is compressed unless that saves less than a quarter, or the receiver has
    /// refused the encoding of an earlier request.
    ///
    /// # Errors
    /// The failure with which the request ends: it cannot be sent at all.
    ///
    /// # Cost
    /// That of the compression; without one the body shares the bytes of the request.
    pub fn new(transport: &Transport, request: FramedRequest) -> Result<Self, Failure> {
        let protocol = transport.protocol();
        let payload = Payload::encode(request, protocol, transport.encoders());
        let payload = payload.map_err(|(failure, _)| failure)?;
        Ok(Self { payload, transport: transport.clone() })
    }

    /// A machine for the attempts of this body, the first of which is ready at `now`.
    pub fn machine(&self, settings: RequestSettings, now: Instant) -> RequestMachine {
        let machine = RequestMachine::new(settings, now);
        if self.is_compressed() { machine.with_compression() } else { machine }
    }

    /// The bytes that the next attempt sends, with the prefix of gRPC exactly with that protocol.
    pub fn bytes(&self) -> &Bytes {
        &self.payload.bytes
    }

    /// Whether the bytes are compressed.
    pub fn is_compressed(&self) -> bool {
        self.payload.is_compressed()
    }

    /// An attempt ended, as `machine` knows; `is_accepted`: the receiver accepted it.
    ///
    /// After a refused encoding, the bytes are those of the request itself. Once the receiver accepts them,
    /// the transport compresses no later request.
    ///
    /// # Errors
    /// The memory of the request itself cannot be allocated: the request has failed.
    pub fn attempt_ended(
        &mut self,
        machine: &RequestMachine,
        is_accepted: bool,
    ) -> Result<(), Failure> {
        let Self { payload, transport } = self;
        let followed =
            payload.follow(machine, is_accepted, transport.protocol(), transport.encoders());
        followed.ok_or(Failure::Unsendable)
    }
}

impl fmt::Debug for RequestBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequestBody")
            .field("bytes", &self.bytes().len())
            .field("is_compressed", &self.is_compressed())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sans_io::{Admission, AttemptEnd, BodyEnd, RequestStep, Response};
    use crate::{Compression, Protocol, RetryPolicy};
    use std::time::{Duration, SystemTime};

    fn response(status: u16) -> AttemptEnd {
        let body = BodyEnd::Complete(Vec::new());
        AttemptEnd::Response(Response { status, headers: Vec::new(), body, trailers: Vec::new() })
    }

    #[test]
    fn a_refused_encoding_is_remembered_once_the_receiver_accepts_the_request_itself() {
        let transport = Transport::builder().with_compression(Compression::Gzip).build().unwrap();
        let message = [10; 2_000];
        let settings = RequestSettings {
            attempt_timeout: Duration::from_secs(1),
            request_timeout: Duration::from_secs(2),
            retry: RetryPolicy::default(),
        };
        let (now, admission) = (Instant::now(), Admission::new(Duration::ZERO, None));
        // A rejection of the request itself is no refusal of its encoding.
        for (last, is_remembered) in [(400, false), (200, true)] {
            let request = FramedRequest::from(message.to_vec());
            let mut body = RequestBody::new(&transport, request).unwrap();
            let mut machine = body.machine(settings, now);
            assert!(body.is_compressed() && body.bytes().len() < 500);
            for (status, is_compressed) in [(415, true), (last, false)] {
                assert_eq!(machine.is_compressed(), is_compressed);
                let step = machine.poll(now, &admission);
                assert!(matches!(step, RequestStep::Attempt { .. }), "{step:?}");
                let end = response(status).classify(Protocol::HttpProtobuf, SystemTime::now());
                let delivery = machine.attempt_ended(now, end, &admission, || 0);
                let is_accepted = delivery.is_some_and(|delivery| delivery.is_accepted());
                body.attempt_ended(&machine, is_accepted).unwrap();
                assert_eq!(body.bytes()[..], message);
            }
            let next = RequestBody::new(&transport, message.to_vec().into()).unwrap();
            assert_eq!(next.is_compressed(), !is_remembered);
        }
    }
}
