//! The bounds of one node whatever the load: its size, the time of its start and of its end, its memory under overload.

use super::load::{SPANS, TRACES, Template};
use super::options::Options;
use super::process::used;
use super::program;
use super::sender::{Load, Sent};
use crate::peers::{Running, Scratch, free_ports};
use spanwise_receiver::{Answer, Export, Limits, Receiver};
use spanwise_spool::Spool;
use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant, SystemTime};

/// A part of the command: its name, and what it does with the program.
type Part = (&'static str, fn(&Options, &Path, &Scratch) -> Result<(), String>);

const PARTS: [Part; 5] = [
    ("node-size", |_, _, scratch| size(scratch)),
    ("node-ready", |_, node, scratch| ready(node, scratch)),
    ("node-drain", |_, node, scratch| drain(node, scratch)),
    ("node-overload", |options, node, scratch| {
        overload(options, node, scratch, ("node-overload", ""))
    }),
    ("node-overload-tail", |options, node, scratch| {
        overload(options, node, scratch, ("node-overload-tail", TAIL))
    }),
];

/// Measures each part that is wanted, and compares it with its bound.
///
/// # Errors
/// A program does not start, or a bound is not met.
pub(super) fn run(options: &Options, node: &Path, scratch: &Scratch) -> Result<(), String> {
    for (name, part) in PARTS.iter().filter(|(name, _)| options.wants(name, false)) {
        part(options, node, scratch).map_err(|error| format!("{name}: {error}"))?;
    }
    Ok(())
}

/// The static binary that is shipped.
fn size(scratch: &Scratch) -> Result<(), String> {
    let path = program::dist(scratch)?;
    let bytes = fs::metadata(&path).map_err(|error| format!("{}: {error}", path.display()))?.len();
    println!("node-size: {:.1} MiB, static and stripped; at most 15", mib(bytes));
    at_most("MiB", mib(bytes), 15.0)
}

/// From the start of the process until `/readyz` answers 200: with an empty spool, and with 1 GiB in it.
fn ready(node: &Path, scratch: &Scratch) -> Result<(), String> {
    let directory = scratch.path().join("ready-spool");
    let destination = silent()?;
    let file = SPOOLED
        .replace("DESTINATION", &destination.to_string())
        .replace("SPOOL", &directory.display().to_string());
    let empty = (0..5).map(|_| started(node, scratch, &file)).collect::<Result<Vec<_>, _>>()?;
    let spans = fill(&directory, 1 << 30)?;
    let full = (0..5).map(|_| started(node, scratch, &file)).collect::<Result<Vec<_>, _>>()?;
    let [empty, full] = [empty, full].map(|mut times| {
        times.sort_by(f64::total_cmp);
        times[times.len() / 2]
    });
    println!(
        "node-ready: {empty:.0} ms with an empty spool, at most 200; {full:.0} ms with 1 GiB of {spans} spans in it, at most 2,000"
    );
    at_most("ms with an empty spool", empty, 200.0)?;
    at_most("ms with a full spool", full, 2_000.0)
}

/// Milliseconds until the node is ready. It ends at once: nothing is sent from the spool.
fn started(node: &Path, scratch: &Scratch, file: &str) -> Result<f64, String> {
    let begun = Instant::now();
    let running = Started::new(node, scratch, "ready", file)?;
    let millis = begun.elapsed().as_secs_f64() * 1e3;
    running.process.stop()?;
    Ok(millis)
}

/// Stores requests until the directory has about `bytes`, and returns their spans.
fn fill(directory: &Path, bytes: u64) -> Result<u64, String> {
    let failed = |error: &dyn std::fmt::Display| format!("{}: {error}", directory.display());
    let builder = Spool::builder().with_max_bytes(2 * bytes);
    let (mut spool, _) = builder.open(directory).map_err(|error| failed(&error))?;
    let (template, mut requests) = (Template::new(), 0);
    while spool.stats().bytes < bytes {
        for _ in 0..256 {
            let request = template.request(requests * TRACES);
            spool.append(SystemTime::now(), &request, SPANS).map_err(|error| failed(&error))?;
            requests += 1;
        }
        spool.sync(SystemTime::now()).map_err(|error| failed(&error))?;
    }
    Ok(requests * SPANS)
}

/// From SIGTERM to the end, with a destination that accepts connections and never answers.
fn drain(node: &Path, scratch: &Scratch) -> Result<(), String> {
    let mut worst = 0.0_f64;
    for processors in
        ["", "tail_sampling: {decision_wait: 1m, policies: [{name: all, type: always_sample}]}"]
    {
        let file = UNSPOOLED
            .replace("DESTINATION", &silent()?.to_string())
            .replace("PROCESSORS", processors);
        let running = Started::new(node, scratch, "drain", &file)?;
        let sent = running.load(Duration::from_secs(2), 4, Some(20_000)).run()?;
        let begun = Instant::now();
        let account = running.process.stop_with_line(r#""event":"account""#);
        let seconds = begun.elapsed().as_secs_f64();
        let account: serde_json::Value =
            serde_json::from_str(&account?).map_err(|error| error.to_string())?;
        let of = |place: &str| account.pointer(place).and_then(|it| it.as_u64()).unwrap_or(0);
        let dropped = of("/account/destinations/0/dropped");
        if of("/account/intake/accepted") < sent.accepted_spans || dropped < sent.accepted_spans {
            return Err(format!("{sent:?}, but the account is {account}"));
        }
        worst = worst.max((seconds - DEADLINE) * 1e3);
    }
    println!(
        "node-drain: {worst:.0} ms after the deadline of {DEADLINE} s, at most 50; all spans are in the account"
    );
    at_most("ms after the deadline", worst, 50.0)
}

/// A destination that takes a part of what the clients send: the node refuses the rest, and its memory does not grow.
fn overload(
    options: &Options,
    node: &Path,
    scratch: &Scratch,
    (name, processors): (&str, &str),
) -> Result<(), String> {
    let receiver = slow(TAKEN_A_SECOND)?;
    let file = UNSPOOLED
        .replace("DESTINATION", &receiver.address().to_string())
        .replace("PROCESSORS", processors);
    let running = Started::new(node, scratch, "overload", &file)?;
    let (id, load) =
        (running.process.id(), running.load(options.seconds, 64, Some(2 * TAKEN_A_SECOND)));
    let sender = thread::spawn(move || load.run());
    let mut resident = Vec::new();
    while !sender.is_finished() {
        thread::sleep(Duration::from_millis(200));
        resident.push(used(id)?.bytes);
    }
    let sent: Sent = sender.join().map_err(|_| "the sender panicked")??;
    let part = |from: usize, to: usize| {
        let (from, to) = (resident.len() * from / 4, resident.len() * to / 4);
        mib(resident.get(from..to).unwrap_or_default().iter().copied().max().unwrap_or(0))
    };
    let quarters = [part(0, 1), part(1, 2), part(2, 3), part(3, 4)];
    let [_, second, _, last] = quarters;
    println!(
        "{name}: {:.0} s, {:.0} spans/s accepted, {} attempts refused; at most {quarters:.1?} MiB resident in each quarter",
        sent.seconds,
        sent.accepted_spans as f64 / sent.seconds,
        sent.retries,
    );
    if sent.retries == 0 {
        return Err("nothing was refused: the load is none".to_owned());
    }
    at_most("of the memory of the second quarter", last / second, 1.05)?;
    at_most("MiB, the memory of the file", last, LIMIT_MIB)?;
    running.process.stop()
}

/// A node that is ready.
struct Started {
    process: Running,
    port: u16,
}

impl Started {
    fn new(node: &Path, scratch: &Scratch, name: &str, file: &str) -> Result<Self, String> {
        let [port, admin] = free_ports()?;
        let path: PathBuf = scratch.path().join(format!("{name}.yaml"));
        let file = file.replace("PORT", &port.to_string()).replace("ADMIN", &admin.to_string());
        fs::write(&path, file).map_err(|error| error.to_string())?;
        let mut command = Command::new(node);
        command.arg("--config").arg(&path);
        let process = Running::start(name, command)?;
        let patience = Instant::now() + Duration::from_secs(60);
        while !is_ready(admin) {
            if Instant::now() > patience {
                return Err(format!("the node is not ready\n{}", process.last_lines()));
            }
            thread::sleep(Duration::from_millis(1));
        }
        Ok(Self { process, port })
    }

    fn load(&self, duration: Duration, concurrency: usize, rate: Option<u64>) -> Load {
        let endpoint = format!("http://127.0.0.1:{}", self.port);
        Load { endpoint, is_grpc: true, first: 0, duration, concurrency, rate, requests: None }
    }
}

fn is_ready(admin: u16) -> bool {
    let request = b"GET /readyz HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
    let mut answer = [0; 12];
    TcpStream::connect((Ipv4Addr::LOCALHOST, admin))
        .and_then(|mut stream| {
            stream.write_all(request).and_then(|()| stream.read_exact(&mut answer))
        })
        .is_ok_and(|()| answer == *b"HTTP/1.1 200")
}

/// A destination that accepts connections and never answers, until this program ends.
fn silent() -> Result<SocketAddr, String> {
    let listener =
        TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(|error| error.to_string())?;
    let address = listener.local_addr().map_err(|error| error.to_string())?;
    thread::spawn(move || {
        let _open: Vec<_> = listener.incoming().collect();
    });
    Ok(address)
}

/// A destination that takes this many spans a second.
fn slow(spans_a_second: u64) -> Result<Receiver, String> {
    let next = Mutex::new(Instant::now());
    let handler = move |export: Export| {
        let due = {
            let mut next = next.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            let due = (*next).max(Instant::now());
            *next = due + Duration::from_secs_f64(export.spans as f64 / spans_a_second as f64);
            due
        };
        thread::sleep(due.saturating_duration_since(Instant::now()));
        Answer::Accept
    };
    let limits = Limits::default().with_memory_bytes(256 << 20);
    Receiver::builder()
        .with_limits(limits)
        .with_handler(handler)
        .start()
        .map_err(|error| error.to_string())
}

fn mib(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}

fn at_most(what: &str, measured: f64, bound: f64) -> Result<(), String> {
    if measured <= bound {
        return Ok(());
    }
    Err(format!("{measured:.2} {what}, more than {bound}"))
}

/// Seconds that a drain may take.
const DEADLINE: f64 = 2.0;
/// `memory` of the files.
const LIMIT_MIB: f64 = 128.0;
/// The rate of the slow destination.
const TAKEN_A_SECOND: u64 = 40_000;

const UNSPOOLED: &str = "\
memory: {limit_mib: 128}
receivers: [{endpoint: '127.0.0.1:PORT'}]
PROCESSORS
destinations: [{name: one, otlp: {endpoint: 'http://DESTINATION', protocol: grpc}}]
shutdown_timeout: 2s
logs: {format: json}
admin: {endpoint: '127.0.0.1:ADMIN'}
";
const SPOOLED: &str = "\
memory: {limit_mib: 128}
receivers: [{endpoint: '127.0.0.1:PORT'}]
destinations:
  - {name: one, otlp: {endpoint: 'http://DESTINATION', protocol: grpc}, spool: {directory: 'SPOOL', max_mib: 2048}}
shutdown_timeout: 1s
logs: {format: json}
admin: {endpoint: '127.0.0.1:ADMIN'}
";
/// Samples everything after a second, so that the destination decides about the rate.
const TAIL: &str =
    "tail_sampling: {decision_wait: 1s, policies: [{name: all, type: always_sample}]}";
