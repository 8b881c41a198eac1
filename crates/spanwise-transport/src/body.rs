//! Request bodies of one chunk, and bounded reads of response bodies.

use std::convert::Infallible;
use std::fmt::Display;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};

use bytes::{Bytes, BytesMut};
use http::HeaderMap;
use http_body::{Body, Frame, SizeHint};
use tokio::time::Instant;

use crate::classify::BodyFault;
use crate::sent::Sent;

/// A request body of one chunk, which records that the client polled it.
#[derive(Debug)]
pub(crate) struct FullBody {
    data: Option<Bytes>,
    sent: Sent,
}

impl FullBody {
    pub(crate) fn new(data: Bytes, sent: Sent) -> Self {
        Self { data: Some(data).filter(|data| !data.is_empty()), sent }
    }

    /// The record of whether the client polled the body.
    pub(crate) fn sent(&self) -> Sent {
        self.sent.clone()
    }
}

impl Body for FullBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.sent.set();
        Poll::Ready(self.data.take().map(|data| Ok(Frame::data(data))))
    }

    fn is_end_stream(&self) -> bool {
        self.data.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.data.as_ref().map_or(0, |data| data.len() as u64))
    }
}

/// Reads `body` to its end, at most `max` bytes and not past `deadline`, and its trailers.
pub(crate) async fn read<B>(
    body: B,
    max: usize,
    deadline: Instant,
) -> (Result<Bytes, BodyFault>, HeaderMap)
where
    B: Body<Data = Bytes>,
    B::Error: Display,
{
    if body.size_hint().lower() > max as u64 {
        return (Err(BodyFault::TooLarge), HeaderMap::new());
    }
    let mut body = pin!(body);
    let mut whole = BytesMut::new();
    let mut trailers = HeaderMap::new();
    loop {
        // A stream that always has a next frame would never yield to the timer.
        if Instant::now() >= deadline {
            return (Err(BodyFault::Lost(OUT_OF_TIME.into())), trailers);
        }
        let frame =
            match tokio::time::timeout_at(deadline, poll_fn(|cx| body.as_mut().poll_frame(cx)))
                .await
            {
                Ok(Some(Ok(frame))) => frame,
                Ok(Some(Err(_))) => return (Err(BodyFault::Lost(BROKEN_OFF.into())), trailers),
                Ok(None) => return (Ok(whole.freeze()), trailers),
                Err(_) => return (Err(BodyFault::Lost(OUT_OF_TIME.into())), trailers),
            };
        match frame.into_data() {
            Ok(data) if whole.len() + data.len() > max => {
                return (Err(BodyFault::TooLarge), trailers);
            }
            Ok(data) => whole.extend_from_slice(&data),
            Err(frame) => trailers.extend(frame.into_trailers().unwrap_or_default()),
        }
    }
}

/// Reads up to `max` bytes of a failed response until `until`. Returns the bytes, whether the body
/// was complete, and the trailers.
///
/// A body that is not read to its end is dropped, and its connection or stream with it.
pub(crate) async fn read_some<B>(body: B, max: usize, until: Instant) -> (Bytes, bool, HeaderMap)
where
    B: Body<Data = Bytes>,
{
    let mut body = pin!(body);
    let (mut some, mut trailers) = (BytesMut::new(), HeaderMap::new());
    while Instant::now() < until {
        let frame = match tokio::time::timeout_at(until, poll_fn(|cx| body.as_mut().poll_frame(cx)))
            .await
        {
            Ok(Some(Ok(frame))) => frame,
            Ok(None) => return (some.freeze(), true, trailers),
            Ok(Some(Err(_))) | Err(_) => break,
        };
        match frame.into_data() {
            Ok(data) => {
                let space = max.saturating_sub(some.len());
                some.extend_from_slice(data.get(..space.min(data.len())).unwrap_or_default());
                if data.len() > space {
                    break;
                }
            }
            Err(frame) => trailers.extend(frame.into_trailers().unwrap_or_default()),
        }
    }
    (some.freeze(), false, trailers)
}

/// The cause when the deadline passed within a response.
pub(crate) const OUT_OF_TIME: &str = "the answer had not ended when the attempt's time was up";
const BROKEN_OFF: &str = "the connection was lost before the answer ended";
