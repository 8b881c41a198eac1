//! The process of the hostile clients.

use super::attacks::{Target, all};
use serde_json::json;
use spanwise_testkit::SplitMix64;
use spanwise_testkit::hostile::{connect, head};
use std::collections::BTreeMap;
use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// Attacks until its time has passed, and prints what it did.
///
/// # Errors
/// The arguments are not those of the command.
pub(in super::super) fn run(arguments: &[String]) -> Result<(), String> {
    let numbers: Option<Vec<u64>> = arguments.iter().map(|it| it.parse().ok()).collect();
    let Some([open, guarded, millis]) = numbers.as_deref() else {
        return Err("the process of hostile clients is started by this command alone".to_owned());
    };
    // The clients of a real node have processors of their own.
    // SAFETY: changes the priority of this process.
    unsafe { libc::nice(10) };
    let address = |port: u64| SocketAddr::from((Ipv4Addr::LOCALHOST, port as u16));
    let target = Target { open: address(*open), guarded: address(*guarded) };
    let attacks = all().map_err(|error| error.to_string())?;
    let until = Instant::now() + Duration::from_millis(*millis);
    println!("{READY}");
    let results: Mutex<(BTreeMap<&str, u64>, Vec<String>)> = Mutex::default();
    let slow = thread::scope(|scope| {
        for thread in 0..THREADS {
            let (attacks, results) = (&attacks, &results);
            scope.spawn(move || {
                let mut random = SplitMix64::new(thread as u64);
                let begin = thread * attacks.len() / THREADS;
                for attack in attacks.iter().cycle().skip(begin) {
                    if Instant::now() >= until {
                        break;
                    }
                    let wrong = attack.run(target, &mut random);
                    let mut results = results.lock().unwrap_or_else(PoisonError::into_inner);
                    *results.0.entry(attack.name).or_default() += 1;
                    if results.1.len() < MAX_WRONG {
                        results.1.extend(wrong);
                    }
                    drop(results);
                    thread::sleep(PAUSE);
                }
            });
        }
        scope.spawn(|| hold(target.open, until)).join().unwrap_or_default()
    });
    let (attacks, wrong) = results.into_inner().unwrap_or_else(PoisonError::into_inner);
    println!("{}", json!({ "attacks": attacks, "wrong": wrong, "slow": slow }));
    Ok(())
}

/// Holds connections that send next to nothing, and opens others when the node closes them. Returns how many there were.
fn hold(address: SocketAddr, until: Instant) -> u64 {
    // Nothing, headers without an end, a body without an end.
    let openings = [String::new(), head("x: "), head("content-length: 1000000\r\n\r\n")];
    let mut connections: Vec<TcpStream> = Vec::new();
    let mut opened = 0;
    while Instant::now() < until {
        connections.retain_mut(is_open);
        while connections.len() < SLOW {
            let Ok(mut stream) = connect(address) else { break };
            let opening = openings.get(opened as usize % openings.len());
            let written = opening.map(|opening| stream.write_all(opening.as_bytes()));
            if matches!(written, Some(Ok(()))) && stream.set_nonblocking(true).is_ok() {
                connections.push(stream);
            }
            opened += 1;
        }
        thread::sleep(DRIP);
        for (index, stream) in connections.iter_mut().enumerate() {
            if index % openings.len() > 0 {
                // A connection that was closed is found by the next read.
                _ = stream.write(b"0");
            }
        }
    }
    opened
}

/// Whether the node has not closed the connection.
fn is_open(stream: &mut TcpStream) -> bool {
    let mut bytes = [0; 64];
    match stream.read(&mut bytes) {
        Ok(read) => read > 0,
        Err(error) => error.kind() == ErrorKind::WouldBlock,
    }
}

/// The first line of the process, right before its first attack.
pub(super) const READY: &str = "ready";
/// The first argument of the process.
pub(in super::super) const NAME: &str = "the-hostile-clients";
const THREADS: usize = 4;
const PAUSE: Duration = Duration::from_millis(2);
/// More than the connections that the node permits by default.
const SLOW: usize = 300;
const DRIP: Duration = Duration::from_millis(100);
/// Answers that are reported.
const MAX_WRONG: usize = 5;
