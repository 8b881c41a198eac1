//! [`TlsRenewal`]: certificates for the next connections of a receiver that runs.

use std::fmt;
use std::sync::Arc;

use crate::error::StartError;
use crate::service::Server;
use crate::tls::{TlsServer, TlsSettings, plain_text};

/// Checked certificates of a receiver, as [`Receiver::renew_tls_pem`](crate::Receiver::renew_tls_pem) returns them.
///
/// Connections that are open keep their sessions.
#[must_use = "the receiver has them once they are applied"]
pub struct TlsRenewal {
    server: Arc<Server>,
    tls: TlsServer,
}

impl TlsRenewal {
    pub(crate) fn new(server: &Arc<Server>, settings: &TlsSettings) -> Result<Self, StartError> {
        let before = server.tls().ok_or_else(plain_text)?;
        let tls = settings.server()?.ok_or_else(plain_text)?;
        before.check_renewal(&tls)?;
        server.limits.check_session(tls.handshake_bytes())?;
        Ok(Self { server: Arc::clone(server), tls })
    }

    /// Each connection that begins from now on has these certificates.
    pub fn apply(self) {
        self.server.set_tls(self.tls);
    }
}

/// Prints nothing of a certificate or a key.
impl fmt::Debug for TlsRenewal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsRenewal").finish_non_exhaustive()
    }
}
