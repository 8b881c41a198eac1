//! The reader of request bodies.

mod gathered;
mod pace;

use std::time::Duration;

use bytes::Bytes;
use http_body::Body;
use tokio::select;
use tokio::time::timeout;

use crate::answer::Protocol;
use crate::budget::Charge;
use crate::grpc_frame::{PREFIX, prefixed_len};
use crate::limits::Limits;
use crate::refusal::{CUT_SHORT, Refusal};
use crate::watch::Watch;
use gathered::Gathered;
use pace::Pace;

/// Reads `body` to its end: the message itself, or for gRPC its prefix and the message.
///
/// One large frame is returned without a copy. Other bodies are copied once, into a buffer of the
/// length that the request declares; but the buffer never exceeds the bytes received by much.
pub(crate) async fn collect<B>(
    body: &mut B,
    protocol: Protocol,
    limits: &Limits,
    charge: &Charge,
    watch: &Watch,
) -> Result<Bytes, Refusal>
where
    B: Body<Data = Bytes> + Unpin,
{
    let prefix = if protocol == Protocol::Grpc { PREFIX } else { 0 };
    let max = limits.body_bytes.saturating_add(prefix);
    let too_large = |len: usize| {
        let len = len.saturating_sub(prefix);
        Refusal::TooLarge { limit: limits.body_bytes, len: Some(len) }
    };
    let declared = body.size_hint().exact().map(|len| usize::try_from(len).unwrap_or(usize::MAX));
    if let Some(len) = declared.filter(|len| *len > max) {
        return Err(too_large(len));
    }
    let mut gathered = Gathered::default();
    let mut expected = declared;
    let mut pace = Pace::new(limits, charge, watch);
    loop {
        let data = select! {
            biased;
            () = charge.evicted() => return Err(Refusal::Overloaded),
            data = pace.data(body) => data?,
        };
        let Some(data) = data else { break };
        let len = gathered.len() + data.len();
        if len > max {
            return Err(too_large(len));
        }
        if protocol == Protocol::Grpc && gathered.len() == 0 {
            expected = prefixed_len(&data).or(expected);
            if let Some(len) = expected.filter(|len| *len > max) {
                return Err(too_large(len));
            }
        }
        gathered.push(data, expected, charge).await?;
    }
    if declared.is_some_and(|len| len != gathered.len()) {
        return Err(Refusal::Broken(CUT_SHORT));
    }
    gathered.into_bytes(charge)
}

/// Reads and discards a rejected body: a client that is still writing would otherwise get a reset
/// instead of the response. Stops at a body that is too long or too slow.
pub(crate) async fn drain<B>(body: &mut B, limits: &Limits, charge: &Charge, watch: &Watch)
where
    B: Body<Data = Bytes> + Unpin,
{
    let mut left = limits.body_bytes;
    let mut pace = Pace::new(limits, charge, watch);
    let reading = async {
        while let Ok(Some(data)) = pace.data(body).await {
            match left.checked_sub(data.len()) {
                Some(rest) => left = rest,
                None => break,
            }
        }
    };
    _ = timeout(DRAIN_TIMEOUT, reading).await;
}

const DRAIN_TIMEOUT: Duration = Duration::from_secs(2);

#[cfg(test)]
mod tests {
    use super::gathered::MIN_ZERO_COPY;
    use super::*;
    use crate::budget::Budget;
    use http_body::{Frame, SizeHint};
    use std::collections::VecDeque;
    use std::convert::Infallible;
    use std::pin::Pin;
    use std::sync::Arc;
    use std::task::{Context, Poll};
    use tokio::time::{Instant, Sleep, sleep};

    /// A body of given frames, sent at intervals of `every`.
    struct FrameBody {
        frames: VecDeque<Bytes>,
        every: Duration,
        pause: Option<Pin<Box<Sleep>>>,
        declared: Option<u64>,
    }

    impl FrameBody {
        fn of<const N: usize>(frames: [&'static [u8]; N]) -> Self {
            Self {
                frames: frames.into_iter().map(Bytes::from_static).collect(),
                every: Duration::ZERO,
                pause: None,
                declared: None,
            }
        }
    }

    impl Body for FrameBody {
        type Data = Bytes;
        type Error = Infallible;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            cx: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
            if !self.every.is_zero() {
                let every = self.every;
                let pause = self.pause.get_or_insert_with(|| Box::pin(sleep(every)));
                std::task::ready!(pause.as_mut().poll(cx));
                self.pause = None;
            }
            Poll::Ready(self.frames.pop_front().map(|data| Ok(Frame::data(data))))
        }

        fn size_hint(&self) -> SizeHint {
            self.declared.map(SizeHint::with_exact).unwrap_or_default()
        }
    }

