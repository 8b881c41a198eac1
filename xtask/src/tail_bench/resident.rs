//! The memory of this process.

use std::fs;

/// Resident bytes.
///
/// # Errors
/// The system has no `/proc`.
pub(super) fn resident() -> Result<u64, String> {
    let text = fs::read_to_string("/proc/self/statm")
        .map_err(|error| format!("/proc/self/statm: {error}"))?;
    let pages = text.split_whitespace().nth(1).and_then(|pages| pages.parse::<u64>().ok());
    // SAFETY: reads a constant of the system.
    let page = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
    Ok(pages.ok_or("no resident pages")? * u64::try_from(page).unwrap_or(4_096))
}
