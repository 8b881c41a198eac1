//! The number of spans in a message, counted with yields to other tasks.

use spanwise_wire::read::{Fields, TraceRequest, WireError};
use tokio::task::yield_now;

/// The result of [`TraceRequest::count_spans`] for `message`; yields to other tasks after every
/// 65,536 groups and spans of a large one.
pub(crate) async fn count_spans(message: &[u8]) -> Result<u64, WireError> {
    // Each field has at least two bytes.
    if message.len() <= 2 * TURN {
        return TraceRequest::new(message).count_spans();
    }
    let (mut count, mut left) = (0, TURN);
    for group in Fields::new(message) {
        turn(&mut left).await;
        let group = group?;
        if group.number != RESOURCE_SPANS {
            continue;
        }
        for scope in Fields::new(group.bytes()?) {
            turn(&mut left).await;
            let scope = scope?;
            match scope.number {
                RESOURCE | SCHEMA_URL => _ = scope.bytes()?,
                SCOPE_SPANS => {
                    for span in Fields::new(scope.bytes()?) {
                        turn(&mut left).await;
                        let span = span?;
                        if matches!(span.number, SCOPE | SPANS | SCHEMA_URL) {
                            span.bytes()?;
                            count += u64::from(span.number == SPANS);
                        }
                    }
                }
                _ => {}
            }
        }
    }
    Ok(count)
}

async fn turn(left: &mut usize) {
    *left -= 1;
    if *left == 0 {
        *left = TURN;
        yield_now().await;
    }
}

/// Fields read between two yields.
const TURN: usize = 64 << 10;

// opentelemetry/proto/trace/v1/trace.proto
const RESOURCE_SPANS: u32 = 1;
const RESOURCE: u32 = 1;
const SCOPE_SPANS: u32 = 2;
const SCOPE: u32 = 1;
const SPANS: u32 = 2;
const SCHEMA_URL: u32 = 3;

#[cfg(test)]
mod tests {
    use super::*;
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    fn field(key: u8, bytes: &[u8]) -> Vec<u8> {
        let mut field = vec![key];
        let mut len = bytes.len();
        while len >= 0x80 {
            field.push(len as u8 | 0x80);
            len >>= 7;
        }
        field.push(len as u8);
        [&field, bytes].concat()
    }

    /// The result, and the number of yields.
    fn run(message: &[u8]) -> (Result<u64, WireError>, usize) {
        let mut counting = pin!(count_spans(message));
        let mut context = Context::from_waker(Waker::noop());
        let mut turns = 0;
        loop {
            match counting.as_mut().poll(&mut context) {
                Poll::Ready(count) => return (count, turns),
                Poll::Pending => turns += 1,
            }
        }
    }

    #[test]
    fn counting_a_large_message_yields() {
        let spans = field(0x0a, &field(0x12, &b"\x12\0".repeat(10 * TURN)));
        assert_eq!(run(&spans), (Ok(10 * TURN as u64), 10));
        assert_eq!(run(&b"\x0a\0".repeat(10 * TURN)), (Ok(0), 10));
        assert_eq!(run(&field(0x0a, &b"\x12\0".repeat(10 * TURN))), (Ok(0), 10));
        let few = field(0x0a, &field(0x12, &b"\x12\0".repeat(TURN / 2)));
        assert_eq!(run(&few), (Ok(TURN as u64 / 2), 0));
    }

    #[test]
    fn a_large_message_has_the_count_of_a_small_one() {
        // A field without spans makes any message large.
        let large = field(0x7a, &vec![0; 2 * TURN]);
        let other = [field(0x0a, b"x"), field(0x1a, b"y"), field(0x7a, b"z")].concat();
        let scope = [field(0x12, b""), other.clone(), field(0x12, b"s")].concat();
        let group = [other, field(0x12, &scope), field(0x12, &scope)].concat();
        let whole = field(0x0a, &group);
        let cut = |bytes: &[u8]| bytes[..bytes.len() - 1].to_vec();
        let messages = [
            (whole.repeat(2), Some(8)),
            (cut(&whole), None),
            (field(0x0a, &cut(&group)), None),
            (field(0x0a, &field(0x12, &cut(&scope))), None),
            // A varint where a message belongs.
            (b"\x08\x01".to_vec(), None),
            (field(0x0a, b"\x08\x01"), None),
            (field(0x0a, b"\x10\x01"), None),
            (field(0x0a, &field(0x12, b"\x08\x01")), None),
            (field(0x0a, &field(0x12, b"\x10\x01")), None),
            (field(0x0a, &field(0x12, b"\x78\x01")), Some(0)),
        ];
        for (message, spans) in messages {
            let large = [large.clone(), message.clone()].concat();
            let counts = [run(&large).0.ok(), run(&message).0.ok()];
            assert_eq!(counts, [spans; 2], "{message:x?}");
        }
    }
}
