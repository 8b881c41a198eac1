//! The receiver is down for two minutes, and the service restarts meanwhile: no span is lost.
//!
//! ```text
//! cargo run --release --example outage --features spool [-- SECONDS]
//! ```
//!
//! The example runs itself as a process that makes spans, twice, one after the other in one directory, and checks what the
//! receiver has at the end.

use spanwise::{Snapshot, SpanKind, Spanwise, SpoolSettings};
use spanwise_receiver::{Collected, Receiver};
use std::collections::HashSet;
use std::error::Error;
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

/// Runs the outage, or, as the service that it starts, makes spans.
pub fn main() -> Result<ExitCode, Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["serve", address, directory, seconds] => {
            serve(address, Path::new(directory), seconds.parse()?)?;
            Ok(ExitCode::SUCCESS)
        }
        [] => outage(120.0),
        [seconds] => outage(seconds.parse()?),
        _ => Err("usage: outage [SECONDS]".into()),
    }
}

/// The service: it makes a hundred spans a second, and prints its ledger.
fn serve(address: &str, directory: &Path, seconds: f64) -> Result<(), Box<dyn Error>> {
    let spanwise = Spanwise::builder()
        .with_service_name("shop")
        .with_endpoint(format!("http://{address}"))
        // A request is given up after this time, and its spans go to the disk.
        .with_export_timeout(Duration::from_millis(500))
        .with_scheduled_delay(Duration::from_millis(100))
        .with_spool(SpoolSettings::new(directory).with_max_bytes(256 << 20))
        .build()?;
    let tracer = spanwise.tracer("shop");
    let until = Instant::now() + Duration::from_secs_f64(seconds);
    while Instant::now() < until {
        let mut span = tracer.root("GET /orders", SpanKind::Server);
        span.attribute("http.route", "/orders");
        span.finish();
        std::thread::sleep(Duration::from_millis(10));
    }
    // The second process waits for the end of the outage: what is on disk leaves once the receiver is back.
    while std::env::var_os("OUTAGE_DRAIN").is_some() && spanwise.ledger().spooled > 0 {
        std::thread::sleep(Duration::from_millis(10));
    }
    // The rest goes to the disk.
    let report = spanwise.shutdown_timeout(Duration::from_secs(5))?;
    print_ledger(&report.ledger);
    Ok(())
}

/// One line for the process that started this one.
fn print_ledger(ledger: &Snapshot) {
    let Snapshot { created, recovered, exported, spooled, in_flight, .. } = ledger;
    let dropped = ledger.dropped_total();
    println!("{created} {recovered} {exported} {dropped} {spooled} {in_flight}");
}

/// An outage of this time, of which the service restarts after half.
pub fn outage(seconds: f64) -> Result<ExitCode, Box<dyn Error>> {
    // A port without a listener: the receiver is down.
    let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
    let directory = std::env::temp_dir().join(format!("spanwise-outage-{}", std::process::id()));
    println!(
        "the receiver at {address} is down for {seconds} s, and the service restarts after half of them"
    );

    let first = run(address, &directory, seconds / 2.0, false)?;
    print("first process", first);
    let collected = Collected::new(256 << 20);
    let handler = collected.handler();
    let back = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_secs_f64(seconds / 2.0));
        Receiver::builder().with_address(address).with_handler(handler).start()
    });
    // One second longer than the outage.
    let second = run(address, &directory, seconds / 2.0 + 1.0, true)?;
    print("second process", second);
    let _receiver = back.join().map_err(|_| "the receiver panicked")??;
    // A request without an answer in time is sent again: its spans may arrive twice.
    let different: HashSet<_> = collected.span_ids().into_iter().collect();
    let received = different.len() as u64;
    let _best_effort = std::fs::remove_dir_all(&directory);

    let created = first.created + second.created;
    println!("{created} spans created, {received} different ones received");
    let is_complete = received == created
        && second.recovered == first.spooled
        && (first.dropped, second.dropped) == (0, 0)
        && (second.spooled, second.in_flight) == (0, 0);
    println!("{}", if is_complete { "no span was lost" } else { "SPANS WERE LOST" });
    Ok(if is_complete { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The ledger of a process.
#[derive(Clone, Copy)]
struct Account {
    created: u64,
    recovered: u64,
    exported: u64,
    dropped: u64,
    spooled: u64,
    in_flight: u64,
}

fn run(
    address: SocketAddr,
    directory: &Path,
    seconds: f64,
    drains: bool,
) -> Result<Account, Box<dyn Error>> {
    let mut command = Command::new(std::env::current_exe()?);
    command.arg("serve").arg(address.to_string()).arg(directory).arg(seconds.to_string());
    if drains {
        command.env("OUTAGE_DRAIN", "1");
    }
    let output = command.stderr(std::process::Stdio::inherit()).output()?;
    let text = String::from_utf8(output.stdout)?;
    let numbers: Vec<u64> = text.split_whitespace().map(str::parse).collect::<Result<_, _>>()?;
    match numbers[..] {
        [created, recovered, exported, dropped, spooled, in_flight] => {
            Ok(Account { created, recovered, exported, dropped, spooled, in_flight })
        }
        _ => Err(format!("the service printed: {text}").into()),
    }
}

fn print(name: &str, account: Account) {
    let Account { created, recovered, exported, dropped, spooled, in_flight } = account;
    println!(
        "{name}: created {created} + recovered {recovered} = exported {exported} + dropped {dropped} + spooled {spooled} + in flight {in_flight}"
    );
}
