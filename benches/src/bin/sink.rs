//! A receiver that says where it is, and at the end of its input what it got.

use spanwise_receiver::Receiver;
use std::error::Error;
use std::io::{Read as _, Write as _, stdin, stdout};

fn main() -> Result<(), Box<dyn Error>> {
    keep_memory();
    let receiver = Receiver::builder().start()?;
    writeln!(stdout(), "{}", receiver.http_endpoint())?;
    stdin().read_to_end(&mut Vec::new())?;
    writeln!(stdout(), "{}", receiver.stats().spans)?;
    Ok(())
}

/// glibc gives large blocks back to the system at once, and takes new pages for the next request.
/// The receiver is not what is measured, and on two cores its time is everybody's.
fn keep_memory() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    // SAFETY: sets two numbers of the allocator; nothing else runs yet.
    unsafe {
        libc::mallopt(libc::M_MMAP_THRESHOLD, KEPT_BYTES);
        libc::mallopt(libc::M_TRIM_THRESHOLD, KEPT_BYTES);
    }
}

/// Of one block, and at the end of the heap.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
const KEPT_BYTES: i32 = 256 << 20;
