//! `service.instance.id`: one random UUID for each process.

use super::detected::Detected;
use spanwise_worker::{fork, random_bytes};
use std::sync::{Mutex, PoisonError, TryLockError};

pub(super) fn detect(detected: &mut Detected) {
    detected.add("service.instance.id", of_this_process());
}

fn of_this_process() -> String {
    // In a forked child no thread releases a lock that another thread held at the fork.
    for _ in 0..TRIES {
        let mut instance = match INSTANCE.try_lock() {
            Ok(instance) => instance,
            Err(TryLockError::Poisoned(poisoned)) => PoisonError::into_inner(poisoned),
            Err(TryLockError::WouldBlock) => {
                std::thread::yield_now();
                continue;
            }
        };
        let process = fork::generation();
        return match &*instance {
            Some((made_in, id)) if *made_in == process => id.clone(),
            _ => {
                let id = uuid();
                *instance = Some((process, id.clone()));
                id
            }
        };
    }
    uuid()
}

/// A random UUID: version 4, variant 10 (RFC 9562).
fn uuid() -> String {
    let random = u128::from_be_bytes(random_bytes());
    let versioned = random & !(0xf << 76) | 0x4 << 76;
    let uuid = versioned & !(0b11 << 62) | 0b10 << 62;
    let hex = format!("{uuid:032x}");
    let mut text = String::with_capacity(36);
    for (place, digit) in hex.chars().enumerate() {
        if matches!(place, 8 | 12 | 16 | 20) {
            text.push('-');
        }
        text.push(digit);
    }
    text
}

/// The id, and the [`fork::generation`] of the process that generated it.
static INSTANCE: Mutex<Option<(u32, String)>> = Mutex::new(None);
/// Attempts to lock; another thread holds the lock for about a microsecond.
const TRIES: usize = 1000;
