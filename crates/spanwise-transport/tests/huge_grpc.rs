//! As `huge.rs`, over gRPC: a peer that answers with a GiB of frames, as fast as the client lets it.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on must fail")]

use std::io::{self, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

use spanwise_testkit::{CountingAllocator, allocator};
use spanwise_transport::{
    Delivery, Endpoint, Failure, Outcome, Protocol, ResponseStatus, RetryPolicy, Transport,
};

#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator;

const GIB: usize = 1 << 30;
/// The limit for what the client allocates, in bytes.
const MAX_RISE: u64 = 256 << 10;
const PATIENCE: Duration = Duration::from_secs(30);
/// A request whose retry would wait for longer than its deadline fails at once.
const NO_RETRY: Duration = Duration::from_secs(1_000_000);
/// The largest frame that a client allows by default. On no heap.
static ZEROS: [u8; 16 << 10] = [0; 16 << 10];

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const WINDOW_UPDATE: u8 = 8;
const CONTINUATION: u8 = 9;
const ACK: u8 = 1;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;
const INITIAL_WINDOW_SIZE: u16 = 4;
const DEFAULT_WINDOW: i64 = 65_535;

/// The answer of the peer to each request.
#[derive(Debug, Clone, Copy)]
enum Flood {
    /// Headers in HPACK, then a GiB of data that begins with these bytes.
    Data { headers: &'static [u8], first: &'static [u8] },
    /// A GiB of header fields: `HEADERS`, and `CONTINUATION` without end.
    Headers,
    /// A message, and then a GiB of trailers.
    Trailers,
}

/// Answers the requests of each connection.
fn serve(flood: Flood) -> Endpoint {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(stream) = stream else { return };
            let mut peer = Peer { stream, connection: DEFAULT_WINDOW, initial: DEFAULT_WINDOW };
            let _ends = peer.run(flood);
        }
    });
    Endpoint::parse_grpc("ENDPOINT", &address, true).unwrap()
}

/// A server of HTTP/2 that obeys the windows of its client and allocates nothing.
struct Peer {
    stream: TcpStream,
    /// The window of the connection, and that of each new stream.
    connection: i64,
    initial: i64,
}

/// A frame of the client: its type, its flags and its stream, without what it holds.
struct Frame {
    kind: u8,
    flags: u8,
    stream: u32,
    /// The first bytes of its payload.
    payload: [u8; 4],
}

impl Peer {
    fn run(&mut self, flood: Flood) -> io::Result<()> {
        self.stream.read_exact(&mut [0; 24])?;
        self.write(SETTINGS, 0, 0, &[])?;
        loop {
            let frame = self.read()?;
            if matches!(frame.kind, DATA | HEADERS) && frame.flags & END_STREAM != 0 {
                self.answer(flood, frame.stream)?;
            }
        }
    }

    fn answer(&mut self, flood: Flood, stream: u32) -> io::Result<()> {
        // `:status: 200`, and `content-type` (31 of the static table) in plain text.
        const GRPC: &[u8] = b"\x88\x0f\x10\x10application/grpc";
        match flood {
            Flood::Data { headers, first } => {
                self.write(HEADERS, END_HEADERS, stream, headers)?;
                self.data(stream, first)
            }
            Flood::Headers => {
                self.write(HEADERS, 0, stream, GRPC)?;
                self.fields(stream)
            }
            Flood::Trailers => {
                self.write(HEADERS, END_HEADERS, stream, GRPC)?;
                self.write(DATA, 0, stream, &[0; 5])?;
                self.write(HEADERS, END_STREAM, stream, b"\x00\x0bgrpc-status\x010")?;
                self.fields(stream)
            }
        }
    }

    /// Header fields without end, each with a name of one byte and 100 bytes of value.
    fn fields(&mut self, stream: u32) -> io::Result<()> {
        let mut block = [b'x'; 103 * 100];
        for field in block.chunks_exact_mut(103) {
            field[..3].copy_from_slice(b"\x00\x01x");
            // The length takes the place of the first byte of the value.
            field[3] = 99;
        }
        for _ in 0..GIB / block.len() {
            self.write(CONTINUATION, 0, stream, &block)?;
        }
        Ok(())
    }

    fn data(&mut self, stream: u32, first: &[u8]) -> io::Result<()> {
        let (mut window, mut sent, mut first) = (self.initial, 0, Some(first));
        while sent < GIB {
            while window <= 0 || self.connection <= 0 {
                let frame = self.read()?;
                match frame.kind {
                    RST_STREAM => return Ok(()),
                    WINDOW_UPDATE if frame.stream == stream => window += frame.increment(),
                    _ => {}
                }
            }
            let allowed = usize::try_from(window.min(self.connection)).unwrap();
            let piece = first.take().unwrap_or(&ZEROS[..allowed.min(ZEROS.len())]);
            self.write(DATA, 0, stream, piece)?;
            let len = i64::try_from(piece.len()).unwrap();
            (window, self.connection, sent) =
                (window - len, self.connection - len, sent + piece.len());
        }
        Ok(())
    }