    fn watch(budget: &Arc<Budget>) -> Arc<Watch> {
        Watch::new(false, Charge::connection(budget))
    }

    async fn http(mut body: FrameBody, limits: &Limits) -> Result<Bytes, Refusal> {
        let budget = Budget::new(limits.memory_bytes);
        let (charge, watch) = (Charge::request_of(&budget), watch(&budget));
        let collected = collect(&mut body, Protocol::Http, limits, &charge, &watch).await;
        drop(charge);
        assert_eq!(budget.used(), 0);
        collected
    }

    #[tokio::test]
    async fn a_large_frame_is_not_copied_and_a_small_one_retains_no_buffer() {
        static LARGE: [u8; MIN_ZERO_COPY] = [7; MIN_ZERO_COPY];
        for (frame, is_same) in [(&LARGE[..], true), (&LARGE[1..], false)] {
            let whole = http(FrameBody::of([frame, b""]), &Limits::default()).await.unwrap();
            assert_eq!(whole, frame);
            assert_eq!(whole.as_ptr() == frame.as_ptr(), is_same);
        }
    }

    #[tokio::test]
    async fn frames_are_joined_with_and_without_a_declared_length() {
        for declared in [None, Some(11)] {
            let body = FrameBody { declared, ..FrameBody::of([b"one", b"", b" two", b" and"]) };
            assert_eq!(http(body, &Limits::default()).await.as_deref(), Ok(&b"one two and"[..]));
        }
        for declared in [10, 12] {
            let body =
                FrameBody { declared: Some(declared), ..FrameBody::of([b"one", b" two", b" and"]) };
            assert!(matches!(http(body, &Limits::default()).await, Err(Refusal::Broken(_))));
        }
    }

    #[tokio::test]
    async fn a_body_of_exactly_the_limit_is_accepted() {
        let limits = Limits::default().with_body_bytes(6);
        let refused = |len| Err(Refusal::TooLarge { limit: 6, len: Some(len) });
        assert!(http(FrameBody::of([b"abc", b"def"]), &limits).await.is_ok());
        assert_eq!(http(FrameBody::of([b"abc", b"defg"]), &limits).await, refused(7));
        assert_eq!(http(FrameBody::of([b"abcdefg"]), &limits).await, refused(7));
        let declared = FrameBody { declared: Some(u64::MAX), ..FrameBody::of([]) };
        assert_eq!(http(declared, &limits).await, refused(usize::MAX));
    }

    #[tokio::test]
    async fn a_body_beyond_the_memory_is_rejected() {
        let limits = Limits::default().with_memory_bytes(5);
        assert_eq!(http(FrameBody::of([b"abcdef"]), &limits).await, Err(Refusal::Overloaded));
        assert_eq!(http(FrameBody::of([b"abc", b"def"]), &limits).await, Err(Refusal::Overloaded));
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_below_the_minimum_rate_is_rejected_and_one_above_is_not() {
        let limits = Limits::default().with_body_window(Duration::from_secs(5)).with_body_rate(2);
        let mut trickle = FrameBody::of([b"x"; 100]);
        trickle.every = Duration::from_secs(1);
        let start = Instant::now();
        assert_eq!(http(trickle, &limits).await, Err(Refusal::Slow));
        assert_eq!(start.elapsed(), Duration::from_secs(5));

        let mut stream = FrameBody::of([b"xyz"; 100]);
        stream.every = Duration::from_secs(1);
        assert_eq!(http(stream, &limits).await.map(|body| body.len()), Ok(300));

        let mut silence = FrameBody::of([]);
        silence.every = Duration::from_secs(1000);
        assert_eq!(http(silence, &limits).await, Err(Refusal::Slow));
    }

    #[tokio::test]
    async fn a_declared_grpc_length_only_leads_to_rejection() {
        let limits = Limits::default().with_body_bytes(4);
        let grpc = |body: FrameBody| async {
            let (mut body, budget) = (body, Budget::new(100));
            let (limits, watch) = (Limits::default().with_body_bytes(4), watch(&budget));
            collect(&mut body, Protocol::Grpc, &limits, &Charge::request_of(&budget), &watch).await
        };
        assert_eq!(
            grpc(FrameBody::of([b"\0\0\0\0\x04", b"ab", b"cd"])).await.map(|b| b.len()),
            Ok(9)
        );
        let refused = |len| Err(Refusal::TooLarge { limit: limits.body_bytes, len: Some(len) });
        assert_eq!(grpc(FrameBody::of([b"\0\0\0\0\x05a"])).await, refused(5));
        assert_eq!(grpc(FrameBody::of([b"\0\xff\xff\xff\xff"])).await, refused(u32::MAX as usize));
    }
}
