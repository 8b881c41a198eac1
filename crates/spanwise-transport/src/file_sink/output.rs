//! The file or the standard output, and lines written to it.

use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::error::FileSinkError;

/// Where lines are written.
pub(super) struct Output {
    file: File,
    /// The maximum size of a regular file; `None` for the standard output.
    max_bytes: Option<u64>,
    /// Of a regular file.
    path: Option<PathBuf>,
    /// The path, or the name of the standard output.
    name: String,
    /// The last line is incomplete.
    is_torn: bool,
}

impl Output {
    /// Opens or creates the regular file at `path` for appending.
    pub(super) fn file(path: &Path, max_bytes: u64) -> Result<Self, FileSinkError> {
        let name = path.display().to_string();
        let refused = |problem: String| FileSinkError::Path { path: name.clone(), problem };
        // Before it is opened: the open of a pipe without a reader would wait.
        if std::fs::metadata(path).is_ok_and(|metadata| !metadata.is_file()) {
            return Err(refused("it is no regular file".to_owned()));
        }
        let file = open(path).map_err(|error| refused(error.to_string()))?;
        // Also after the program has changed its folder.
        let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        Ok(Self { file, max_bytes: Some(max_bytes), path: Some(path), name, is_torn: false })
    }

    /// A descriptor of the standard output of its own.
    ///
    /// Without std's lock: a thread that holds it while it waits for the reader of a pipe would stop every
    /// `println!` of the program, and a child that is forked meanwhile would inherit the lock.
    pub(super) fn standard_output() -> Result<Self, FileSinkError> {
        let duplicate = || -> io::Result<File> {
            #[cfg(unix)]
            return std::os::fd::AsFd::as_fd(&io::stdout()).try_clone_to_owned().map(File::from);
            #[cfg(windows)]
            return std::os::windows::io::AsHandle::as_handle(&io::stdout())
                .try_clone_to_owned()
                .map(File::from);
            #[cfg(not(any(unix, windows)))]
            return Err(ErrorKind::Unsupported.into());
        };
        let file = duplicate()
            .map_err(|error| FileSinkError::StandardOutput { problem: error.to_string() })?;
        let name = "the standard output".to_owned();
        Ok(Self { file, max_bytes: None, path: None, name, is_torn: false })
    }

    /// A second handle of the same file.
    pub(super) fn try_clone(&self) -> io::Result<Self> {
        let file = self.file.try_clone()?;
        let Self { max_bytes, is_torn, .. } = *self;
        let (path, name) = (self.path.clone(), self.name.clone());
        Ok(Self { file, max_bytes, path, name, is_torn })
    }

    /// The path, or the name of the standard output.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Writes `line`, which ends with a line feed. Waits for the reader of a pipe until `is_cancelled`.
    ///
    /// # Errors
    /// The line was not written completely.
    pub(super) fn write_line(
        &mut self,
        line: &[u8],
        is_cancelled: impl Fn() -> bool,
    ) -> io::Result<()> {
        self.reopen_if_moved()?;
        let start = match self.max_bytes {
            None => None,
            Some(max_bytes) => {
                let len = self.file.metadata()?.len();
                if len.saturating_add(line.len() as u64) > max_bytes {
                    return Err(full(len, max_bytes));
                }
                Some(len)
            }
        };
        if self.is_torn {
            write_all(&mut self.file, b"\n", &is_cancelled).map_err(|(error, _)| error)?;
            self.is_torn = false;
        }
        write_all(&mut self.file, line, &is_cancelled).map_err(|(error, written)| {
            self.is_torn = written > 0 && !self.removed(start, written);
            error
        })
    }

    /// Opens the file at the path again if it is another one than the open one, or none: what is written to a file
    /// that was removed exists nowhere, and one that was renamed is for others to compress or to remove.
    #[cfg(unix)]
    fn reopen_if_moved(&mut self) -> io::Result<()> {
        use std::os::unix::fs::MetadataExt;
        let Some(path) = &self.path else { return Ok(()) };
        let id = |metadata: std::fs::Metadata| (metadata.dev(), metadata.ino());
        let is_same = match std::fs::metadata(path) {
            Ok(metadata) if !metadata.is_file() => {
                return Err(io::Error::other("its path is no regular file any more"));
            }
            Ok(metadata) => id(metadata) == id(self.file.metadata()?),
            Err(error) if error.kind() == ErrorKind::NotFound => false,
            Err(error) => return Err(error),
        };
        if !is_same {
            self.file = open(path)?;
            self.is_torn = false;
        }
        Ok(())
    }

