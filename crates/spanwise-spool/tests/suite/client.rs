//! Threads that open their spool, and clients that read into memory of their own.

use crate::support;

use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use spanwise_spool::storage::{DirectoryEntry, DirectoryFile, DirectoryStorage, Storage};
use spanwise_spool::{
    ReadOutcome, Spool, SpoolClient, SpoolEnd, SpoolError, SpoolEvent, SpoolThread,
};
use support::{TempDirectory, request};

const PATIENCE: Duration = Duration::from_secs(60);

#[derive(Debug)]
enum Call {
    Opening,
    Event(SpoolEvent),
    Tick,
    /// Whether another spool can open the directory.
    Ended(SpoolEnd, bool),
}

struct Client {
    directory: PathBuf,
    calls: mpsc::Sender<Call>,
    opens: usize,
    panics_at_tick: usize,
}

impl Client {
    fn new(directory: &TempDirectory) -> (Self, mpsc::Receiver<Call>) {
        let (calls, received) = mpsc::channel();
        let directory = directory.path().to_owned();
        (Self { directory, calls, opens: 0, panics_at_tick: 0 }, received)
    }
}

impl SpoolClient for Client {
    type Storage = DirectoryStorage;
    const TICK_INTERVAL: Duration = Duration::from_millis(1);

    fn open(&mut self) -> Result<Spool<DirectoryStorage>, SpoolError> {
        self.opens += 1;
        self.calls.send(Call::Opening).unwrap();
        Spool::builder().open(&self.directory).map(|(spool, _)| spool)
    }

    fn event(&mut self, event: SpoolEvent) {
        self.calls.send(Call::Event(event)).unwrap();
    }

    fn tick(&mut self, _: &mut DirectoryStorage) {
        self.panics_at_tick = self.panics_at_tick.saturating_sub(1);
        let _ended = self.calls.send(Call::Tick);
        assert_ne!(self.panics_at_tick, 1, "planned");
    }

    fn ended(&mut self, end: SpoolEnd) {
        let is_free = Spool::builder().open(&self.directory).is_ok();
        self.calls.send(Call::Ended(end, is_free)).unwrap();
    }
}

/// The next call that is no tick.
fn next(calls: &mpsc::Receiver<Call>) -> Call {
    loop {
        match calls.recv_timeout(PATIENCE).unwrap() {
            Call::Tick => {}
            call => return call,
        }
    }
}

fn next_event(calls: &mpsc::Receiver<Call>) -> SpoolEvent {
    match next(calls) {
        Call::Event(event) => event,
        call => panic!("{call:?}"),
    }
}

#[test]
fn a_locked_directory_refuses_requests_and_is_tried_again() {
    let directory = TempDirectory::new();
    let (other, _) = Spool::builder().open(directory.path()).unwrap();
    let (client, calls) = Client::new(&directory);
    let thread = SpoolThread::open(client, 1 << 20).unwrap();
    let handle = thread.handle();
    assert!(matches!(next(&calls), Call::Opening));
    handle.store(0, request(0, 3), 3).unwrap();
    match next_event(&calls) {
        SpoolEvent::Stored { token: 0, spans: 3, result: Err(SpoolError::Locked { path }) } => {
            assert_eq!(path, directory.path());
        }
        event => panic!("{event:?}"),
    }
    assert_eq!(handle.queued_bytes(), 0);
    drop(other);
    // Until the next try, which may be under way.
    for token in 1.. {
        handle.store(token, request(token, 2), 2).unwrap();
        let event = loop {
            match next(&calls) {
                Call::Event(event) => break event,
                Call::Opening => {}
                call => panic!("{call:?}"),
            }
        };
        match event {
            SpoolEvent::Stored { result: Ok(()), .. } => break,
            SpoolEvent::Stored { result: Err(SpoolError::Locked { .. }), .. } => {}
            event => panic!("{event:?}"),
        }
    }
    assert!(thread.shutdown(PATIENCE));
    match next(&calls) {
        Call::Ended(SpoolEnd::Closed(stats), false) => assert_eq!(stats.spans, 2),
        call => panic!("{call:?}"),
    }
    assert_eq!(Spool::builder().open(directory.path()).unwrap().1.spans, 2);
}

#[test]
fn a_thread_that_waits_for_the_directory_ends_at_once_when_it_is_closed() {
    let directory = TempDirectory::new();
    let _other = Spool::builder().open(directory.path()).unwrap();
    let (client, calls) = Client::new(&directory);
    let thread = SpoolThread::open(client, 1 << 20).unwrap();
    assert!(matches!(next(&calls), Call::Opening));
    assert!(thread.shutdown(PATIENCE));
    assert!(matches!(next(&calls), Call::Ended(SpoolEnd::NotOpened, false)));
}

#[test]
fn a_directory_that_cannot_be_opened_answers_for_every_request() {
    let directory = TempDirectory::new();
    let file = directory.path().join("file");
    std::fs::write(&file, "").unwrap();
    let (mut client, calls) = Client::new(&directory);
    client.directory = file;
    let thread = SpoolThread::open(client, 1 << 20).unwrap();
    let mut queued = 0;
    while queued < 5 && thread.handle().store(queued, request(0, 1), 1).is_ok() {
        queued += 1;
    }
    assert!(matches!(next(&calls), Call::Opening));
    let (mut ended, mut refused) = (0, 0);
    while ended == 0 || refused < queued {
        match next(&calls) {
            Call::Ended(SpoolEnd::NotOpened, _) => ended += 1,
            Call::Event(SpoolEvent::Stored { token, result: Err(_), .. }) => {
                assert_eq!(token, refused);
                refused += 1;
            }
            call => panic!("{call:?}"),
        }
    }
    assert!(thread.shutdown(PATIENCE));
    assert!(thread.handle().read_into(vec![1]).is_err_and(|buffer| buffer == [1]));
    assert_eq!(ended, 1);
}

