//! Certificates and keys in files that change while a transport uses them.

#![cfg(feature = "tokio")]

use crate::peer;
use crate::secure;

use std::fs;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use secure::SecurePeer;
use spanwise_testkit::pki::{Authority, Template};
use spanwise_transport::{Delivery, Transport, TransportBuilder};
use tokio::sync::Notify;

/// A folder of one test, which its drop removes.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("spanwise-{name}-{}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.0.join(name);
        fs::write(&path, text).unwrap();
        path
    }

    /// As [`write`](Self::write), by a rename: the file is whole at every moment.
    fn replace(&self, name: &str, text: &str) {
        let new = self.write("new", text);
        fs::rename(new, self.0.join(name)).unwrap();
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A transport whose requests are cancelled after their first failed attempt.
struct Impatient {
    transport: Transport,
    failed: Arc<Notify>,
}

impl Impatient {
    fn new(builder: TransportBuilder) -> Self {
        let failed = Arc::new(Notify::new());
        let notify = Arc::clone(&failed);
        let builder = builder.with_attempt_observer(move |_| notify.notify_one());
        Self { transport: builder.build().unwrap(), failed }
    }

    async fn send(&self) -> Delivery {
        self.transport.send_with_cancel(peer::request(3), self.failed.notified()).await
    }
}

#[tokio::test]
async fn a_certificate_file_that_changes_is_read_again_and_an_unusable_one_changes_nothing() {
    let (old, new) = (Authority::new("old").unwrap(), Authority::new("new").unwrap());
    let [old_server, new_server] = [&old, &new].map(|ca| ca.issue(&Template::default()).unwrap());
    let folder = Folder::new("roots");
    let file = folder.write("ca.pem", &old.certificate);
    let server = SecurePeer::new(&old_server, None).await;
    let transport = Impatient::new(server.to("localhost").with_certificate_file(file));
    assert!(transport.send().await.is_accepted());

    server.present(&new_server, None);
    let delivery = transport.send().await;
    assert!(delivery.cause.contains("issuer is not trusted"), "{delivery:?}");
    assert!(!delivery.cause.contains("files changed"), "{delivery:?}");
    for broken in ["", "half a certificate", &new.certificate[..300]] {
        folder.replace("ca.pem", broken);
        server.present(&new_server, None);
        let delivery = transport.send().await;
        assert!(delivery.cause.contains("files changed and cannot be used"), "{delivery:?}");
        server.present(&old_server, None);
        assert!(transport.send().await.is_accepted());
    }
    fs::remove_file(folder.0.join("ca.pem")).unwrap();
    assert!(transport.send().await.is_accepted());

    folder.replace("ca.pem", &new.certificate);
    assert!(!transport.send().await.is_accepted());
    server.present(&new_server, None);
    let delivery = transport.send().await;
    assert!(delivery.is_accepted(), "{delivery:?}");
}

#[tokio::test]
async fn a_client_certificate_is_replaced_once_its_key_is_too() {
    let servers = Authority::new("servers").unwrap();
    let (old, new) = (Authority::new("old").unwrap(), Authority::new("new").unwrap());
    let shop = Template::client("shop.test");
    let [old_client, new_client] = [&old, &new].map(|ca| ca.issue(&shop).unwrap());
    let own = servers.issue(&Template::default()).unwrap();
    let folder = Folder::new("identity");
    let certificate = folder.write("client.pem", &old_client.certificate);
    let key = folder.write("client.key", &old_client.key);
    let server = SecurePeer::new(&own, Some(&old)).await;
    let builder = server.to("localhost").with_certificate_pem(&*servers.certificate);
    let transport = Impatient::new(builder.with_client_certificate_files(certificate, key));
    assert!(transport.send().await.is_accepted());

    // The certificate without its key: the old pair stays in use.
    folder.replace("client.pem", &new_client.certificate);
    assert!(transport.send().await.is_accepted());
    server.present(&own, Some(&new));
    let delivery = transport.send().await;
    assert!(delivery.cause.contains("is not the key of the client certificate"), "{delivery:?}");
    assert!(!format!("{delivery:?}").contains(new_client.key.lines().nth(1).unwrap()));

    folder.replace("client.key", &new_client.key);
    let delivery = transport.send().await;
    assert!(delivery.is_accepted(), "{delivery:?}");
    server.present(&own, Some(&old));
    assert!(!transport.send().await.is_accepted());
}

#[tokio::test]
async fn each_reload_is_observed_and_the_failure_of_one_at_each_connection() {
    let authority = Authority::new("servers").unwrap();
    let own = authority.issue(&Template::default()).unwrap();
    let folder = Folder::new("observed");
    let file = folder.write("ca.pem", &authority.certificate);
    let server = SecurePeer::new(&own, None).await;
    let observed = Arc::new(Mutex::new(Vec::new()));
    let observing = Arc::clone(&observed);
    let builder = server.to("localhost").with_certificate_file(&file);
    let transport = Impatient::new(builder.with_reload_observer(move |reloaded| {
        observing.lock().unwrap().push(reloaded.map_err(ToString::to_string));
        panic!("an observer that panics changes nothing");
    }));
    let taken = || std::mem::take(&mut *observed.lock().unwrap());
    assert!(transport.send().await.is_accepted());
    assert_eq!(taken(), []);
    folder.replace("ca.pem", "half a certificate");
    for _ in 0..2 {
        assert!(transport.send().await.is_accepted());
        let reloads = taken();
        let [Err(error)] = &*reloads else { panic!("{reloads:?}") };
        let begin = format!("with_certificate_file=`{}`: ", file.display());
        assert!(error.starts_with(&begin) && error.contains("holds no certificate"), "{error}");
    }
    folder.replace("ca.pem", &format!("{}\n", authority.certificate));
    for reloads in [vec![Ok(())], Vec::new()] {
        assert!(transport.send().await.is_accepted());
        assert_eq!(taken(), reloads);
    }
}
