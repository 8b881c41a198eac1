//! The thread of a spool before the spool is open.

use std::time::{Duration, Instant};

use spanwise_worker::catch_panic;

use super::client::{SpoolClient, SpoolEnd};
use super::event::{ReadOutcome, SpoolEvent};
use super::queue::{Command, Compressed, Item, Next, Queue, Request};
use crate::{Spool, SpoolError};

/// Opens the spool, and refuses requests while another process has the directory. `None`: it cannot be opened, or
/// the queue was closed.
pub(super) fn open<C: SpoolClient>(client: &mut C, queue: &Queue) -> Option<Spool<C::Storage>> {
    loop {
        match client.open() {
            Ok(spool) => return Some(spool),
            Err(SpoolError::Locked { path }) => {
                let locked = |_spans| SpoolError::Locked { path: path.clone() };
                let until = Instant::now() + RETRY_OPEN;
                loop {
                    match queue.next_item(until.saturating_duration_since(Instant::now())) {
                        Next::Item(item) => refuse_item(client, queue, item, locked),
                        Next::Idle => break,
                        Next::Closed => return None,
                    }
                }
            }
            Err(_of_the_client) => return None,
        }
    }
}

/// Answers for all that is queued, and for what arrives before the queue is closed.
pub(super) fn refuse_all<C: SpoolClient>(client: &mut C, queue: &Queue, end: SpoolEnd) {
    let _caught = catch_panic(|| client.ended(end));
    queue.close();
    while let Next::Item(item) = queue.next_item(Duration::ZERO) {
        refuse_item(client, queue, item, SpoolError::ended);
    }
}

fn refuse_item<C: SpoolClient>(
    client: &mut C,
    queue: &Queue,
    item: Item,
    error: impl Fn(u64) -> SpoolError,
) {
    match item {
        Item::Request(Request { token, spans, len, bytes }) => {
            let _caught = catch_panic(|| drop(bytes));
            queue.finished(len, queue.stats());
            report(client, SpoolEvent::Stored { token, spans, result: Err(error(spans)) });
        }
        Item::Command(command) => refuse_command(client, queue, command),
    }
}

/// Answers for a command that no spool carries out.
pub(super) fn refuse_command<C: SpoolClient>(client: &mut C, queue: &Queue, command: Command) {
    match command {
        Command::Store(Compressed { token, spans, bytes, .. }) => {
            queue.finished(bytes, queue.stats());
            let result = Err(SpoolError::ended(spans));
            report(client, SpoolEvent::Stored { token, spans, result });
        }
        Command::Read => report(client, SpoolEvent::Read(Ok(None))),
        Command::ReadInto(buffer) => {
            let result = Ok(ReadOutcome::Empty);
            report(client, SpoolEvent::ReadInto { buffer, result });
        }
        Command::Acknowledge(_) | Command::Rewind => {}
    }
}

pub(super) fn report<C: SpoolClient>(client: &mut C, event: SpoolEvent) {
    let _caught = catch_panic(|| client.event(event));
}

/// A directory that another process has is tried again in this interval.
const RETRY_OPEN: Duration = Duration::from_secs(1);
