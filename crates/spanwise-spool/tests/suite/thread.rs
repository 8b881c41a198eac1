//! The thread of a spool.

use crate::support;

use std::io;
use std::sync::mpsc;
use std::time::Duration;

use spanwise_spool::storage::{DirectoryEntry, Storage, StorageFile};
use spanwise_spool::{Spool, SpoolEvent, SpoolThread};
use support::{TempDirectory, request};

const PATIENCE: Duration = Duration::from_secs(60);

#[test]
fn a_thread_stores_reads_and_acknowledges() {
    let directory = TempDirectory::new();
    let (spool, _) = Spool::builder().open(directory.path()).unwrap();
    let (events, received) = mpsc::channel();
    let send = move |event| events.send(event).unwrap();
    let thread = SpoolThread::start(spool, 1 << 20, send).unwrap();
    let handle = thread.handle();
    for token in 0..3 {
        handle.store(token, request(token, 2), 2).unwrap();
    }
    for expected in 0..3 {
        match received.recv_timeout(PATIENCE).unwrap() {
            SpoolEvent::Stored { token, spans: 2, result: Ok(()) } => assert_eq!(token, expected),
            event => panic!("{event:?}"),
        }
    }
    for expected in 0..3 {
        assert!(handle.read_next());
        match received.recv_timeout(PATIENCE).unwrap() {
            SpoolEvent::Read(Ok(Some(stored))) => {
                assert_eq!(stored.request, request(expected, 2));
                assert!(handle.acknowledge(stored.id));
            }
            event => panic!("{event:?}"),
        }
    }
    assert!(handle.read_next());
    assert!(matches!(received.recv_timeout(PATIENCE).unwrap(), SpoolEvent::Read(Ok(None))));
    assert!(thread.shutdown(PATIENCE));
    assert!(!handle.read_next());
    assert!(handle.store(9, request(9, 1), 1).is_err());
    assert_eq!((handle.stats().stored_spans, handle.stats().acknowledged_spans), (6, 6));
}

#[test]
fn a_shutdown_stores_the_queued_requests() {
    let directory = TempDirectory::new();
    let (spool, _) = Spool::builder().open(directory.path()).unwrap();
    let thread = SpoolThread::start(spool, 1 << 20, |_| {}).unwrap();
    let handle = thread.handle();
    for token in 0..50 {
        handle.store(token, request(token, 1), 1).unwrap();
    }
    assert!(thread.shutdown(PATIENCE));
    let (_, recovery) = Spool::builder().open(directory.path()).unwrap();
    assert_eq!(recovery.spans, 50);
}

#[test]
fn a_panic_of_the_callback_is_caught() {
    let directory = TempDirectory::new();
    let (spool, _) = Spool::builder().open(directory.path()).unwrap();
    let (events, received) = mpsc::channel();
    let thread = SpoolThread::start(spool, 1 << 20, move |event| {
        if let SpoolEvent::Stored { token, .. } = event {
            events.send(token).unwrap();
            assert_ne!(token, 0, "planned");
        }
    })
    .unwrap();
    for token in 0..2 {
        thread.handle().store(token, request(token, 1), 1).unwrap();
        assert_eq!(received.recv_timeout(PATIENCE).unwrap(), token);
    }
    assert!(thread.shutdown(PATIENCE));
}

#[test]
fn a_slow_disk_fills_the_queue_and_delays_no_caller() {
    let (release, gate) = mpsc::channel();
    let (spool, _) = Spool::builder()
        .open_in(Blocking { gate: Some(gate) }, std::time::SystemTime::now())
        .unwrap();
    let (events, received) = mpsc::channel();
    let send = move |event| events.send(event).unwrap();
    let thread = SpoolThread::start(spool, 4096, send).unwrap();
    let handle = thread.handle();
    let mut stored = 0;
    while handle.store(stored, vec![0; 1000], 0).is_ok() {
        stored += 1;
        assert!(stored <= 4);
    }
    assert_eq!((stored, handle.queued_bytes()), (4, 4000));
    assert!(!thread.shutdown(Duration::from_millis(1)));
    drop(release);
    // The disk fails now: each request has its event.
    for expected in 0..stored {
        match received.recv_timeout(PATIENCE).unwrap() {
            SpoolEvent::Stored { token, result: Err(_), .. } => assert_eq!(token, expected),
            event => panic!("{event:?}"),
        }
    }
    assert!(thread.shutdown(PATIENCE));
    assert_eq!(handle.queued_bytes(), 0);
}

