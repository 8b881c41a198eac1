use crate::split_mix::{INCREMENT, mix};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Instant, SystemTime};

/// A 64-bit random seed from the operating system's source of randomness, for a random number
/// generator.
///
/// A forked child and its parent receive different seeds, unlike with `RandomState`, whose keys a child
/// inherits. Not for keys of ciphers: if the system returns no randomness (an old kernel without a free
/// file descriptor, a sandbox), the seed is mixed from the time, the process id and addresses. Never
/// panics.
///
/// # Cost
/// A system call: some hundred nanoseconds. Early in a machine's start it waits until the kernel has
/// seeded its own generator.
pub fn random_seed() -> u64 {
    u64::from_ne_bytes(random_bytes())
}

/// Random bytes from the same source as [`random_seed`], of any number.
pub fn random_bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    if getrandom::getrandom(&mut bytes).is_err() {
        mix_into(&mut bytes);
    }
    bytes
}

/// The fallback without the system's randomness: fills `bytes` with a hash that differs between
/// processes, threads and calls.
fn mix_into(bytes: &mut [u8]) {
    let here = 0_u8;
    let since_epoch = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let parts = [
        since_epoch.as_nanos() as u64,
        u64::from(std::process::id()),
        &raw const here as u64,
        (mix_into as fn(&mut [u8])) as usize as u64,
        CALLS.fetch_add(1, Relaxed),
    ];
    let mut state = parts.into_iter().fold(0, |state, part| splitmix(state ^ part));
    // `Instant` has no method for its reading, but its `Debug` output contains it.
    state = format!("{:?}", Instant::now())
        .bytes()
        .fold(state, |state, byte| splitmix(state ^ u64::from(byte)));
    for chunk in bytes.chunks_mut(8) {
        state = splitmix(state);
        chunk.copy_from_slice(&state.to_ne_bytes()[..chunk.len()]);
    }
}

/// One step of SplitMix64: a bijection in which each input bit affects each output bit.
fn splitmix(state: u64) -> u64 {
    mix(state.wrapping_add(INCREMENT))
}

static CALLS: AtomicU64 = AtomicU64::new(0);

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn two_fallback_seeds_differ() {
        let mixed: HashSet<[u8; 16]> = (0..1000)
            .map(|_| {
                let mut bytes = [0; 16];
                mix_into(&mut bytes);
                bytes
            })
            .collect();
        assert_eq!(mixed.len(), 1000);
        for byte in 0..16 {
            let ones: u32 = mixed.iter().map(|bytes| bytes[byte].count_ones()).sum();
            assert!((3600..=4400).contains(&ones), "byte {byte} has {ones} of 8000 bits set");
        }
    }
}
