//! Bounded reads of small system files.

use spanwise_worker::__private::open_regular;
use std::io::{self, ErrorKind, Read as _};

/// The text of the first of `paths` that exists; bytes that are not UTF-8 become U+FFFD. `None` if
/// none exists.
///
/// A pipe or a device is an error, because its read may block. A file above 256 KiB is an error too.
pub(super) fn read_first(paths: &[&str]) -> io::Result<Option<String>> {
    for path in paths {
        match read(path) {
            Ok(text) => return Ok(Some(text)),
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(io::Error::new(error.kind(), format!("{path}: {error}"))),
        }
    }
    Ok(None)
}

fn read(path: &str) -> io::Result<String> {
    let mut bytes = Vec::new();
    // The read accepts one byte more than the limit, because files under `/proc` have no length.
    open_regular(path.as_ref())?.take(MAX_BYTES + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MAX_BYTES {
        return Err(io::Error::other(format!("accepted are up to {MAX_BYTES} bytes")));
    }
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// A host with thousands of mounts has a `mountinfo` of this size.
const MAX_BYTES: u64 = 256 << 10;