#[test]
fn a_panic_of_the_storage_reports_every_request() {
    let (spool, _) = Spool::builder().open_in(Panicking, std::time::SystemTime::now()).unwrap();
    let (events, received) = mpsc::channel();
    let send = move |event| events.send(event).unwrap();
    let thread = SpoolThread::start(spool, 1 << 20, send).unwrap();
    let mut queued = 0;
    while queued < 20 && thread.handle().store(queued, request(queued, 3), 3).is_ok() {
        queued += 1;
    }
    let mut tokens: Vec<u64> = (0..queued)
        .map(|_| match received.recv_timeout(PATIENCE).unwrap() {
            SpoolEvent::Stored { token, spans: 3, result: Err(_) } => token,
            event => panic!("{event:?}"),
        })
        .collect();
    tokens.sort_unstable();
    assert_eq!(tokens, (0..queued).collect::<Vec<_>>());
    assert!(thread.shutdown(PATIENCE));
    assert!(thread.handle().store(99, request(0, 1), 1).is_err());
    assert!(received.recv_timeout(PATIENCE).is_err(), "no further event");
}

/// A storage whose creations panic.
struct Panicking;

impl Storage for Panicking {
    type File = NoFile;

    fn list(&self) -> io::Result<Vec<DirectoryEntry>> {
        Ok(Vec::new())
    }
    fn create(&mut self, _: &str) -> io::Result<NoFile> {
        panic!("planned")
    }
    fn open(&self, _: &str) -> io::Result<NoFile> {
        Err(io::ErrorKind::NotFound.into())
    }
    fn rename(&mut self, _: &str, _: &str) -> io::Result<()> {
        Ok(())
    }
    fn remove(&mut self, _: &str) -> io::Result<()> {
        Ok(())
    }
    fn sync_directory(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A storage whose first creation waits for the end of a channel; each creation fails.
struct Blocking {
    gate: Option<mpsc::Receiver<()>>,
}

impl Storage for Blocking {
    type File = NoFile;

    fn list(&self) -> io::Result<Vec<DirectoryEntry>> {
        Ok(Vec::new())
    }
    fn create(&mut self, _: &str) -> io::Result<NoFile> {
        if let Some(gate) = self.gate.take() {
            assert!(gate.recv().is_err());
        }
        Err(io::ErrorKind::StorageFull.into())
    }
    fn open(&self, _: &str) -> io::Result<NoFile> {
        Err(io::ErrorKind::NotFound.into())
    }
    fn rename(&mut self, _: &str, _: &str) -> io::Result<()> {
        Ok(())
    }
    fn remove(&mut self, _: &str) -> io::Result<()> {
        Ok(())
    }
    fn sync_directory(&mut self) -> io::Result<()> {
        Ok(())
    }
}

struct NoFile;

impl StorageFile for NoFile {
    fn len(&self) -> io::Result<u64> {
        Ok(0)
    }
    fn read_at(&self, _: &mut [u8], _: u64) -> io::Result<usize> {
        Ok(0)
    }
    fn write_at(&mut self, _: &[u8], _: u64) -> io::Result<()> {
        Ok(())
    }
    fn set_len(&mut self, _: u64) -> io::Result<()> {
        Ok(())
    }
    fn sync(&mut self) -> io::Result<()> {
        Ok(())
    }
}
