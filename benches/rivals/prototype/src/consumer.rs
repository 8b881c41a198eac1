//! The thread that receives full chunks.

use crate::exchange::{Chunk, Exchange};
use crate::http::Connection;
use std::sync::Arc;

/// The end of the way of a chunk.
pub enum Destination {
    /// The consumer drops the bytes and trusts the threads' counts.
    Nothing,
    /// The consumer counts spans in the bytes.
    Count,
    /// A receiver gets a request for each batch.
    Receiver(Connection),
}

/// Starts the consumer; it ends with the process.
pub fn start(exchange: Arc<Exchange>, mut destination: Destination) -> std::io::Result<()> {
    let run = move || {
        let mut batch = Vec::new();
        loop {
            exchange.receive(&mut batch);
            match &mut destination {
                Destination::Nothing => {
                    exchange.give_back(&mut batch, |counts, spans| counts.delivered += spans);
                }
                Destination::Count => {
                    let found = batch.iter().map(count).sum::<u64>();
                    exchange.give_back(&mut batch, |counts, spans| {
                        counts.delivered += found;
                        counts.lost += spans.saturating_sub(found);
                    });
                }
                Destination::Receiver(connection) => {
                    let sent = connection.post(&batch);
                    exchange.give_back(&mut batch, |counts, spans| match sent {
                        Ok(()) => {
                            counts.delivered += spans;
                            counts.requests += 1;
                        }
                        Err(error) => {
                            eprintln!("{spans} spans lost: {error}");
                            counts.lost += spans;
                        }
                    });
                }
            }
        }
    };
    std::thread::Builder::new().name("consumer".to_owned()).spawn(run).map(drop)
}

/// The fields `ScopeSpans.spans` of a chunk; 0 if it has anything else.
fn count(chunk: &Chunk) -> u64 {
    let (mut rest, mut spans) = (chunk.bytes.bytes(), 0);
    while let [0x12, after_tag @ ..] = rest {
        let Some(len_bytes) = after_tag.iter().position(|byte| byte & 0x80 == 0) else { return 0 };
        let (len, span) = after_tag.split_at(len_bytes + 1);
        let len = len.iter().rev().fold(0, |len, byte| len << 7 | usize::from(byte & 0x7f));
        let Some(next) = span.get(len..) else { return 0 };
        (rest, spans) = (next, spans + 1);
    }
    if rest.is_empty() { spans } else { 0 }
}
