//! The implementation of TLS's cryptography.

/// The implementation of the cryptography of `https` connections: the crypto providers of rustls.
///
/// ```
/// use spanwise_transport::{CryptoProvider, TransportBuilder};
///
/// let builder = TransportBuilder::default().with_crypto_provider(CryptoProvider::Ring);
/// # assert!(builder.build_blocking().is_ok());
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum CryptoProvider {
    /// ring: its build needs nothing but a C compiler, on every target that it supports.
    #[default]
    Ring,
    /// aws-lc-rs, with post-quantum key exchange. Needs the feature `aws-lc`, whose build compiles C, and needs cmake on
    /// some targets.
    ///
    /// A program that builds configurations of rustls of its own, without naming a provider, has to install one when
    /// this feature is enabled: rustls does not choose between two.
    AwsLc,
    /// The provider that the program installed by `rustls::crypto::CryptoProvider::install_default`, of rustls 0.23: a
    /// FIPS module, or one of its own. The builder uses the one that is installed when it builds.
    Installed,
}
