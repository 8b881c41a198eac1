//! `uname` of POSIX.
#![allow(unsafe_code)]

use std::ffi::CStr;
use std::io;
use std::mem::MaybeUninit;

/// The name of this machine in its network.
pub(in super::super) fn host_name() -> io::Result<Option<String>> {
    uname().map(|names| text(&names.nodename))
}

/// The release of the kernel.
pub(in super::super) fn os_version() -> io::Result<Option<String>> {
    uname().map(|names| text(&names.release))
}

fn uname() -> io::Result<libc::utsname> {
    let mut names = MaybeUninit::<libc::utsname>::zeroed();
    // SAFETY: `names` is a `utsname` to be written; the call keeps no pointer to it.
    if unsafe { libc::uname(names.as_mut_ptr()) } < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: a `utsname` consists of arrays of characters, for which all bytes are valid: the zeros from
    // above and the bytes that the call wrote.
    Ok(unsafe { names.assume_init() })
}

/// The text before the first zero; `None` without a zero.
fn text(characters: &[libc::c_char]) -> Option<String> {
    let bytes: Vec<u8> = characters.iter().map(|&character| character as u8).collect();
    let text = CStr::from_bytes_until_nul(&bytes).ok()?;
    Some(text.to_string_lossy().into_owned())
}
