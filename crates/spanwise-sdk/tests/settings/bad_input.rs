//! Input of the exporter that cannot be used, in code and in variables: `build` fails, and its error names the
//! setting, the value without secrets, and what is accepted.

use crate::{Variables, error, with};
use spanwise_sdk::{Compression, Protocol, SpanwiseBuilder};

/// Checks that the error begins with `setting` and `value`, states what is accepted, and has no secret.
#[track_caller]
fn check(builder: SpanwiseBuilder, setting: &str, value: &str, accepted: &str) {
    let error = error(builder);
    let shown = format!("{error} {error:?}");
    assert!(shown.starts_with(&format!("{setting}=`{value}`: ")), "{setting}: {shown}");
    assert!(shown.contains(accepted), "{setting}: {shown} lacks {accepted}");
    assert!(!shown.contains("hunter2"), "{shown}");
}

const ENDPOINT: &str = "OTEL_EXPORTER_OTLP_ENDPOINT";
const TRACES_ENDPOINT: &str = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT";

#[test]
fn an_encoding_or_a_protocol_that_does_not_exist() {
    for name in ["OTEL_EXPORTER_OTLP_COMPRESSION", "OTEL_EXPORTER_OTLP_TRACES_COMPRESSION"] {
        // A text of other characters than those of a name may be a secret.
        for (value, shown) in [("brotli", "brotli"), ("u:hunter2", "[redacted]")] {
            check(with(&[(name, value)]), name, shown, "accepted are none, gzip, zstd");
        }
        if cfg!(not(feature = "zstd")) {
            check(with(&[(name, "ZSTD")]), name, "zstd", "features = [\"zstd\"]");
        }
    }
    for name in ["OTEL_EXPORTER_OTLP_PROTOCOL", "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL"] {
        for value in ["http", "http/xml", "grpcs"] {
            let accepted = "accepted are http/protobuf, http/json, grpc";
            check(with(&[(name, value)]), name, value, accepted);
        }
    }
    if cfg!(not(feature = "zstd")) {
        let builder = with(&[]).with_compression(Compression::Zstd);
        check(builder, "with_compression", "zstd", "features = [\"zstd\"]");
    }
    if cfg!(not(feature = "grpc")) {
        let builder = with(&[]).with_protocol(Protocol::Grpc);
        check(builder, "with_protocol", "grpc", "features = [\"grpc\"]");
    }
}

#[test]
fn an_endpoint_that_is_no_url_and_a_list_of_them() {
    let url = "accepted is http://host:port or https://host:port";
    for (value, shown, accepted) in [
        ("ftp://u:hunter2@c", "ftp://[redacted]@c", url),
        ("http://u:hunter2@c", "http://[redacted]@c", url),
        ("http://", "http://", url),
        ("http://c:99999", "http://c:99999", url),
        ("collector:4318", "collector:4318", "write http://collector:4318"),
        ("http://a:4318,http://b:4318", "http://a:4318,http://b:4318", url),
        ("http://a:4318 http://b:4318", "http://a:4318 http://b:4318", url),
    ] {
        check(with(&[]).with_endpoint(value), "with_endpoint", shown, accepted);
        check(with(&[(ENDPOINT, value)]), ENDPOINT, shown, accepted);
        check(with(&[(TRACES_ENDPOINT, value)]), TRACES_ENDPOINT, shown, accepted);
    }
}

/// A path without a socket is none of these: the receiver may start later.
#[cfg(unix)]
#[test]
fn a_socket_path_that_no_socket_can_have() {
    let long = format!("unix:/{}", "s".repeat(120));
    for value in ["unix:otel.sock", "unix:/run/", "unix:", "unix://run", &*long] {
        check(with(&[]).with_endpoint(value), "with_endpoint", value, "accepted is unix:/path");
        check(with(&[(ENDPOINT, value)]), ENDPOINT, value, "accepted is unix:/path");
    }
    assert!(with(&[]).with_endpoint("unix:/no/such.sock").build().is_ok());
}

#[cfg(feature = "tls")]
#[test]
fn a_host_that_no_certificate_can_name() {
    for value in ["https://a..b", "https://-"] {
        let accepted = "accepted is https:// with a DNS name or an IP address";
        check(
            with(&[]).with_endpoint(value),
            "with_endpoint",
            &format!("{value}/v1/traces"),
            accepted,
        );
        check(with(&[(ENDPOINT, value)]), ENDPOINT, &format!("{value}/v1/traces"), accepted);
    }
}

#[cfg(feature = "tls")]
#[test]
fn certificates_and_keys() {
    use spanwise_testkit::pki::{Authority, Template};
    let authority = Authority::new("a").unwrap();
    let [one, other] = [(); 2].map(|()| authority.issue(&Template::default()).unwrap());
    let folder = std::env::temp_dir().join(format!("spanwise-bad-input-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let file = |name: &str, text: &str| {
        let path = folder.join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let (good, key) = (file("good.pem", &one.certificate), file("good.key", &one.key));
    let (other_key, empty) = (file("other.key", &other.key), file("empty.pem", ""));
    let encrypted =
        "-----BEGIN ENCRYPTED PRIVATE KEY-----\nhunter2\n-----END ENCRYPTED PRIVATE KEY-----\n";
    let encrypted = file("encrypted.key", encrypted);
    let half = file("half.pem", &one.certificate[..200]);
    let missing = folder.join("missing.pem").to_str().unwrap().to_owned();
    let folder_path = folder.to_str().unwrap().to_owned();
    let https = |set: Variables<'_>| with(set).with_endpoint("https://c.example");
    const CA: &str = "OTEL_EXPORTER_OTLP_CERTIFICATE";
    const CERTIFICATE: &str = "OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE";
    const KEY: &str = "OTEL_EXPORTER_OTLP_CLIENT_KEY";
    for bad in [&missing, &empty, &half, &key, &folder_path] {
        check(https(&[(CA, bad)]), CA, bad, "accepted is the path of a readable PEM file with");
        let in_code = https(&[]).with_certificate_file(bad);
        check(in_code, "with_certificate_file", bad, "accepted are certificates in PEM");
        let both: Variables<'_> = &[(CERTIFICATE, bad), (KEY, &key)];
        check(https(both), CERTIFICATE, bad, "accepted is the path of a readable PEM file with");
        let in_code = https(&[]).with_client_certificate_files(bad, &key);
        check(in_code, "with_client_certificate_files", bad, "accepted is a certificate in PEM");
    }
    for bad in [&missing, &empty, &good, &other_key, &encrypted, &folder_path] {
        let both: Variables<'_> = &[(CERTIFICATE, &good), (KEY, bad)];
        check(https(both), KEY, bad, "accepted is the path of a readable PEM file with");
        let in_code = https(&[]).with_client_certificate_files(&good, bad);
        let accepted = "accepted is the certificate's private key in PEM";
        check(in_code, "with_client_certificate_files", bad, accepted);
    }
    let pem = https(&[]).with_certificate_pem("hunter2");
    check(pem, "with_certificate_pem", "[7 bytes]", "accepted are certificates in PEM");
    let pem = https(&[]).with_client_certificate_pem(&*one.certificate, "hunter2");
    check(pem, "with_client_certificate_pem", "[7 bytes]", "accepted is the certificate's private");
    std::fs::remove_dir_all(folder).unwrap();
}
