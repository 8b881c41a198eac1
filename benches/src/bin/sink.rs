//! A receiver that prints its endpoint and, at the end of its input, the number of spans it received.

use spanwise_receiver::Receiver;
use std::error::Error;
use std::io::{Read as _, Write as _, stdin, stdout};

fn main() -> Result<(), Box<dyn Error>> {
    retain_memory();
    let receiver = Receiver::builder().start()?;
    writeln!(stdout(), "{}", receiver.http_endpoint())?;
    stdin().read_to_end(&mut Vec::new())?;
    writeln!(stdout(), "{}", receiver.stats().spans)?;
    Ok(())
}

/// Configures glibc to retain freed memory. By default it returns large blocks to the system at once and
/// takes new pages for the next request, and on two cores the receiver's time slows the measured
/// process.
fn retain_memory() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    // SAFETY: sets two numbers of the allocator; nothing else runs yet.
    unsafe {
        libc::mallopt(libc::M_MMAP_THRESHOLD, RETAINED_BYTES);
        libc::mallopt(libc::M_TRIM_THRESHOLD, RETAINED_BYTES);
    }
}

/// The retained bytes of one block and at the end of the heap.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
const RETAINED_BYTES: i32 = 256 << 20;
