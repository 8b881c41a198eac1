//! A request body that lies in pieces, to a TCP socket: copied into one, or as a chain. Also the
//! body of the criterion bench `bytes` of `spanwise-benches`.

use std::hint::black_box;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::thread;

use spanwise_bytes::bytes::Bytes;
use spanwise_bytes::{BytesChain, WriteTo};

use crate::cases::{ALONE, Case};

/// The cases of the groups that `wanted` accepts.
pub fn bodies(wanted: impl Fn(&str) -> bool) -> Vec<Case> {
    let mut cases = Vec::new();
    for (group, body, piece) in GROUPS.into_iter().filter(|(group, ..)| wanted(group)) {
        let bodies = Arc::new(Bodies::new(body, piece));
        for (name, send) in WAYS {
            let (bodies, socket) = (bodies.clone(), Socket::open());
            socket.check(&bodies, send);
            let socket = Mutex::new(socket);
            let run = move |count| {
                let mut socket = socket.lock().expect("no case panics");
                for _ in 0..count {
                    send(bodies.next(), &mut socket);
                }
            };
            cases.push(Case { group, name, threads: ALONE, run: Box::new(run) });
        }
    }
    cases
}

/// Sends the pieces of a body.
type Send = fn(&[Bytes], &mut Socket);

/// 768 KiB is what a request of the SDK gathers, 3.75 MiB the largest; 64 KiB is a chunk.
const GROUPS: [(&str, usize, usize); 7] = [
    ("768 KiB in pieces of 256 B", 768 << 10, 256),
    ("768 KiB in pieces of 1 KiB", 768 << 10, 1 << 10),
    ("768 KiB in pieces of 4 KiB", 768 << 10, 4 << 10),
    ("768 KiB in pieces of 16 KiB", 768 << 10, 16 << 10),
    ("768 KiB in pieces of 64 KiB", 768 << 10, 64 << 10),
    ("3.75 MiB in pieces of 64 KiB", 3_932_160, 64 << 10),
    ("3.75 MiB in pieces of 1 MiB", 3_932_160, 1 << 20),
];

const WAYS: [(&str, Send); 3] = [
    (ONE_COPY, |pieces, socket| {
        let mut body = std::mem::take(&mut socket.memory);
        body.clear();
        pieces.iter().for_each(|piece| body.extend_from_slice(piece));
        socket.stream.write_all(black_box(&body)).expect("the reader reads");
        socket.memory = body;
    }),
    (FRESH_COPY, |pieces, socket| {
        let mut body = Vec::with_capacity(pieces.iter().map(Bytes::len).sum());
        pieces.iter().for_each(|piece| body.extend_from_slice(piece));
        socket.stream.write_all(black_box(&body)).expect("the reader reads");
    }),
    (CHAIN, |pieces, socket| {
        let mut body = BytesChain::from_iter(pieces.iter().cloned());
        black_box(&mut body).write_to(&mut socket.stream).expect("the reader reads");
    }),
];

/// As `spanwise-sdk` does: the memory of requests is reused.
pub const ONE_COPY: &str = "one copy, memory reused";
pub const FRESH_COPY: &str = "one copy, memory allocated";
pub const CHAIN: &str = "chain, vectored writes";

/// 32 MiB of bodies, so that the pieces of the next one are not in the nearer caches: other threads
/// wrote them.
struct Bodies {
    bodies: Vec<Vec<Bytes>>,
    next: AtomicUsize,
}

impl Bodies {
    fn new(body: usize, piece: usize) -> Self {
        let content = |n: usize| (0..body).map(|at| (at / 7 + n) as u8).collect::<Vec<u8>>();
        let split = |content: Vec<u8>| content.chunks(piece).map(shared).collect();
        let bodies = (0..(32 << 20) / body).map(|n| split(content(n))).collect();
        Self { bodies, next: AtomicUsize::new(0) }
    }

    fn next(&self) -> &[Bytes] {
        &self.bodies[self.next.fetch_add(1, Relaxed) % self.bodies.len()]
    }
}

/// Memory of its own, as a chunk has. The first clone of `Bytes` allocates their count; that is
/// done.
fn shared(piece: &[u8]) -> Bytes {
    let piece = Bytes::copy_from_slice(piece);
    drop(black_box(piece.clone()));
    piece
}

/// A connection on this machine, to a thread that reads and discards.
struct Socket {
    stream: TcpStream,
    memory: Vec<u8>,
    reader: TcpStream,
}

impl Socket {
    fn open() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("a bound listener");
        let stream = TcpStream::connect(address).expect("a listening port");
        let (reader, _) = listener.accept().expect("a connection");
        Self { stream, memory: Vec::new(), reader }
    }

    /// The first body arrives as it was sent; then a thread discards what arrives.
    fn check(&self, bodies: &Bodies, send: Send) {
        let pieces = bodies.next();
        let clone = |stream: &TcpStream| stream.try_clone().expect("a descriptor");
        let mut sender =
            Socket { stream: clone(&self.stream), memory: Vec::new(), reader: clone(&self.reader) };
        let mut reader = clone(&self.reader);
        thread::scope(|scope| {
            scope.spawn(|| send(pieces, &mut sender));
            let mut arrived = vec![0; pieces.iter().map(Bytes::len).sum()];
            reader.read_exact(&mut arrived).expect("a whole body");
            assert!(arrived == pieces.concat(), "other bytes arrived than were sent");
        });
        thread::spawn(move || {
            let mut buffer = vec![0; 1 << 20];
            while reader.read(&mut buffer).is_ok_and(|count| count > 0) {}
        });
    }
}