    /// Other systems do not remove a file that is open, or do not report its identity.
    #[cfg(not(unix))]
    fn reopen_if_moved(&mut self) -> io::Result<()> {
        if let Some(path) = self.path.as_deref().filter(|path| !path.exists()) {
            self.file = open(path)?;
            self.is_torn = false;
        }
        Ok(())
    }

    /// Removes the `written` bytes of an incomplete line that starts at `start`; returns whether it did.
    fn removed(&self, start: Option<u64>, written: usize) -> bool {
        let Some(start) = start else { return false };
        // Another process may have appended since.
        let is_last = self.file.metadata().is_ok_and(|m| m.len() == start + written as u64);
        is_last && self.file.set_len(start).is_ok()
    }
}

/// Opens the file for appending, or creates it.
fn open(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.append(true).create(true);
    // Attributes may be personal data.
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

/// Writes all of `bytes`; the error comes with the number of bytes written before it.
fn write_all(
    out: &mut impl Write,
    bytes: &[u8],
    is_cancelled: impl Fn() -> bool,
) -> Result<(), (io::Error, usize)> {
    let mut written = 0;
    while let Some(rest) = bytes.get(written..).filter(|rest| !rest.is_empty()) {
        match out.write(rest) {
            Ok(0) => return Err((ErrorKind::WriteZero.into(), written)),
            Ok(len) => written += len,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            // Another owner of the descriptor made it non-blocking.
            Err(error) if error.kind() == ErrorKind::WouldBlock && !is_cancelled() => {
                std::thread::sleep(POLL);
            }
            Err(error) => return Err((error, written)),
        }
    }
    Ok(())
}

#[cold]
fn full(len: u64, max_bytes: u64) -> io::Error {
    io::Error::other(format!(
        "the file has {len} bytes, and the request would exceed {max_bytes} (with_max_file_bytes)"
    ))
}

impl fmt::Debug for Output {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&crate::text::sanitize(&self.name))
    }
}

/// The wait between two attempts to write to a full pipe.
const POLL: Duration = Duration::from_millis(5);

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::VecDeque;

    /// A writer with an answer for each call.
    struct Answers(VecDeque<io::Result<usize>>, Vec<u8>);

    impl Write for Answers {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let len = self.0.pop_front().unwrap_or(Ok(bytes.len()))?.min(bytes.len());
            self.1.extend_from_slice(&bytes[..len]);
            Ok(len)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn written(answers: Vec<io::Result<usize>>, cancelled: bool) -> (Option<ErrorKind>, String) {
        let mut out = Answers(answers.into(), Vec::new());
        let error = write_all(&mut out, b"a line\n", || cancelled).err();
        if let Some((_, written)) = &error {
            assert_eq!(*written, out.1.len());
        }
        (error.map(|(error, _)| error.kind()), String::from_utf8(out.1).unwrap())
    }

    #[test]
    fn short_writes_and_interrupts_are_continued() {
        let interrupt = || Err(ErrorKind::Interrupted.into());
        let wait = || Err(ErrorKind::WouldBlock.into());
        let whole = (None, "a line\n".to_owned());
        assert_eq!(written(vec![], false), whole);
        assert_eq!(written(vec![Ok(1), interrupt(), Ok(3), wait(), wait()], false), whole);
        let cancelled = (Some(ErrorKind::WouldBlock), "a ".to_owned());
        assert_eq!(written(vec![Ok(2), wait()], true), cancelled);
        for (answer, kind) in [
            (Ok(0), ErrorKind::WriteZero),
            (Err(ErrorKind::StorageFull.into()), ErrorKind::StorageFull),
        ] {
            assert_eq!(written(vec![Ok(2), answer], false), (Some(kind), "a ".to_owned()));
        }
    }
}
