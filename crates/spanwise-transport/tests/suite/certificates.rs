//! Certificates of servers and clients that are right, or wrong in one way each.
//!
//! Revocation is not checked: neither lists nor OCSP are fetched, and no row has a revoked certificate.

#![cfg(feature = "tokio")]

use crate::secure;

use secure::{SecurePeer, send_once};
use spanwise_testkit::pki::{Authority, Certificate, Template, Usage};
use spanwise_transport::{BuildError, Outcome};

/// A certificate that a server presents, the PEM that its client trusts, and the cause of the failure; no
/// cause where the server is trusted.
struct Row {
    name: &'static str,
    presented: Certificate,
    trusted: Option<String>,
    cause: Option<&'static str>,
}

fn rows() -> Vec<Row> {
    let [ours, other, namesake] =
        ["ours", "other", "ours"].map(|name| Authority::new(name).unwrap());
    let ca = || Some(ours.certificate.clone());
    let good = Template::default();
    let row = |name, presented, trusted, cause| Row { name, presented, trusted, cause };
    let issued = |template: &Template| ours.issue(template).unwrap();
    let expired = Template { until: 2021, ..Template::default() };
    let future = Template { from: 2110, ..Template::default() };
    let misnamed = Template { name: "elsewhere.test", ..Template::default() };
    let client = Template { usage: Usage::Client, ..Template::default() };
    let any = Template { usage: Usage::Any, ..Template::default() };
    let authority = Template { is_authority: true, usage: Usage::Any, ..Template::default() };
    let own = |template: &Template| {
        let presented = template.self_signed().unwrap();
        let trusted = Some(presented.certificate.clone());
        (presented, trusted)
    };
    let mut rows = vec![
        row("issued", issued(&good), ca(), None),
        row("any usage", issued(&any), ca(), None),
        row("expired", issued(&expired), ca(), Some("has expired")),
        row("not yet valid", issued(&future), ca(), Some("is not valid yet")),
        row("another name", issued(&misnamed), ca(), Some("is for another host name")),
        row("usage of a client", issued(&client), ca(), Some("is not accepted")),
        row("issued as an authority", issued(&authority), ca(), Some("is one of a CA")),
        row("built-in roots", issued(&good), None, Some("issuer is not trusted")),
        row("unknown issuer", other.issue(&good).unwrap(), ca(), Some("issuer is not trusted")),
        row("another key", namesake.issue(&good).unwrap(), ca(), Some("not signed by the trusted")),
        row("self-signed", good.self_signed().unwrap(), ca(), Some("issuer is not trusted")),
        row("self-signed CA", authority.self_signed().unwrap(), ca(), Some("is one of a CA")),
    ];
    // A server's own certificate that the client trusts exactly.
    let late = Template { is_authority: true, ..expired };
    let early = Template { is_authority: true, ..future };
    let elsewhere = Template { is_authority: true, ..misnamed };
    for (name, template, cause) in [
        ("named", good.clone(), None),
        ("named CA", authority.clone(), None),
        ("named and expired", late, Some("has expired")),
        ("named and not yet valid", early, Some("is not valid yet")),
        ("named with another name", elsewhere, Some("is for another host name")),
    ] {
        let (presented, trusted) = own(&template);
        rows.push(row(name, presented, trusted, cause));
    }
    let pinned = other.issue(&good).unwrap();
    let trusted = Some(pinned.certificate.clone());
    rows.push(row("a named certificate of an unknown issuer", pinned, trusted, None));
    // The same names and dates with another key.
    let (_, trusted) = own(&authority);
    let impostor = authority.self_signed().unwrap();
    rows.push(row(
        "another certificate than the named CA",
        impostor,
        trusted,
        Some("is one of a CA"),
    ));
    rows
}

