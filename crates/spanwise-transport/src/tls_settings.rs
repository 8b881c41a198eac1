//! Settings of TLS: whom a client trusts, and how it authenticates itself.

use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use crate::reload_observer::ReloadObserver;
use crate::{BuildError, CryptoProvider};

/// The TLS settings of a transport. Endpoints that are not `https` do not use them.
#[derive(Debug, Clone, Default)]
pub(crate) struct TlsSettings {
    pub(crate) roots: Roots,
    pub(crate) identity: Option<Identity>,
    pub(crate) observer: Option<ReloadObserver>,
    pub(crate) provider: CryptoProvider,
}

/// The root certificates that a client trusts.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) enum Roots {
    /// The roots that Mozilla ships, compiled in.
    #[default]
    BuiltIn,
    /// The roots of the operating system.
    System,
    /// The certificates of a setting.
    Pem(PemSource),
}

/// The certificate chain and the private key of a client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Identity {
    /// The builder's method that sets both.
    pub(crate) setting: &'static str,
    pub(crate) certificates: PemSource,
    pub(crate) key: PemSource,
}

/// How connections of a transport are made.
#[derive(Debug, Clone, Default)]
pub(crate) struct ConnectionSettings {
    pub(crate) tls: TlsSettings,
    pub(crate) http_version: crate::HttpVersion,
    #[cfg(feature = "proxy")]
    pub(crate) proxy: Option<crate::proxy::Proxy>,
}

/// Where a setting has its PEM text. `Debug` prints no text, and no path that may be one.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum PemSource {
    Text(Vec<u8>),
    File(PathBuf),
}

impl PemSource {
    /// The value as errors print it: a path, or a length.
    pub(crate) fn shown(&self) -> String {
        match self {
            Self::Text(pem) => format!("[{} bytes]", pem.len()),
            Self::File(path) => {
                let path = path.to_string_lossy();
                match spanwise_worker::__private::is_pem(&path) || path.len() > MAX_SHOWN_PATH {
                    true => format!("[{} bytes]", path.len()),
                    false => crate::text::sanitize(&path),
                }
            }
        }
    }
}

impl fmt::Debug for PemSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown())
    }
}

/// Why certificates or keys that changed are not in use, if so. Clones share it.
#[derive(Debug, Clone, Default)]
pub(crate) struct OutdatedFiles(Arc<Mutex<Option<BuildError>>>);

#[cfg_attr(not(feature = "blocking-tls"), expect(dead_code, reason = "only TLS reads files"))]
impl OutdatedFiles {
    pub(crate) fn set(&self, error: Option<BuildError>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = error;
    }

    pub(crate) fn error(&self) -> Option<BuildError> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Bytes of the longest path that an error prints; usual paths are far shorter.
const MAX_SHOWN_PATH: usize = 512;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_in_the_place_of_a_path_does_not_show() {
        let key = format!("MC4CAQAwBQYDK2VwBCIEI{}", "Ab3/+".repeat(8));
        for secret in [&*key, "-----BEGIN PRIVATE KEY-----", &"x".repeat(600)] {
            let shown = format!("{:?}", PemSource::File(secret.into()));
            assert_eq!(shown, format!("[{} bytes]", secret.len()));
        }
        assert_eq!(PemSource::File("/etc/ca.pem".into()).shown(), "/etc/ca.pem");
        assert_eq!(PemSource::Text(b"key".to_vec()).shown(), "[3 bytes]");
    }
}
