//! The TLS configuration of a client, which follows the files that it was made of.

use std::fmt;
#[cfg(feature = "tls")]
use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use rustls::ClientConfig;
use rustls::client::WebPkiServerVerifier;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::ServerName;
#[cfg(feature = "tls")]
use tokio::io::{AsyncRead, AsyncWrite};
#[cfg(feature = "tls")]
use tokio_rustls::TlsConnector;
#[cfg(feature = "tls")]
use tokio_rustls::client::TlsStream;

#[cfg(feature = "tls")]
use super::NotNegotiated;
use super::pem::FileStamp;
use super::verifier::NamedOrIssuedVerifier;
#[cfg(feature = "tls")]
use crate::blocking::on_blocking_thread;
use crate::tls_settings::{OutdatedFiles, PemSource, Roots, TlsSettings};
use crate::{BuildError, Endpoint, tcp};

/// Connects by TLS to one host, with the newest certificates and keys that can be used.
///
/// Each connection examines the times, the length and the inode of the files, and reads them if one changed:
/// there is no thread that watches them. Files that cannot be used, because half of them is written, a key does
/// not belong to its certificate or no descriptor is free, change nothing until they can; each connection tries.
pub(crate) struct TlsClient {
    name: ServerName<'static>,
    settings: TlsSettings,
    /// The protocol of the session, if it is negotiated.
    alpn: Option<&'static [u8]>,
    current: Mutex<Arc<ClientConfig>>,
    files: Mutex<Vec<Option<FileStamp>>>,
    /// Why the files that were read last are not in use.
    outdated: OutdatedFiles,
}

impl TlsClient {
    /// A client for the host of `endpoint` that offers the protocol `alpn` and insists on it. Reports to `outdated` why files that changed are not in use.
    ///
    /// # Errors
    /// A certificate, a key or the name of the host cannot be used.
    pub(crate) fn new(
        endpoint: &Endpoint,
        settings: &TlsSettings,
        alpn: Option<&'static [u8]>,
        outdated: OutdatedFiles,
    ) -> Result<Self, BuildError> {
        let (host, _) = tcp::host_and_port(endpoint.uri());
        let name = ServerName::try_from(host.to_owned())
            .map_err(|_| BuildError::ServerName { endpoint: endpoint.clone() })?;
        let settings = settings.clone();
        // Before the files are read: one that changes in between is read again.
        let files = Mutex::new(stamps(&settings));
        let current = Mutex::new(client_config(&settings, alpn)?);
        Ok(Self { name, settings, alpn, current, files, outdated })
    }

    /// Makes a TLS session over `stream`.
    #[cfg(feature = "tls")]
    pub(crate) async fn connect<S>(self: &Arc<Self>, stream: S) -> io::Result<TlsStream<S>>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        // A read that hangs holds one thread; other connections use the old files meanwhile.
        if self.has_files() && self.files.try_lock().is_ok() {
            let this = Arc::clone(self);
            // The files may be on a network. Without a thread the old ones stay in use.
            let _unchecked = on_blocking_thread(move || {
                this.reload();
                Ok(())
            })
            .await;
        }
        let connector = TlsConnector::from(self.config());
        let stream = connector.connect(self.name.clone(), stream).await?;
        if self.alpn.is_some() && stream.get_ref().1.alpn_protocol() != self.alpn {
            return Err(io::Error::other(NotNegotiated));
        }
        Ok(stream)
    }

    /// A new session, for a caller that may block: files that changed are read first.
    pub(crate) fn session(&self) -> Result<rustls::ClientConnection, rustls::Error> {
        self.reload();
        rustls::ClientConnection::new(self.config(), self.name.clone())
    }

    #[cfg(feature = "tls")]
    fn has_files(&self) -> bool {
        sources(&self.settings).any(|source| matches!(source, PemSource::File(_)))
    }

    fn config(&self) -> Arc<ClientConfig> {
        Arc::clone(&lock(&self.current))
    }

    /// Reads the files if one has changed since they were read last, or if those could not be used: the reason may
    /// pass while the files remain as they are. Notifies the observer: once for files that are in use now, and at each
    /// connection of files that cannot be used.
    fn reload(&self) {
        let Ok(mut known) = self.files.try_lock() else { return };
        let now = stamps(&self.settings);
        let is_read = *known != now || self.outdated.error().is_some();
        if is_read {
            let error = match client_config(&self.settings, self.alpn) {
                Ok(config) => {
                    *lock(&self.current) = config;
                    None
                }
                Err(error) => Some(error),
            };
            self.outdated.set(error);
            *known = now;
        }
        // The observer is the user's: it runs without our lock.
        drop(known);
        let Some(observer) = &self.settings.observer else { return };
        match self.outdated.error() {
            Some(error) => observer.notify(Err(&error)),
            None if is_read => observer.notify(Ok(())),
            None => {}
        }
    }
}

impl fmt::Debug for TlsClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsClient")
            .field("name", &self.name)
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}

