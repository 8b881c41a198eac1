//! A request body, gathered into one piece with as few copies as it came in frames.

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
/// One large frame is handed on as it is. Anything else is copied once, into a buffer sized by
/// what the request says of itself; but no client is given much more than it has sent.
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
    let most = limits.body_bytes.saturating_add(prefix);
    let too_large = Refusal::TooLarge { limit: limits.body_bytes };
    let declared = body.size_hint().exact().map(|len| usize::try_from(len).unwrap_or(usize::MAX));
    if declared.is_some_and(|len| len > most) {
        return Err(too_large);
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
        if len > most {
            return Err(too_large);
        }
        if protocol == Protocol::Grpc && gathered.len() == 0 {
            expected = prefixed_len(&data).or(expected);
            if expected.is_some_and(|len| len > most) {
                return Err(too_large);
            }
        }
        gathered.push(data, expected, charge).await?;
    }
    if declared.is_some_and(|len| len != gathered.len()) {
        return Err(Refusal::Broken(CUT_SHORT));
    }
    gathered.into_bytes()
}

/// Reads on past a refusal, keeping nothing: a client that is still writing would otherwise
/// see a reset instead of the answer. Gives up on what is too long or too slow to wait for.
pub(crate) async fn drain<B>(body: &mut B, limits: &Limits, charge: &Charge, watch: &Watch)
where
    B: Body<Data = Bytes> + Unpin,
{
    let mut left = limits.body_bytes;
    let mut pace = Pace::new(limits, charge, watch);
    let reading = async {
        while let Ok(Some(data)) = pace.data(body).await {
            match left.checked_sub(data.len()) {
                Some(less) => left = less,
                None => break,
            }
        }
    };
    _ = timeout(DRAIN_TIME, reading).await;
}

const DRAIN_TIME: Duration = Duration::from_secs(2);

#[cfg(test)]
mod tests {
    use super::gathered::LEAST_KEPT;
    use super::*;
    use crate::budget::Budget;
    use http_body::{Frame, SizeHint};
    use std::collections::VecDeque;
    use std::convert::Infallible;
    use std::pin::Pin;
    use std::sync::Arc;
    use std::task::{Context, Poll};
    use tokio::time::{Instant, Sleep, sleep};

    /// A body of given frames, `every` apart.
    struct Script {
        frames: VecDeque<Bytes>,
        every: Duration,
        pause: Option<Pin<Box<Sleep>>>,
        declared: Option<u64>,
    }

    impl Script {
        fn of<const N: usize>(frames: [&'static [u8]; N]) -> Self {
            Self {
                frames: frames.into_iter().map(Bytes::from_static).collect(),
                every: Duration::ZERO,
                pause: None,
                declared: None,
            }
        }
    }

    impl Body for Script {
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

    async fn http(mut body: Script, limits: &Limits) -> Result<Bytes, Refusal> {
        let budget = Budget::new(limits.memory_bytes);
        let (charge, watch) = (Charge::request_of(&budget), watch(&budget));
        let collected = collect(&mut body, Protocol::Http, limits, &charge, &watch).await;
        drop(charge);
        assert_eq!(budget.used(), 0);
        collected
    }

    #[tokio::test]
    async fn one_large_frame_is_not_copied_and_a_small_one_keeps_no_buffer() {
        static LARGE: [u8; LEAST_KEPT] = [7; LEAST_KEPT];
        for (frame, kept) in [(&LARGE[..], true), (&LARGE[1..], false)] {
            let whole = http(Script::of([frame, b""]), &Limits::default()).await.unwrap();
            assert_eq!(whole, frame);
            assert_eq!(whole.as_ptr() == frame.as_ptr(), kept);
        }
    }

    #[tokio::test]
    async fn frames_come_together_whatever_the_request_says_of_its_length() {
        for declared in [None, Some(11)] {
            let body = Script { declared, ..Script::of([b"one", b"", b" two", b" and"]) };
            assert_eq!(http(body, &Limits::default()).await.as_deref(), Ok(&b"one two and"[..]));
        }
        for declared in [10, 12] {
            let body =
                Script { declared: Some(declared), ..Script::of([b"one", b" two", b" and"]) };
            assert!(matches!(http(body, &Limits::default()).await, Err(Refusal::Broken(_))));
        }
    }

    #[tokio::test]
    async fn the_limit_is_the_last_length_that_passes() {
        let limits = Limits::default().with_body_bytes(6);
        let refused = Err(Refusal::TooLarge { limit: 6 });
        assert!(http(Script::of([b"abc", b"def"]), &limits).await.is_ok());
        assert_eq!(http(Script::of([b"abc", b"defg"]), &limits).await, refused);
        assert_eq!(http(Script::of([b"abcdefg"]), &limits).await, refused);
        let declared = Script { declared: Some(u64::MAX), ..Script::of([]) };
        assert_eq!(http(declared, &limits).await, refused);
    }

    #[tokio::test]
    async fn memory_that_is_not_there_refuses() {
        let limits = Limits::default().with_memory_bytes(5);
        assert_eq!(http(Script::of([b"abcdef"]), &limits).await, Err(Refusal::Overloaded));
        assert_eq!(http(Script::of([b"abc", b"def"]), &limits).await, Err(Refusal::Overloaded));
    }

    #[tokio::test(start_paused = true)]
    async fn a_trickle_is_cut_and_a_slow_stream_is_not() {
        let limits = Limits::default().with_body_window(Duration::from_secs(5)).with_body_rate(2);
        let mut trickle = Script::of([b"x"; 100]);
        trickle.every = Duration::from_secs(1);
        let start = Instant::now();
        assert_eq!(http(trickle, &limits).await, Err(Refusal::Slow));
        assert_eq!(start.elapsed(), Duration::from_secs(5));

        let mut stream = Script::of([b"xyz"; 100]);
        stream.every = Duration::from_secs(1);
        assert_eq!(http(stream, &limits).await.map(|body| body.len()), Ok(300));

        let mut silence = Script::of([]);
        silence.every = Duration::from_secs(1000);
        assert_eq!(http(silence, &limits).await, Err(Refusal::Slow));
    }

    #[tokio::test]
    async fn a_grpc_length_is_believed_only_to_refuse() {
        let limits = Limits::default().with_body_bytes(4);
        let grpc = |body: Script| async {
            let (mut body, budget) = (body, Budget::new(100));
            let (limits, watch) = (Limits::default().with_body_bytes(4), watch(&budget));
            collect(&mut body, Protocol::Grpc, &limits, &Charge::request_of(&budget), &watch).await
        };
        assert_eq!(grpc(Script::of([b"\0\0\0\0\x04", b"ab", b"cd"])).await.map(|b| b.len()), Ok(9));
        let refused = Err(Refusal::TooLarge { limit: limits.body_bytes });
        assert_eq!(grpc(Script::of([b"\0\0\0\0\x05a"])).await, refused);
        assert_eq!(grpc(Script::of([b"\0\xff\xff\xff\xff"])).await, refused);
    }
}
