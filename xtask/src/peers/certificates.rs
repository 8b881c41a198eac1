//! Certificates of a run: an authority, a server named `localhost`, and a client.

use super::Tool;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Files in PEM, valid for two days.
#[derive(Debug)]
pub(crate) struct Certificates {
    folder: PathBuf,
}

impl Certificates {
    /// Those in `folder`, which may not exist yet.
    pub(crate) fn at(folder: &Path) -> Self {
        Self { folder: folder.to_owned() }
    }

    /// Makes all of them in `folder` with the program `openssl`.
    ///
    /// # Errors
    /// The program is missing or fails.
    pub(crate) fn make(folder: &Path) -> Result<Self, String> {
        let certificates = Self::at(folder);
        let settings = folder.join("openssl.cnf");
        fs::write(&settings, SETTINGS).map_err(|error| error.to_string())?;
        certificates.issue("ca", "spanwise-test-authority", &[])?;
        let (ca, key) = (certificates.path("ca.pem"), certificates.path("ca.key"));
        let by_authority = ["-CA", &ca, "-CAkey", &key];
        certificates.issue("server", "localhost", &by_authority)?;
        certificates.issue("client", "spanwise", &by_authority)?;
        Ok(certificates)
    }

    fn issue(&self, role: &str, name: &str, issuer: &[&str]) -> Result<(), String> {
        let (key, pem) = (self.path(&format!("{role}.key")), self.path(&format!("{role}.pem")));
        let (settings, subject) = (self.path("openssl.cnf"), format!("/CN={name}"));
        let mut arguments = vec!["req", "-x509", "-config", &settings, "-extensions", role];
        arguments.extend(["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]);
        arguments.extend(["-keyout", &key, "-out", &pem, "-days", "2", "-subj", &subject]);
        arguments.extend(issuer);
        let limit = Duration::from_secs(30);
        Tool::new("openssl", &arguments, limit).run(&self.folder.join("openssl.log")).map(drop)
    }

    /// The authority, which signed both others.
    pub(crate) fn authority(&self) -> String {
        self.path("ca.pem")
    }

    /// Certificate and key of the server.
    pub(crate) fn server(&self) -> (String, String) {
        (self.path("server.pem"), self.path("server.key"))
    }

    /// Certificate and key of the client.
    pub(crate) fn client(&self) -> (String, String) {
        (self.path("client.pem"), self.path("client.key"))
    }

    fn path(&self, file: &str) -> String {
        self.folder.join(file).display().to_string()
    }
}

const SETTINGS: &str = "\
[req]
distinguished_name = name
[name]
[ca]
basicConstraints = critical, CA:TRUE
keyUsage = critical, keyCertSign
subjectKeyIdentifier = hash
[server]
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature
extendedKeyUsage = serverAuth
subjectAltName = DNS:localhost, IP:127.0.0.1
[client]
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature
extendedKeyUsage = clientAuth
subjectAltName = DNS:spanwise
";
