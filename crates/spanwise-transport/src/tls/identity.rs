//! The certificate and the key that a client presents.

use std::sync::Arc;

use rustls::crypto::CryptoProvider;
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{Error, InconsistentKeys};

use crate::BuildError;
use crate::tls_settings::Identity;

impl Identity {
    /// Reads and parses certificate and key, and checks that they belong together.
    ///
    /// # Errors
    /// One of them cannot be used; no error contains text of either.
    pub(super) fn load(
        &self,
        provider: &CryptoProvider,
    ) -> Result<Arc<SingleCertAndKey>, BuildError> {
        let setting = self.setting;
        let bad_certificate = |problem: String| BuildError::ClientCertificate {
            setting,
            value: self.certificates.shown(),
            problem,
        };
        let bad_key = |problem: &str| BuildError::ClientKey {
            setting,
            value: self.key.shown(),
            problem: problem.to_owned(),
        };
        let certificates = self.certificates.certificates().map_err(bad_certificate)?;
        let key = self.key.private_key().map_err(|problem| bad_key(&problem))?;
        let key = provider.key_provider.load_private_key(key);
        let key = key.map_err(|_| bad_key("its algorithm or its encoding is not supported"))?;
        let certified = CertifiedKey::new(certificates, key);
        match certified.keys_match() {
            // Some keys do not show their public half; the handshake shows then whether they match.
            Ok(()) | Err(Error::InconsistentKeys(InconsistentKeys::Unknown)) => {}
            Err(Error::InconsistentKeys(_)) => {
                return Err(bad_key("it is not the key of the client certificate"));
            }
            Err(error) => return Err(bad_certificate(crate::text::sanitize(&error.to_string()))),
        }
        Ok(Arc::new(SingleCertAndKey::from(certified)))
    }
}