#[test]
fn records_are_read_into_the_capacity_of_the_caller_behind_the_requests_before() {
    let directory = TempDirectory::new();
    let (client, calls) = Client::new(&directory);
    let thread = SpoolThread::open(client, 1 << 20).unwrap();
    let handle = thread.handle();
    let expected = request(0, 2);
    // Nothing waits for an answer: the reads must not overtake the request.
    handle.store(0, expected.clone(), 2).unwrap();
    let mut small = Vec::with_capacity(expected.len());
    small.push(9);
    let capacity = small.capacity();
    handle.read_into(small).unwrap();
    assert!(handle.rewind());
    let mut large = Vec::with_capacity(expected.len() + 5);
    large.extend_from_slice(&[0; 5]);
    handle.read_into(large).unwrap();
    handle.read_into(vec![3]).unwrap();
    assert!(matches!(next(&calls), Call::Opening));
    assert!(matches!(next_event(&calls), SpoolEvent::Stored { result: Ok(()), .. }));
    let SpoolEvent::ReadInto { buffer, result } = next_event(&calls) else { panic!() };
    let Ok(ReadOutcome::TooLarge { id, bytes, spans: 2 }) = result else { panic!("{result:?}") };
    assert_eq!((bytes, buffer.as_slice(), buffer.capacity()), (expected.len(), &[9][..], capacity));
    let SpoolEvent::ReadInto { buffer, result } = next_event(&calls) else { panic!() };
    assert_eq!(result.unwrap(), ReadOutcome::Record { id, spans: 2 });
    assert_eq!(buffer, [&[0; 5][..], &expected].concat());
    let SpoolEvent::ReadInto { buffer, result } = next_event(&calls) else { panic!() };
    assert_eq!((buffer, result.unwrap()), (vec![3], ReadOutcome::Empty));
    assert!(handle.acknowledge(id));
    assert!(thread.shutdown(PATIENCE));
    assert_eq!(handle.stats().acknowledged_spans, 2);
}

#[test]
fn ticks_arrive_and_a_panic_of_one_is_caught() {
    let directory = TempDirectory::new();
    let (mut client, calls) = Client::new(&directory);
    client.panics_at_tick = 3;
    let thread = SpoolThread::open(client, 1 << 20).unwrap();
    assert!(matches!(calls.recv_timeout(PATIENCE).unwrap(), Call::Opening));
    for _ in 0..5 {
        assert!(matches!(calls.recv_timeout(PATIENCE).unwrap(), Call::Tick));
    }
    thread.handle().store(0, request(0, 1), 1).unwrap();
    assert!(matches!(next_event(&calls), SpoolEvent::Stored { result: Ok(()), .. }));
    assert!(thread.shutdown(PATIENCE));
    assert!(matches!(next(&calls), Call::Ended(SpoolEnd::Closed(_), false)));
}

#[test]
fn a_disk_that_hangs_leaves_requests_uncompressed_with_their_owners() {
    let directory = TempDirectory::new();
    let (release, gate) = mpsc::channel();
    let storage = Gated { inner: DirectoryStorage::open(directory.path()).unwrap(), gate };
    let (spool, _) = Spool::builder().open_in(storage, std::time::SystemTime::now()).unwrap();
    let (events, received) = mpsc::channel();
    let send = move |event| events.send(event).unwrap();
    let thread = SpoolThread::start(spool, usize::MAX, send).unwrap();
    let freed = Arc::new(AtomicUsize::new(0));
    for token in 0..12 {
        let bytes = Owned { bytes: vec![0; 512 << 10], freed: freed.clone() };
        assert!(thread.handle().store(token, bytes, 0).is_ok());
    }
    while freed.load(Ordering::SeqCst) < 4 {
        std::thread::yield_now();
    }
    // A fifth one would take some milliseconds.
    assert!(received.recv_timeout(Duration::from_millis(100)).is_err());
    assert_eq!(freed.load(Ordering::SeqCst), 4, "2 MiB are compressed ahead");
    drop(release);
    for expected in 0..12 {
        match received.recv_timeout(PATIENCE).unwrap() {
            SpoolEvent::Stored { token, result: Ok(()), .. } => assert_eq!(token, expected),
            event => panic!("{event:?}"),
        }
    }
    assert_eq!(freed.load(Ordering::SeqCst), 12);
    assert!(thread.shutdown(PATIENCE));
}

/// A request that counts its drop.
struct Owned {
    bytes: Vec<u8>,
    freed: Arc<AtomicUsize>,
}

impl AsRef<[u8]> for Owned {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for Owned {
    fn drop(&mut self) {
        self.freed.fetch_add(1, Ordering::SeqCst);
    }
}

/// A directory whose creations wait for the end of a channel.
struct Gated {
    inner: DirectoryStorage,
    gate: mpsc::Receiver<()>,
}

impl Storage for Gated {
    type File = DirectoryFile;

    fn list(&self) -> io::Result<Vec<DirectoryEntry>> {
        self.inner.list()
    }
    fn create(&mut self, name: &str) -> io::Result<DirectoryFile> {
        if name.ends_with(".segment") {
            assert!(self.gate.recv().is_err());
        }
        self.inner.create(name)
    }
    fn open(&self, name: &str) -> io::Result<DirectoryFile> {
        self.inner.open(name)
    }
    fn rename(&mut self, from: &str, to: &str) -> io::Result<()> {
        self.inner.rename(from, to)
    }
    fn remove(&mut self, name: &str) -> io::Result<()> {
        self.inner.remove(name)
    }
    fn sync_directory(&mut self) -> io::Result<()> {
        self.inner.sync_directory()
    }
}