#[tokio::test]
async fn a_server_receives_plain_text_only_if_its_certificate_is_right() {
    for Row { name, presented, trusted, cause } in rows() {
        let server = SecurePeer::new(&presented, None).await;
        let mut builder = server.to("localhost");
        if let Some(trusted) = trusted {
            builder = builder.with_certificate_pem(trusted);
        }
        #[cfg(feature = "grpc")]
        if let Some(cause) = cause {
            let grpc = builder.clone().with_protocol(spanwise_transport::Protocol::Grpc);
            refused(name, &server, &send_once(grpc).await, cause);
        }
        let delivery = send_once(builder).await;
        match cause {
            None => {
                assert!(delivery.is_accepted(), "{name}: {delivery:?}");
                assert_eq!(server.peer.received().len(), 1, "{name}");
            }
            Some(cause) => refused(name, &server, &delivery, cause),
        }
    }
}

/// Asserts that the server received not one byte of the request.
fn refused(name: &str, server: &SecurePeer, delivery: &spanwise_transport::Delivery, cause: &str) {
    assert!(matches!(delivery.outcome, Outcome::Failed(_)), "{name}: {delivery:?}");
    assert!(delivery.cause.contains(cause), "{name}: {delivery:?}");
    assert!(!delivery.may_have_been_accepted(), "{name}: {delivery:?}");
    assert_eq!(server.peer.raw().len(), 0, "{name}");
}

#[tokio::test]
async fn a_server_that_asks_for_a_client_certificate_gets_the_right_one_or_no_request() {
    let (servers, clients) =
        (Authority::new("servers").unwrap(), Authority::new("clients").unwrap());
    let strangers = Authority::new("clients").unwrap();
    let server = servers.issue(&Template::default()).unwrap();
    let shop = Template::client("shop.test");
    let late = Template { until: 2021, ..shop.clone() };
    let wrong_usage = Template { usage: Usage::Server, ..shop.clone() };
    for (name, client, cause) in [
        ("missing", None, Some("asks for a client certificate")),
        ("unknown issuer", Some(strangers.issue(&shop)), Some("does not accept the client")),
        ("expired", Some(clients.issue(&late)), Some("does not accept the client")),
        (
            "usage of a server",
            Some(clients.issue(&wrong_usage)),
            Some("does not accept the client"),
        ),
        ("self-signed", Some(shop.self_signed()), Some("does not accept the client")),
        ("issued", Some(clients.issue(&shop)), None),
    ] {
        let server = SecurePeer::new(&server, Some(&clients)).await;
        let mut builder = server.to("localhost").with_certificate_pem(&*servers.certificate);
        if let Some(client) = client {
            let client = client.unwrap();
            builder = builder.with_client_certificate_pem(client.certificate, client.key);
        }
        let delivery = send_once(builder).await;
        match cause {
            None => assert!(delivery.is_accepted(), "{name}: {delivery:?}"),
            Some(cause) => refused(name, &server, &delivery, cause),
        }
    }
}

#[test]
fn certificates_and_keys_that_cannot_be_used_are_errors_without_their_text() {
    let ours = Authority::new("ours").unwrap();
    let [one, two] = [0, 1].map(|_| ours.issue(&Template::client("shop.test")).unwrap());
    let encrypted = one.key.replace("PRIVATE KEY", "ENCRYPTED PRIVATE KEY");
    // As `openssl ec -aes256` writes it.
    let older = "-----BEGIN EC PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-256-CBC,00112233445566778899AABBCCDDEEFF\n\nTUlJaHVudGVyMg==\n-----END EC PRIVATE KEY-----\n";
    let cut = one.key[..one.key.len() / 2].to_owned();
    let garbled = "-----BEGIN PRIVATE KEY-----\nTUlJaHVudGVyMg==\n-----END PRIVATE KEY-----\n";
    let build = |certificate: &str, key: &str| {
        let endpoint = spanwise_transport::Endpoint::parse("TEST", "https://h/").unwrap();
        let builder = spanwise_transport::Transport::builder().with_endpoint(endpoint);
        let builder = builder.with_client_certificate_pem(certificate, key);
        let shown = format!("{builder:?}");
        (builder.build(), shown)
    };
    assert!(build(&one.certificate, &one.key).0.is_ok());
    for (certificate, key, problem) in [
        (&*one.certificate, &*two.key, "is not the key of the client certificate"),
        (&*one.certificate, &*one.certificate, "holds no private key"),
        (&*one.certificate, "", "holds no private key"),
        (&*one.certificate, &*encrypted, "is encrypted"),
        (&*one.certificate, older, "is encrypted"),
        (&*one.certificate, &*cut, "malformed"),
        (&*one.certificate, garbled, "is not supported"),
        (&*one.key, &*one.key, "holds no certificate"),
        ("hunter2", &*one.key, "holds no certificate"),
    ] {
        let (built, builder) = build(certificate, key);
        let error = built.unwrap_err();
        let shown = format!("{error} {error:?} {builder}");
        assert!(shown.contains(problem), "{problem}: {shown}");
        assert!(error.to_string().starts_with("with_client_certificate_pem=`["), "{shown}");
        assert!(
            matches!(error, BuildError::ClientKey { .. } | BuildError::ClientCertificate { .. }),
            "{shown}"
        );
        for secret in key.lines().chain(certificate.lines()).filter(|line| line.len() > 6) {
            assert!(secret.starts_with("-----") || !shown.contains(secret), "{shown}");
        }
    }
}

