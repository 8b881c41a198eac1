//! Starts a receiver.

use super::Entry;
use crate::memory::Shares;
use crate::settings::{ReceiverSettings, ReceiverTls};
use crate::start_error::{ExitKind, StartError};
use spanwise_receiver::{
    Limits, Receiver, ReceiverBuilder, StartError as ReceiverError, TlsRenewal,
};
use spanwise_worker::__private::open_regular;
use std::io::{self, ErrorKind, Read as _};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// Starts a receiver with its share of the memory for what arrives.
///
/// # Errors
/// The address cannot be bound, a key or certificate cannot be used, or a limit is out of its range.
pub(crate) fn listen(
    settings: &ReceiverSettings,
    entry: Arc<Entry>,
    shares: &Shares,
) -> Result<Receiver, StartError> {
    let limits = Limits::default()
        .with_body_bytes(shares.max_request_bytes(settings.max_request_bytes))
        .with_memory_bytes(shares.receiver)
        .with_connections(settings.max_connections)
        .with_concurrent_streams(settings.max_concurrent_streams)
        .with_connection_age(settings.max_connection_age.unwrap_or(Duration::MAX));
    let mut builder = Receiver::builder().with_limits(limits);
    builder = match &settings.unix_socket {
        Some(path) => builder.with_unix_socket(path),
        None => builder.with_address(settings.address),
    };
    if let Some(tls) = &settings.tls {
        builder = with_tls(builder, &settings.name, tls)?;
    }
    let intercepting = Arc::clone(&entry);
    builder
        .with_interceptor(move |headers| intercepting.intercept(headers))
        .with_inline_handler(move |export| entry.handle(export))
        .start()
        .map_err(|error| of(&settings.name, &error))
}

/// Reads the certificates and the key of a running receiver again, and checks them.
///
/// # Errors
/// One of them cannot be used.
pub(crate) fn renewed(
    receiver: &Receiver,
    name: &str,
    tls: &ReceiverTls,
) -> Result<TlsRenewal, StartError> {
    let PemFiles { certificates, key, client_ca } = PemFiles::read(name, tls)?;
    receiver.renew_tls_pem(certificates, key, client_ca).map_err(|error| of(name, &error))
}

fn with_tls(
    builder: ReceiverBuilder,
    name: &str,
    tls: &ReceiverTls,
) -> Result<ReceiverBuilder, StartError> {
    let PemFiles { certificates, key, client_ca } = PemFiles::read(name, tls)?;
    let builder = builder.with_tls_pem(certificates, key);
    Ok(match client_ca {
        Some(authorities) => builder.with_client_ca_pem(authorities),
        None => builder,
    })
}

/// The contents of the files of a receiver.
struct PemFiles {
    certificates: Vec<u8>,
    key: Vec<u8>,
    client_ca: Option<Vec<u8>>,
}

impl PemFiles {
    fn read(name: &str, tls: &ReceiverTls) -> Result<Self, StartError> {
        let read = |key: &str, path: &Path| {
            read_pem(path).map_err(|error| {
                let message = format!("{name}.tls.{key}: cannot read {}: {error}", path.display());
                StartError::new(ExitKind::Key, message)
            })
        };
        let client_ca = tls.client_ca_file.as_ref();
        Ok(Self {
            certificates: read("cert_file", &tls.cert_file)?,
            key: read("key_file", &tls.key_file)?,
            client_ca: client_ca.map(|path| read("client_ca_file", path)).transpose()?,
        })
    }
}

/// Reads a regular file: a pipe would block a reload, and a device has no end.
fn read_pem(path: &Path) -> io::Result<Vec<u8>> {
    let mut content = Vec::new();
    open_regular(path)?.take(MAX_PEM_BYTES + 1).read_to_end(&mut content)?;
    match content.len() as u64 > MAX_PEM_BYTES {
        true => Err(io::Error::other("it has more than 1 MiB")),
        false => Ok(content),
    }
}

/// More than a certificate chain has.
const MAX_PEM_BYTES: u64 = 1 << 20;

fn of(name: &str, error: &ReceiverError) -> StartError {
    let (kind, fix) = match error {
        ReceiverError::Bind { source, .. } => (ExitKind::Address, fix(source)),
        ReceiverError::BindUnix { source, .. } => (ExitKind::Address, fix_of_socket(source)),
        ReceiverError::Tls { .. } => (ExitKind::Key, ""),
        ReceiverError::Limit { .. } => (ExitKind::Settings, ""),
        _ => (ExitKind::Other, ""),
    };
    StartError::new(kind, format!("{name}: {error}{fix}"))
}

fn fix(error: &io::Error) -> &'static str {
    match error.kind() {
        ErrorKind::AddrInUse => "; stop the process that listens there, or choose another endpoint",
        ErrorKind::AddrNotAvailable => {
            "; choose an address of this machine, or 0.0.0.0 for all of them"
        }
        ErrorKind::PermissionDenied => {
            "; choose a port from 1024 on, or give the process the capability for lower ones"
        }
        _ => "; choose another endpoint",
    }
}

fn fix_of_socket(error: &io::Error) -> &'static str {
    match error.kind() {
        ErrorKind::AddrInUse => "; stop the process that listens there, or choose another path",
        ErrorKind::NotFound => "; create its directory, or choose another path",
        ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => {
            "; permit the user of the process to write to its directory, or choose another path"
        }
        _ => "; choose another path",
    }
}
