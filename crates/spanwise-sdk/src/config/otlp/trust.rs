//! Certificates of the exporter that are set in code.

use std::path::PathBuf;

/// The certificates to trust, set in code.
#[derive(Clone)]
pub(in super::super) enum Trust {
    Pem(Vec<u8>),
    File(PathBuf),
    SystemRoots,
}

/// The client's certificate chain and its key, set in code.
#[derive(Clone)]
pub(in super::super) enum ClientCertificate {
    Pem(Vec<u8>, Vec<u8>),
    Files(PathBuf, PathBuf),
}
