//! A request body, gathered into one piece with as few copies as it came in frames.

use std::time::Duration;

use bytes::Bytes;
use http_body::Body;
use http_body_util::BodyExt;
use tokio::select;
use tokio::time::{Instant, timeout, timeout_at};

use crate::answer::Protocol;
use crate::budget::Charge;
use crate::limits::Limits;
use crate::refusal::Refusal;
use crate::watch::Watch;

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

/// Takes a gRPC message out of its frame; also tells whether it is compressed.
pub(crate) fn unframe(mut body: Bytes) -> Result<(bool, Bytes), Refusal> {
    let expected = prefixed_len(&body).ok_or(Refusal::Broken("no gRPC message"))?;
    let compressed = match body[0] {
        0 => false,
        1 => true,
        _ => return Err(Refusal::Broken("not a gRPC message")),
    };
    if body.len() < expected {
        return Err(Refusal::Broken(CUT_SHORT));
    }
    if body.len() > expected {
        return Err(Refusal::Broken("more than one gRPC message"));
    }
    Ok((compressed, body.split_off(PREFIX)))
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

/// What came so far: one frame, or several copied together.
#[derive(Default)]
struct Gathered {
    first: Bytes,
    rest: Vec<u8>,
    /// What comes after `rest` while memory is scarce: pieces of one size, which any body can
    /// have when another gives them back, where bodies that grow leave holes of all sizes.
    pieces: Vec<Vec<u8>>,
    /// Bytes in all of these.
    len: usize,
    /// Bytes that are charged.
    charged: usize,
}

impl Gathered {
    fn len(&self) -> usize {
        self.len
    }

    async fn push(
        &mut self,
        data: Bytes,
        expected: Option<usize>,
        charge: &Charge,
    ) -> Result<(), Refusal> {
        if data.is_empty() {
            return Ok(());
        }
        // A small frame is copied: it may be all that is left of a read buffer many times its
        // size, and would keep it.
        if self.len == 0 && data.len() >= LEAST_KEPT {
            charge.grow(data.len()).await?;
            (self.charged, self.len) = (data.len(), data.len());
            self.first = data;
            return Ok(());
        }
        let need = self.len + data.len();
        let has_room = self.rest.capacity() >= need;
        if self.pieces.is_empty() && (has_room || self.extend(need, expected, charge)?) {
            self.rest.extend_from_slice(&std::mem::take(&mut self.first));
            self.rest.extend_from_slice(&data);
        } else {
            self.push_pieces(&data, expected, charge).await?;
        }
        self.len = need;
        Ok(())
    }

    /// Makes `rest` larger, if there is plenty of memory; tells whether it did.
    fn extend(
        &mut self,
        need: usize,
        expected: Option<usize>,
        charge: &Charge,
    ) -> Result<bool, Refusal> {
        let claimed = expected.unwrap_or(need.saturating_mul(2));
        let room = claimed.min(need.saturating_mul(4).max(FIRST_ROOM)).max(need);
        if !charge.try_grow_early(room - self.charged) {
            return Ok(false);
        }
        self.charged = room;
        let more = room - self.rest.len();
        self.rest.try_reserve_exact(more).map_err(|_| Refusal::Overloaded)?;
        Ok(true)
    }

    async fn push_pieces(
        &mut self,
        mut data: &[u8],
        expected: Option<usize>,
        charge: &Charge,
    ) -> Result<(), Refusal> {
        while !data.is_empty() {
            let is_full = self.pieces.last().is_none_or(|last| last.len() == last.capacity());
            if is_full {
                let held = self.first.len() + self.rest.len();
                let held = held + self.pieces.iter().map(Vec::len).sum::<usize>();
                // The last piece of a body need not be whole.
                let left = expected.map_or(data.len(), |all| all.saturating_sub(held));
                let size = left.max(data.len()).min(PIECE);
                charge.grow(size).await?;
                self.charged += size;
                let mut piece = Vec::new();
                piece.try_reserve_exact(size).map_err(|_| Refusal::Overloaded)?;
                self.pieces.push(piece);
            }
            let Some(last) = self.pieces.last_mut() else { continue };
            let (now, later) = data.split_at(data.len().min(last.capacity() - last.len()));
            last.extend_from_slice(now);
            data = later;
        }
        Ok(())
    }

    /// All of it in one piece. What is copied is freed at once: the whole is not there twice.
    fn into_bytes(mut self) -> Result<Bytes, Refusal> {
        if self.pieces.is_empty() {
            let is_one = self.rest.is_empty();
            return Ok(if is_one { self.first } else { Bytes::from(self.rest) });
        }
        let mut whole = Vec::new();
        whole.try_reserve_exact(self.len).map_err(|_| Refusal::Overloaded)?;
        whole.extend_from_slice(&std::mem::take(&mut self.first));
        whole.extend_from_slice(&std::mem::take(&mut self.rest));
        for piece in self.pieces {
            whole.extend_from_slice(&piece);
        }
        Ok(Bytes::from(whole))
    }
}

/// Cuts a body that trickles: whoever holds a connection and memory must use them.
struct Pace<'a> {
    charge: &'a Charge,
    watch: &'a Watch,
    window: Duration,
    least: u64,
    ends: Instant,
    came: u64,
}

impl<'a> Pace<'a> {
    fn new(limits: &Limits, charge: &'a Charge, watch: &'a Watch) -> Self {
        // A window of no length would end before any byte could come.
        let window = limits.body_window.clamp(Duration::from_millis(1), FOREVER);
        let least = (window.as_secs_f64() * limits.body_rate as f64) as u64;
        Self { charge, watch, window, least, ends: Instant::now() + window, came: 0 }
    }

