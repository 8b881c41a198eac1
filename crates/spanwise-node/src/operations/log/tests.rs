//! The log under a slow output.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on must fail")]
use super::*;
use std::io::Write;
use std::sync::Mutex;
use std::sync::mpsc::Receiver;

/// An output that waits for a permit before each write.
struct Gated {
    permits: Receiver<()>,
    written: Arc<Mutex<Vec<u8>>>,
}

impl Write for Gated {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let _open_for_ever = self.permits.recv();
        lock(&self.written).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn gated() -> (Log, SyncSender<()>, Arc<Mutex<Vec<u8>>>) {
    let (gate, permits) = sync_channel(0);
    let written = Arc::new(Mutex::new(Vec::new()));
    let output = Gated { permits, written: written.clone() };
    (Log::to(LogFormat::Text, Box::new(output)).unwrap(), gate, written)
}

fn text(written: &Mutex<Vec<u8>>) -> String {
    String::from_utf8(lock(written).clone()).unwrap()
}

#[test]
fn lines_are_written_in_their_order() {
    let (log, gate, written) = gated();
    drop(gate);
    for peer in ["a", "b", "c"] {
        log.event(Event::PeerUp { peer });
    }
    assert!(log.flush(PATIENCE));
    let text = text(&written);
    let messages: Vec<&str> = text.lines().map(|line| &line[31..]).collect();
    assert_eq!(messages, ["peer_up peer=a", "peer_up peer=b", "peer_up peer=c"]);
    assert_eq!(log.recent().len(), 3);
}

#[test]
fn an_output_that_stops_blocks_no_caller_and_its_losses_are_counted() {
    let (log, gate, written) = gated();
    let events = 3 * MAX_LINES as u64;
    for number in 0..events {
        log.event_unlimited(Event::PeerUp { peer: &number.to_string() });
    }
    assert!(!log.flush(Duration::from_millis(5)), "the output waits");
    drop(gate);
    assert!(log.flush(PATIENCE));
    let text = text(&written);
    let lines = text.lines().filter(|line| line.contains("peer_up")).count() as u64;
    let dropped: u64 = text
        .lines()
        .filter_map(|line| line.split_once("log_lines_dropped repeated="))
        .map(|(_, count)| count.parse::<u64>().unwrap())
        .sum();
    assert_eq!(lines + dropped, events);
    assert!(lines >= MAX_LINES as u64 && dropped > 0, "{lines} {dropped}");
    assert_eq!(log.recent().len(), 32);
}

#[test]
fn repeated_events_are_left_out() {
    let (log, gate, written) = gated();
    drop(gate);
    for _ in 0..1000 {
        log.event(Event::Unauthorized { requests: 1 });
    }
    assert!(log.flush(PATIENCE));
    assert_eq!(text(&written).lines().count(), 3);
}

const PATIENCE: Duration = Duration::from_secs(30);
