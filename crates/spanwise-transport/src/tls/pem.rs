//! PEM text of settings and files.

use std::borrow::Cow;
use std::fs::Metadata;
use std::io::{self, Read as _};
use std::path::Path;
use std::time::SystemTime;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem};

use crate::tls_settings::PemSource;

impl PemSource {
    /// The PEM text. Reads a file of at most [`MAX_PEM_BYTES`].
    fn text(&self) -> Result<Cow<'_, [u8]>, String> {
        match self {
            Self::Text(pem) => Ok(Cow::Borrowed(pem)),
            Self::File(path) => match read(path) {
                Ok(pem) => Ok(Cow::Owned(pem)),
                Err(_) if spanwise_worker::__private::is_pem(&path.to_string_lossy()) => {
                    Err("it is a certificate or a key itself, not the path of its file".to_owned())
                }
                Err(error) => Err(crate::text::sanitize(&crate::tcp::os_message(&error))),
            },
        }
    }

    /// The certificates in the text, at least one.
    ///
    /// # Errors
    /// The problem in words. The parser's own errors quote the text, which may be a key by mistake.
    pub(super) fn certificates(&self) -> Result<Vec<CertificateDer<'static>>, String> {
        let text = self.text()?;
        let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&text).collect();
        match certificates {
            Ok(certificates) if certificates.is_empty() => {
                Err("it holds no certificate".to_owned())
            }
            Ok(certificates) => Ok(certificates),
            Err(_) => Err(MALFORMED.to_owned()),
        }
    }

    /// The first private key in the text.
    ///
    /// # Errors
    /// As [`certificates`](Self::certificates).
    pub(super) fn private_key(&self) -> Result<PrivateKeyDer<'static>, String> {
        let text = self.text()?;
        match PrivateKeyDer::from_pem_slice(&text) {
            Ok(key) => Ok(key),
            Err(_) if is_encrypted(&text) => Err("the private key is encrypted".to_owned()),
            Err(pem::Error::NoItemsFound) => Err("it holds no private key".to_owned()),
            Err(_) => Err(MALFORMED.to_owned()),
        }
    }

    /// The stamp of the file; `None` for text, and while the file cannot be examined.
    pub(super) fn stamp(&self) -> Option<FileStamp> {
        match self {
            Self::Text(_) => None,
            Self::File(path) => std::fs::metadata(path).ok().map(|file| FileStamp::of(&file)),
        }
    }
}

/// Identifies the content of a file without reading it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct FileStamp {
    modified: Option<SystemTime>,
    /// When content, owner or mode changed, in seconds and nanoseconds. It cannot be set to another time.
    changed: (i64, i64),
    len: u64,
    /// A secret mounted by Kubernetes is a link that moves to another file.
    inode: u64,
}

impl FileStamp {
    fn of(file: &Metadata) -> Self {
        #[cfg(unix)]
        let (changed, inode) = {
            use std::os::unix::fs::MetadataExt as _;
            ((file.ctime(), file.ctime_nsec()), file.ino())
        };
        #[cfg(not(unix))]
        let (changed, inode) = ((0, 0), 0);
        Self { modified: file.modified().ok(), changed, len: file.len(), inode }
    }
}

/// Reads a regular file of a bounded length.
fn read(path: &Path) -> io::Result<Vec<u8>> {
    let file = spanwise_worker::__private::open_regular(path)?;
    if file.metadata()?.len() > MAX_PEM_BYTES {
        return Err(io::Error::other("larger than 1 MiB"));
    }
    let mut pem = Vec::new();
    file.take(MAX_PEM_BYTES).read_to_end(&mut pem)?;
    Ok(pem)
}

/// Whether the text has a private key that is encrypted, as PKCS#8 or in OpenSSL's older form (RFC 1421, 4.6.1.1).
fn is_encrypted(pem: &[u8]) -> bool {
    const MARKS: [&[u8]; 2] = [b"-----BEGIN ENCRYPTED PRIVATE KEY-----", b"Proc-Type: 4,ENCRYPTED"];
    MARKS.iter().any(|mark| pem.windows(mark.len()).any(|window| window == *mark))
}

const MAX_PEM_BYTES: u64 = 1 << 20;
const MALFORMED: &str = "its PEM is malformed";
