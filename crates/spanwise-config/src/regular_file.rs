//! The open of a file that may be a pipe or a device by mistake.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::Path;

/// Opens a regular file, links followed, for reading. The call does not wait.
///
/// # Errors
/// Those of the system, and [`io::ErrorKind::InvalidInput`] for a folder, a pipe, a socket or a device: its read may
/// wait or have no end.
///
/// A read of the file may fail with [`io::ErrorKind::WouldBlock`]: `/proc/kmsg` looks like a regular file.
pub(crate) fn open_regular(path: &Path) -> io::Result<File> {
    // The open alone of some devices has an effect, such as that of a tape.
    refuse_special(&fs::metadata(path)?)?;
    let mut options = OpenOptions::new();
    // The open of a pipe would wait for its writer, if one took the place of the file in between.
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::custom_flags(&mut options, libc::O_NONBLOCK);
    let file = options.read(true).open(path)?;
    refuse_special(&file.metadata()?)?;
    Ok(file)
}

fn refuse_special(file: &fs::Metadata) -> io::Result<()> {
    if file.is_file() {
        return Ok(());
    }
    let kind = if file.is_dir() { "a folder" } else { "a pipe, a socket or a device" };
    Err(io::Error::new(
        io::ErrorKind::InvalidInput,
        format!("it is {kind}; accepted is a regular file"),
    ))
}
