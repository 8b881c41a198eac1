//! Errors name the key of the file and its line, and no method of the code.

use crate::support::DiagnosticLog;
use crate::{PROVIDER, TempFile, error, with_variables};
use spanwise_testkit::pki::{Authority, Template};

/// The transport names its methods; a file has keys.
#[test]
fn a_certificate_that_cannot_be_used_is_named_by_its_key_and_line() {
    let text = |tls: &str| {
        format!(
            "file_format: \"1.1\"\ntracer_provider:\n  processors:\n    - batch:\n        exporter:\n          otlp_http:\n            \
             endpoint: https://h\n            tls:\n{tls}"
        )
    };
    let certificate = TempFile::new(
        &Authority::new("ca").unwrap().issue(&Template::client("c")).unwrap().certificate,
    );
    let (certificate, indent) = (certificate.path(), "              ");
    for (key, tls, line) in [
        ("ca_file", format!("{indent}ca_file: /no/such.pem\n"), 9),
        ("ca_file", format!("{indent}ca_file: ${{CA:-/no/such.pem}}\n"), 9),
        (
            "key_file",
            format!("{indent}cert_file: {certificate}\n{indent}key_file: /no/such.pem\n"),
            10,
        ),
        (
            "cert_file",
            format!("{indent}key_file: {certificate}\n{indent}cert_file: /no/such.pem\n"),
            10,
        ),
    ] {
        let error = error(&text(&tls));
        let place = format!("otel.yaml:{line}:");
        let path = format!(": tracer_provider.processors[0].batch.exporter.otlp_http.tls.{key}: ");
        assert!(error.starts_with(&place) && error.contains(&path), "{error}");
        assert!(!error.contains("with_"), "{error}");
        assert_eq!(error.contains("/no/such.pem"), !tls.contains('$'), "{error}");
    }
}

#[test]
fn a_smaller_queue_in_code_limits_the_requests_of_a_file() {
    let file = TempFile::new(PROVIDER);
    let builder = with_variables(&[("ENDPOINT", "http://127.0.0.1:9")]).with_max_queue_size(100);
    let spanwise = builder.with_config_file(file.path()).build().unwrap();
    assert_eq!(spanwise.batching().load().max_export_batch_size, 100);
}

#[test]
fn the_older_variable_of_the_file_is_reported_beside_the_newer_one() {
    let (file, log) = (TempFile::new("batch: {size: 100}\n"), DiagnosticLog::default());
    let path = file.path();
    let variables =
        [("OTEL_CONFIG_FILE", &*path), ("OTEL_EXPERIMENTAL_CONFIG_FILE", "/no/such.yaml")];
    log.attach(with_variables(&variables)).build().unwrap();
    let expected = "OTEL_EXPERIMENTAL_CONFIG_FILE has no effect: OTEL_CONFIG_FILE names the configuration file";
    assert_eq!(log.lines(), [expected]);
    let log = DiagnosticLog::default();
    log.attach(with_variables(&variables[..1])).build().unwrap();
    assert_eq!(log.lines(), [""; 0]);
}
