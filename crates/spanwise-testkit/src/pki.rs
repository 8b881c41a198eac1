//! Certificates for tests of TLS: right ones, and ones that are wrong in one way each.

use std::io;

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, date_time_ymd,
};

/// A certificate and its key, in PEM.
#[derive(Debug, Clone)]
pub struct Certificate {
    /// The certificate alone, without its chain.
    pub certificate: String,
    /// The private key, in PKCS#8.
    pub key: String,
}

/// The statements of a certificate. Default: a server named `localhost`, from 2020 to 2120.
#[derive(Debug, Clone)]
pub struct Template {
    /// The subject alternative name, a DNS name or an IP address.
    pub name: &'static str,
    /// The year of the first day.
    pub from: i32,
    /// The year of the last day.
    pub until: i32,
    /// The purpose, as its extended key usage.
    pub usage: Usage,
    /// Whether it is the certificate of an authority.
    pub is_authority: bool,
}

/// The purpose of a certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Usage {
    /// Authenticates a server.
    Server,
    /// Authenticates a client.
    Client,
    /// The certificate has no extended key usage: any.
    Any,
}

impl Default for Template {
    fn default() -> Self {
        Self {
            name: "localhost",
            from: 2020,
            until: 2120,
            usage: Usage::Server,
            is_authority: false,
        }
    }
}

impl Template {
    /// A client named `name`.
    pub fn client(name: &'static str) -> Self {
        Self { name, usage: Usage::Client, ..Self::default() }
    }

    /// A certificate that is its own issuer.
    ///
    /// # Errors
    /// The name is neither a DNS name nor an address.
    pub fn self_signed(&self) -> io::Result<Certificate> {
        let (params, key) = self.params()?;
        let certificate = params.self_signed(&key).map_err(io::Error::other)?;
        Ok(Certificate { certificate: certificate.pem(), key: key.serialize_pem() })
    }

    fn params(&self) -> io::Result<(CertificateParams, KeyPair)> {
        let mut params =
            CertificateParams::new([self.name.to_owned()]).map_err(io::Error::other)?;
        params.distinguished_name = named(self.name);
        params.not_before = date_time_ymd(self.from, 1, 1);
        params.not_after = date_time_ymd(self.until, 1, 1);
        params.extended_key_usages = match self.usage {
            Usage::Server => vec![ExtendedKeyUsagePurpose::ServerAuth],
            Usage::Client => vec![ExtendedKeyUsagePurpose::ClientAuth],
            Usage::Any => Vec::new(),
        };
        params.is_ca = match self.is_authority {
            true => IsCa::Ca(BasicConstraints::Unconstrained),
            false => IsCa::ExplicitNoCa,
        };
        Ok((params, KeyPair::generate().map_err(io::Error::other)?))
    }
}

/// A certificate authority.
#[derive(Debug)]
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    /// Its own certificate, in PEM.
    pub certificate: String,
}

impl Authority {
    /// An authority with a key of its own. Two with the same name are different ones.
    ///
    /// # Errors
    /// The system has no randomness.
    pub fn new(name: &str) -> io::Result<Self> {
        let mut params = CertificateParams::new(Vec::new()).map_err(io::Error::other)?;
        params.distinguished_name = named(name);
        params.not_before = date_time_ymd(2020, 1, 1);
        params.not_after = date_time_ymd(2120, 1, 1);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().map_err(io::Error::other)?;
        let certificate = params.self_signed(&key).map_err(io::Error::other)?.pem();
        Ok(Self { issuer: Issuer::new(params, key), certificate })
    }

    /// Issues a certificate.
    ///
    /// # Errors
    /// The name of `template` is neither a DNS name nor an address.
    pub fn issue(&self, template: &Template) -> io::Result<Certificate> {
        let (params, key) = template.params()?;
        let certificate = params.signed_by(&key, &self.issuer).map_err(io::Error::other)?;
        Ok(Certificate { certificate: certificate.pem(), key: key.serialize_pem() })
    }
}

fn named(name: &str) -> DistinguishedName {
    let mut names = DistinguishedName::new();
    names.push(DnType::CommonName, name);
    names
}