    fn read(&mut self) -> io::Result<Frame> {
        let mut head = [0; 9];
        self.stream.read_exact(&mut head)?;
        let [a, b, c, kind, flags, stream @ ..] = head;
        let mut left = u32::from_be_bytes([0, a, b, c]) as usize;
        let mut frame = Frame { kind, flags, stream: u32::from_be_bytes(stream), payload: [0; 4] };
        let mut bytes = [0; 1024];
        let mut is_first = true;
        while left > 0 {
            let piece = &mut bytes[..left.min(1024)];
            self.stream.read_exact(piece)?;
            left -= piece.len();
            if is_first && piece.len() >= 4 {
                frame.payload.copy_from_slice(&piece[..4]);
            }
            if is_first && kind == SETTINGS && flags & ACK == 0 {
                for setting in piece.chunks_exact(6) {
                    if u16::from_be_bytes([setting[0], setting[1]]) == INITIAL_WINDOW_SIZE {
                        let size: [u8; 4] = setting[2..].try_into().unwrap();
                        self.initial = u32::from_be_bytes(size).into();
                    }
                }
            }
            is_first = false;
        }
        match kind {
            SETTINGS if flags & ACK == 0 => self.write(SETTINGS, ACK, 0, &[])?,
            PING if flags & ACK == 0 => self.write(PING, ACK, 0, &bytes[..8])?,
            WINDOW_UPDATE if frame.stream == 0 => self.connection += frame.increment(),
            _ => {}
        }
        Ok(frame)
    }

    fn write(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) -> io::Result<()> {
        let len = u32::try_from(payload.len()).unwrap().to_be_bytes();
        let id = stream.to_be_bytes();
        let head = [len[1], len[2], len[3], kind, flags, id[0], id[1], id[2], id[3]];
        self.stream.write_all(&head)?;
        self.stream.write_all(payload)
    }
}

impl Frame {
    fn increment(&self) -> i64 {
        u32::from_be_bytes(self.payload).into()
    }
}

/// As in `huge.rs`: the second delivery, and the rise of the heap meanwhile.
fn send(endpoint: Endpoint) -> (Delivery, u64) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let transport = Transport::builder()
        .with_protocol(Protocol::Grpc)
        .with_endpoint(endpoint)
        .with_retry(RetryPolicy::default().with_initial(NO_RETRY).with_cap(NO_RETRY))
        .with_request_timeout(PATIENCE)
        .with_attempt_timeout(PATIENCE)
        .build()
        .unwrap();
    runtime.block_on(transport.send(b"\n\0".to_vec()));
    let before = allocator::reset_peak();
    let delivery = runtime.block_on(transport.send(b"\n\0".to_vec()));
    (delivery, allocator::heap().peak - before)
}

#[test]
fn a_grpc_answer_of_a_gib_costs_little_memory() {
    const GRPC: &[u8] = b"\x88\x0f\x10\x10application/grpc";
    // With `grpc-encoding: gzip`.
    const GZIP: &[u8] = b"\x88\x0f\x10\x10application/grpc\x00\x0dgrpc-encoding\x04gzip";
    // `:status: 400`, which is 12 of the static table.
    const BAD_REQUEST: &[u8] = b"\x8c";
    let too_large = Some(Failure::ResponseTooLarge);
    let rejected = Some(Failure::Rejected { status: ResponseStatus::Http(400) });
    let prefix = b"\0\x40\0\0\0";
    // `None`: any failure.
    let cases = [
        (Flood::Data { headers: GRPC, first: prefix }, too_large),
        // A message of the right length, and bytes after it.
        (Flood::Data { headers: GRPC, first: &[0; 5] }, too_large),
        (Flood::Data { headers: GZIP, first: b"\x01\x40\0\0\0" }, too_large),
        // The status alone classifies a failure.
        (Flood::Data { headers: BAD_REQUEST, first: prefix }, rejected),
        (Flood::Headers, None),
        (Flood::Trailers, None),
    ];
    for (flood, expected) in cases {
        let (delivery, rise) = send(serve(flood));
        let Outcome::Failed(failure) = delivery.outcome else { panic!("{flood:?}: {delivery:?}") };
        assert!(expected.is_none_or(|it| it == failure), "{flood:?}: {delivery:?}");
        assert!(rise <= MAX_RISE, "{flood:?}: the heap has risen by {rise} bytes");
    }
}