#[test]
fn a_file_that_cannot_be_used_is_an_error_that_names_it() {
    let endpoint = spanwise_transport::Endpoint::parse("TEST", "https://h/").unwrap();
    let builder = || spanwise_transport::Transport::builder().with_endpoint(endpoint.clone());
    let folder = std::env::temp_dir();
    let missing = folder.join("no-such-certificate.pem");
    let error = builder().with_certificate_file(&missing).build().unwrap_err().to_string();
    let start = format!("with_certificate_file=`{}`", missing.display());
    assert!(error.starts_with(&start) && error.contains("no such file"), "{error}");
    let error = builder().with_certificate_file(&folder).build().unwrap_err().to_string();
    assert!(error.contains("it is a folder; accepted is a regular file"), "{error}");
    let key = Authority::new("a").unwrap().issue(&Template::default()).unwrap().key;
    let error = builder().with_client_certificate_files(&key, &key).build().unwrap_err();
    let shown = format!("{error} {error:?}");
    let body = key.lines().nth(1).unwrap();
    assert!(shown.contains("a key itself") && !shown.contains(body), "{shown}");
    // An http endpoint does not use them.
    let plain = spanwise_transport::Endpoint::parse("TEST", "http://h/").unwrap();
    assert!(builder().with_endpoint(plain).with_certificate_file(missing).build().is_ok());
}

/// An error without a reason has no empty brackets.
#[test]
fn a_system_without_roots_is_an_error() {
    let error = |problem: &str| BuildError::SystemRoots { problem: problem.to_owned() }.to_string();
    assert!(error("").contains("no root certificate that can be used; accepted"), "{}", error(""));
    let found = error("no such folder");
    assert!(found.contains("that can be used (no such folder); accepted"), "{found}");
}

#[test]
fn system_roots_are_a_feature() {
    let endpoint = spanwise_transport::Endpoint::parse("TEST", "https://h/").unwrap();
    let built = spanwise_transport::Transport::builder()
        .with_endpoint(endpoint)
        .with_system_roots()
        .build();
    let feature = cfg!(feature = "system-roots");
    match built {
        Ok(_) if feature => {}
        Ok(_) => panic!("it was built"),
        Err(error) => {
            let shown = error.to_string();
            // A machine may have no roots.
            let expected = if feature { "no root certificate" } else { "feature `system-roots`" };
            assert!(shown.starts_with("with_system_roots") && shown.contains(expected), "{shown}");
        }
    }
}

/// `/proc/kmsg` looks like a regular file, and its read waits where it is permitted.
#[cfg(target_os = "linux")]
#[test]
fn a_device_in_the_place_of_a_certificate_is_an_error_without_a_wait() {
    for path in ["/proc/kmsg", "/dev/zero"] {
        let (sender, built) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            let endpoint = spanwise_transport::Endpoint::parse("TEST", "https://h/").unwrap();
            let builder = spanwise_transport::Transport::builder().with_endpoint(endpoint);
            sender.send(builder.with_certificate_file(path).build().map(drop))
        });
        let built = built.recv_timeout(std::time::Duration::from_secs(20));
        let error = built.expect("the read does not wait").unwrap_err().to_string();
        assert!(error.starts_with(&format!("with_certificate_file=`{path}`")), "{error}");
    }
}