    /// The next piece of data; `None` at the end of the body.
    async fn data<B>(&mut self, body: &mut B) -> Result<Option<Bytes>, Refusal>
    where
        B: Body<Data = Bytes> + Unpin,
    {
        loop {
            match timeout_at(self.ends, body.frame()).await {
                Ok(Some(Ok(frame))) => {
                    // Trailers say nothing that we need.
                    let Ok(data) = frame.into_data() else { continue };
                    self.came += data.len() as u64;
                    self.charge.arrive(data.len());
                    self.watch.piece(data.len());
                    return Ok(Some(data));
                }
                Ok(Some(Err(_))) => return Err(Refusal::Broken(CUT_SHORT)),
                Ok(None) => return Ok(None),
                Err(_) if self.came < self.least => return Err(Refusal::Slow),
                Err(_) => {
                    self.ends = Instant::now() + self.window;
                    self.came = 0;
                }
            }
        }
    }
}

/// Bytes of the gRPC frame that starts with `bytes`, its prefix included.
fn prefixed_len(bytes: &[u8]) -> Option<usize> {
    let &[_, a, b, c, d] = bytes.first_chunk()?;
    (u32::from_be_bytes([a, b, c, d]) as usize).checked_add(PREFIX)
}

/// A gRPC message's flag and length.
const PREFIX: usize = 5;
/// Most that is reserved on a client's word alone; later four times what it has sent.
const FIRST_ROOM: usize = 64 << 10;
const PIECE: usize = 64 << 10;
/// A frame of less is copied.
const LEAST_KEPT: usize = 32 << 10;
const DRAIN_TIME: Duration = Duration::from_secs(2);
/// Long enough, and short enough to be added to any instant.
pub(crate) const FOREVER: Duration = Duration::from_secs(365 * 24 * 3600);
const CUT_SHORT: &str = "the body was cut short";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::budget::Budget;
    use http_body::{Frame, SizeHint};
    use std::collections::VecDeque;
    use std::convert::Infallible;
    use std::pin::Pin;
    use std::sync::Arc;
    use std::task::{Context, Poll};
    use tokio::time::{Sleep, sleep};

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
        Watch::new(false, budget.connection())
    }

    async fn http(mut body: Script, limits: &Limits) -> Result<Bytes, Refusal> {
        let budget = Budget::new(limits.memory_bytes);
        let (charge, watch) = (budget.charge(), watch(&budget));
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
        let limits = Limits::default().body_bytes(6);
        let refused = Err(Refusal::TooLarge { limit: 6 });
        assert!(http(Script::of([b"abc", b"def"]), &limits).await.is_ok());
        assert_eq!(http(Script::of([b"abc", b"defg"]), &limits).await, refused);
        assert_eq!(http(Script::of([b"abcdefg"]), &limits).await, refused);
        let declared = Script { declared: Some(u64::MAX), ..Script::of([]) };
        assert_eq!(http(declared, &limits).await, refused);
    }

    #[tokio::test]
    async fn a_claimed_length_is_not_given_in_advance() {
        let limits = Limits::default();
        let budget = Budget::new(limits.memory_bytes);
        let charge = budget.charge();
        let mut gathered = Gathered::default();
        for _ in 0..2 {
            gathered.push(Bytes::from_static(b"x"), Some(16 << 20), &charge).await.unwrap();
        }
        assert!(budget.used() <= FIRST_ROOM);
        assert!(gathered.rest.capacity() <= FIRST_ROOM);
    }

    #[tokio::test]
    async fn memory_that_is_not_there_refuses() {
        let limits = Limits::default().memory_bytes(5);
        assert_eq!(http(Script::of([b"abcdef"]), &limits).await, Err(Refusal::Overloaded));
        assert_eq!(http(Script::of([b"abc", b"def"]), &limits).await, Err(Refusal::Overloaded));
    }

    #[tokio::test(start_paused = true)]
    async fn a_trickle_is_cut_and_a_slow_stream_is_not() {
        let limits = Limits::default().body_window(Duration::from_secs(5)).body_rate(2);
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
        let limits = Limits::default().body_bytes(4);
        let grpc = |body: Script| async {
            let (mut body, budget) = (body, Budget::new(100));
            let (limits, watch) = (Limits::default().body_bytes(4), watch(&budget));
            collect(&mut body, Protocol::Grpc, &limits, &budget.charge(), &watch).await
        };
        assert_eq!(grpc(Script::of([b"\0\0\0\0\x04", b"ab", b"cd"])).await.map(|b| b.len()), Ok(9));
        let refused = Err(Refusal::TooLarge { limit: limits.body_bytes });
        assert_eq!(grpc(Script::of([b"\0\0\0\0\x05a"])).await, refused);
        assert_eq!(grpc(Script::of([b"\0\xff\xff\xff\xff"])).await, refused);
    }

    #[test]
    fn grpc_frames() {
        type Read = Result<(bool, &'static [u8]), ()>;
        let table: &[(&'static [u8], Read)] = &[
            (b"\0\0\0\0\0", Ok((false, b""))),
            (b"\0\0\0\0\x02ab", Ok((false, b"ab"))),
            (b"\x01\0\0\0\x02ab", Ok((true, b"ab"))),
            (b"\x02\0\0\0\x02ab", Err(())),
            (b"\0\0\0\0\x02a", Err(())),
            (b"\0\0\0\0\x02abc", Err(())),
            (b"\0\0\0\0", Err(())),
            (b"", Err(())),
        ];
        for (bytes, expected) in table {
            let read = unframe(Bytes::from_static(bytes)).map_err(|_| ());
            assert_eq!(read, expected.map(|(flag, body)| (flag, Bytes::copy_from_slice(body))));
        }
    }
}
