//! The spans that the Collector's `file` exporter wrote.

use crate::peers::{Request, decoded, of_service, service_name, spans_of, wait_until};
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::time::Duration;

/// Waits for `count` spans of this service in the file, and returns all that came.
///
/// # Errors
/// The file is not what the exporter writes, or has fewer spans after a time.
pub(super) fn spans_in(file: &Path, service: &str, count: usize) -> Result<Request, String> {
    let mut found = Ok(Request::default());
    let has_all = wait_until(PATIENCE, || {
        found = read(file).map(|all| of_service(&all, service));
        found.as_ref().is_ok_and(|found| spans_of(found) >= count)
    });
    match found? {
        found if has_all => Ok(found),
        found => Err(format!("the Collector stored {} of {count} spans", spans_of(&found))),
    }
}

/// The services of all spans in the file so far.
///
/// # Errors
/// The file is not what the exporter writes.
pub(super) fn services_in(file: &Path) -> Result<BTreeSet<String>, String> {
    Ok(read(file)?.resource_spans.iter().filter_map(service_name).map(str::to_owned).collect())
}

/// All spans in the file so far; none without a file.
///
/// # Errors
/// The file is not what the exporter writes.
pub(super) fn read(file: &Path) -> Result<Request, String> {
    let bytes = fs::read(file).unwrap_or_default();
    let mut all = Request::default();
    for message in messages(&bytes) {
        all.resource_spans.extend(decoded(message)?.resource_spans);
    }
    Ok(all)
}

/// The complete messages, each with its length of four bytes in front.
fn messages(bytes: &[u8]) -> Vec<&[u8]> {
    let (mut rest, mut messages) = (bytes, Vec::new());
    while let Some((length, after)) = rest.split_first_chunk() {
        let length = u32::from_be_bytes(*length) as usize;
        let Some(message) = after.get(..length) else { break };
        messages.push(message);
        rest = after.get(length..).unwrap_or_default();
    }
    messages
}

/// The time for spans to arrive in the file.
const PATIENCE: Duration = Duration::from_secs(15);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_end_where_the_writer_is_not_done() {
        let bytes = b"\0\0\0\x02ab\0\0\0\0\0\0\0\x03cd";
        assert_eq!(messages(bytes), [b"ab".as_slice(), b""]);
        assert_eq!(messages(b"\0\0"), Vec::<&[u8]>::new());
    }
}
