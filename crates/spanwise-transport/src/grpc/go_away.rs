//! Observes the frames that an HTTP/2 peer sends, for a GOAWAY that complains about pings.
//!
//! tonic closes a connection on GOAWAY and makes the next one without a report, also while no request is in
//! flight.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use http::Uri;
use tower_service::Service;

use super::ping_interval::PingInterval;
use crate::tcp::{HyperIo, ReadObserver};

/// A connector whose connections report `too_many_pings` to a [`PingInterval`].
#[derive(Clone)]
pub(super) struct ObservedConnector<C> {
    connector: C,
    interval: Arc<PingInterval>,
    /// The interval of the pings on its connections.
    used: Duration,
}

impl<C> ObservedConnector<C> {
    pub(super) fn new(connector: C, interval: Arc<PingInterval>, used: Duration) -> Self {
        Self { connector, interval, used }
    }
}

impl<C, T> Service<Uri> for ObservedConnector<C>
where
    C: Service<Uri, Response = HyperIo<T>>,
    C::Future: Send + 'static,
{
    type Response = HyperIo<T, Complaints>;
    type Error = C::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, C::Error>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), C::Error>> {
        self.connector.poll_ready(cx)
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let (connecting, interval, used) =
            (self.connector.call(uri), self.interval.clone(), self.used);
        Box::pin(async move {
            let stream = connecting.await?;
            Ok(stream.with_observer(Complaints { frames: Frames::default(), interval, used }))
        })
    }
}

/// Observes the frames of one connection.
pub(super) struct Complaints {
    frames: Frames,
    interval: Arc<PingInterval>,
    used: Duration,
}

impl ReadObserver for Complaints {
    fn observe(&mut self, bytes: &[u8]) -> io::Result<()> {
        if self.frames.observe(bytes) {
            self.interval.double(self.used);
        }
        Ok(())
    }
}

/// The frames of a peer (RFC 9113, 4.1), as far as they were read.
#[derive(Debug, Default)]
struct Frames {
    /// The head of the present frame, and the beginning of its payload if it is a GOAWAY.
    frame: Vec<u8>,
    /// Bytes of the payload that are skipped.
    skipped: usize,
}

impl Frames {
    /// Observes the next `bytes`. Returns whether they complete a GOAWAY with `too_many_pings`.
    fn observe(&mut self, mut bytes: &[u8]) -> bool {
        let mut is_too_many = false;
        while !bytes.is_empty() {
            if self.skipped > 0 {
                let skipped = self.skipped.min(bytes.len());
                self.skipped -= skipped;
                bytes = bytes.get(skipped..).unwrap_or_default();
                continue;
            }
            let missing = self.wanted().saturating_sub(self.frame.len()).min(bytes.len());
            let (now, later) = bytes.split_at_checked(missing).unwrap_or((bytes, &[]));
            self.frame.extend_from_slice(now);
            bytes = later;
            // Longer once the head is complete and is that of a GOAWAY.
            if self.frame.len() == self.wanted() {
                is_too_many |= self.frame.get(HEAD + 4..).is_some_and(|payload| {
                    payload.starts_with(&ENHANCE_YOUR_CALM) && payload.ends_with(TOO_MANY_PINGS)
                });
                self.skipped = self.payload().saturating_sub(self.frame.len() - HEAD);
                self.frame.clear();
            }
        }
        is_too_many
    }

    /// Length of the payload of the present frame, whose head is complete.
    fn payload(&self) -> usize {
        match *self.frame {
            [a, b, c, ..] => u32::from_be_bytes([0, a, b, c]) as usize,
            _ => 0,
        }
    }

    /// Bytes of the present frame that are of interest.
    fn wanted(&self) -> usize {
        match self.frame.get(3) {
            Some(&GO_AWAY) if self.frame.len() >= HEAD => {
                HEAD + self.payload().min(8 + TOO_MANY_PINGS.len())
            }
            _ => HEAD,
        }
    }
}

/// Length of a frame's head.
const HEAD: usize = 9;
/// The type of a GOAWAY frame: the last stream, an error code and text follow (RFC 9113, 6.8).
const GO_AWAY: u8 = 7;
const ENHANCE_YOUR_CALM: [u8; 4] = 0xb_u32.to_be_bytes();
const TOO_MANY_PINGS: &[u8] = b"too_many_pings";

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_complaint_doubles_the_interval_of_the_connection() {
        use hyper::rt::{Read as _, ReadBuf};
        use tokio::io::AsyncWriteExt as _;
        let (near, mut far) = tokio::io::duplex(1024);
        let used = Duration::from_secs(10);
        let interval = Arc::new(PingInterval::new(used));
        let complaints = Complaints { frames: Frames::default(), interval: interval.clone(), used };
        let mut stream = HyperIo::new(near).with_observer(complaints);
        let complaint = go_away(0xb, "too_many_pings");
        far.write_all(&complaint).await.unwrap();
        let mut bytes = [0; 100];
        let mut buf = ReadBuf::new(&mut bytes);
        let mut stream = Pin::new(&mut stream);
        std::future::poll_fn(|cx| stream.as_mut().poll_read(cx, buf.unfilled())).await.unwrap();
        assert_eq!(buf.filled(), complaint);
        assert_eq!(interval.get(), 2 * used);
    }

    fn frame(kind: u8, payload: &[u8]) -> Vec<u8> {
        let [_, a, b, c] = (payload.len() as u32).to_be_bytes();
        [&[a, b, c, kind, 0, 0, 0, 0, 0], payload].concat()
    }

    fn go_away(code: u32, text: &str) -> Vec<u8> {
        frame(GO_AWAY, &[&[0, 0, 0, 1], &code.to_be_bytes(), text.as_bytes()].concat()[..])
    }

    /// Whether `bytes` have the GOAWAY, read `step` bytes at a time.
    fn observed(bytes: &[u8], step: usize) -> bool {
        let mut frames = Frames::default();
        let read = bytes.chunks(step).map(|read| frames.observe(read));
        read.fold(false, |any, it| any | it)
    }

    #[test]
    fn too_many_pings_is_found_among_other_frames() {
        let settings = frame(4, &[0; 18]);
        let data = frame(0, &[GO_AWAY; 1000]);
        let complaint = go_away(0xb, "too_many_pings");
        let cases = [
            ([&settings[..], &data, &complaint].concat(), true),
            ([&complaint[..], &settings].concat(), true),
            ([&settings[..], &data, &frame(6, &[0; 8])].concat(), false),
            ([&go_away(0, "too_many_pings")[..], &settings].concat(), false),
            (go_away(0xb, "too_many_pongs"), false),
            ([&go_away(0xb, "")[..], &settings].concat(), false),
            ([&frame(GO_AWAY, &[])[..], &complaint].concat(), true),
            ([&go_away(0, &"x".repeat(500))[..], &complaint].concat(), true),
            (frame(0, &complaint), false),
        ];
        for (bytes, expected) in cases {
            for step in [1, 2, 7, 9, 10, 31, bytes.len()] {
                assert_eq!(observed(&bytes, step), expected, "{step}: {bytes:?}");
            }
        }
    }
}
