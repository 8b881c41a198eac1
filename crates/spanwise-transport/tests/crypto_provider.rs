//! The crypto providers of `https` connections. One test: the installed provider is the process's.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod peer;
mod secure;

use peer::send;
use secure::SecurePeer;
use spanwise_testkit::pki::{Authority, Template};
use spanwise_transport::{BuildError, CryptoProvider};
use tokio_rustls::rustls::crypto;

#[tokio::test]
async fn a_provider_that_exists_connects_and_one_that_does_not_is_an_error_of_the_build() {
    let [servers, clients] = ["servers", "clients"].map(|name| Authority::new(name).unwrap());
    let own = servers.issue(&Template::default()).unwrap();
    let client = clients.issue(&Template::client("shop.test")).unwrap();
    let server = SecurePeer::new(&own, Some(&clients)).await;
    let with = |provider: CryptoProvider| {
        server
            .to("localhost")
            .with_certificate_pem(&*servers.certificate)
            .with_client_certificate_pem(&*client.certificate, &*client.key)
            .with_crypto_provider(provider)
            .with_crate_name("shop")
            .build()
    };
    assert!(send(&with(CryptoProvider::Ring).unwrap()).await.is_accepted());
    match with(CryptoProvider::AwsLc) {
        Ok(transport) if cfg!(feature = "aws-lc") => {
            let delivery = send(&transport).await;
            assert!(delivery.is_accepted(), "{delivery:?}");
        }
        Err(error) if cfg!(not(feature = "aws-lc")) => {
            let begin = "with_crypto_provider=`AwsLc` needs the feature `aws-lc`";
            assert!(error.to_string().starts_with(begin), "{error}");
            assert!(error.to_string().contains("features = [\"aws-lc\"] to shop"), "{error}");
        }
        other => panic!("{other:?}"),
    }
    let error = with(CryptoProvider::Installed).unwrap_err();
    assert_eq!(error, BuildError::NoInstalledProvider);
    assert!(error.to_string().contains("with_crypto_provider=`Installed`"), "{error}");
    crypto::ring::default_provider().install_default().unwrap();
    assert!(send(&with(CryptoProvider::Installed).unwrap()).await.is_accepted());
}