/// The configuration of the settings as they, and their files, are now.
fn client_config(
    settings: &TlsSettings,
    alpn: Option<&'static [u8]>,
) -> Result<Arc<ClientConfig>, BuildError> {
    // An explicit provider: the process default belongs to the application.
    let provider = provider(settings.provider)?;
    let trusted = settings.roots.load()?;
    let identity =
        settings.identity.as_ref().map(|identity| identity.load(&provider)).transpose()?;
    let roots = Arc::new(trusted.store);
    let verifier = WebPkiServerVerifier::builder_with_provider(roots, Arc::clone(&provider))
        .build()
        .map_err(|error| BuildError::tls(&error))?;
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| BuildError::tls(&error))?;
    let builder = match trusted.named.is_empty() {
        true => builder.with_webpki_verifier(verifier),
        false => {
            let verifier = NamedOrIssuedVerifier::new(verifier, trusted.named);
            builder.dangerous().with_custom_certificate_verifier(Arc::new(verifier))
        }
    };
    let mut config = match identity {
        None => builder.with_no_client_auth(),
        Some(identity) => builder.with_client_cert_resolver(identity),
    };
    config.alpn_protocols = alpn.map(<[u8]>::to_vec).into_iter().collect();
    Ok(Arc::new(config))
}

fn provider(provider: crate::CryptoProvider) -> Result<Arc<CryptoProvider>, BuildError> {
    match provider {
        crate::CryptoProvider::Ring => Ok(Arc::new(rustls::crypto::ring::default_provider())),
        #[cfg(feature = "aws-lc")]
        crate::CryptoProvider::AwsLc => Ok(Arc::new(rustls::crypto::aws_lc_rs::default_provider())),
        #[cfg(not(feature = "aws-lc"))]
        crate::CryptoProvider::AwsLc => {
            Err(BuildError::NoAwsLc { crate_name: crate::error::CRATE_NAME })
        }
        crate::CryptoProvider::Installed => {
            CryptoProvider::get_default().cloned().ok_or(BuildError::NoInstalledProvider)
        }
    }
}

fn sources(settings: &TlsSettings) -> impl Iterator<Item = &PemSource> {
    let roots = match &settings.roots {
        Roots::Pem(source) => Some(source),
        Roots::BuiltIn | Roots::System => None,
    };
    let identity = settings.identity.iter().flat_map(|own| [&own.certificates, &own.key]);
    roots.into_iter().chain(identity)
}

fn stamps(settings: &TlsSettings) -> Vec<Option<FileStamp>> {
    sources(settings).map(PemSource::stamp).collect()
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::time::Duration;

    use spanwise_testkit::pki::Authority;

    use super::*;

    /// A client whose root certificates are in the returned file.
    fn client(name: &str, authority: &Authority) -> (TlsClient, OutdatedFiles, std::path::PathBuf) {
        let path = std::env::temp_dir().join(format!("spanwise-{name}-{}", std::process::id()));
        fs::write(&path, &authority.certificate).unwrap();
        let roots = Roots::Pem(PemSource::File(path.clone()));
        let settings = TlsSettings { roots, ..TlsSettings::default() };
        let outdated = OutdatedFiles::default();
        let client = TlsClient::new(
            &"https://localhost".parse().unwrap(),
            &settings,
            None,
            outdated.clone(),
        )
        .unwrap();
        (client, outdated, path)
    }

    #[test]
    fn files_that_could_not_be_used_are_read_again_though_they_did_not_change() {
        let (client, outdated, path) = client("retried", &Authority::new("ca").unwrap());
        let before = client.config();
        client.reload();
        assert!(Arc::ptr_eq(&before, &client.config()), "nothing changed");
        fs::rename(&path, path.with_extension("away")).unwrap();
        client.reload();
        assert!(outdated.error().is_some());
        // As it was when the read failed: no stamp shows that it can be read now.
        fs::rename(path.with_extension("away"), &path).unwrap();
        *lock(&client.files) = stamps(&client.settings);
        client.reload();
        assert!(outdated.error().is_none());
        assert!(!Arc::ptr_eq(&before, &client.config()));
        fs::remove_file(path).unwrap();
    }

    /// A copy that retains times, and a change of owner or mode.
    #[cfg(unix)]
    #[test]
    fn a_file_that_changes_under_its_old_times_is_read_again() {
        let (old, new) = (Authority::new("old").unwrap(), Authority::new("new").unwrap());
        let (client, outdated, path) = client("times", &old);
        let before = client.config();
        let modified = fs::metadata(&path).unwrap().modified().unwrap();
        let len = old.certificate.len();
        // Longer than the resolution of a file system's times.
        std::thread::sleep(Duration::from_millis(20));
        let text = format!("{:len$}", new.certificate);
        fs::write(&path, &text.as_bytes()[..len]).unwrap();
        fs::File::open(&path).unwrap().set_modified(modified).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().len(), len as u64);
        client.reload();
        let replaced = !Arc::ptr_eq(&before, &client.config());
        assert!(replaced || outdated.error().is_some());
        fs::remove_file(path).unwrap();
    }
}
