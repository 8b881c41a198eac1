//! Secrets in settings: neither errors nor reports show them.

use crate::{error, lines, with};
use spanwise_sdk::sampling::{JaegerSettings, XraySettings};

/// Errors and reports show neither a URL's user and query, nor an argument, a header or a key.
#[test]
fn errors_and_reports_show_no_secret() {
    const PEM: &str = "-----BEGIN PRIVATE KEY-----\nMIIhunter2\n-----END PRIVATE KEY-----";
    let mut shown = Vec::new();
    for url in [
        "http://user:hunter2@h",
        "ftp://user:hunter2@h/",
        "user:hunter2@h:4317",
        "ftp://h/?key=hunter2",
        "ftp://user:pass?hunter2@h",
        "hunter2:hunter2@",
    ] {
        for name in [
            "OTEL_EXPORTER_OTLP_ENDPOINT",
            "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
            "OTEL_EXPORTER_OTLP_PROTOCOL",
            "OTEL_EXPORTER_OTLP_COMPRESSION",
        ] {
            shown.push(format!("{0} {0:?}", error(with(&[(name, url)]))));
        }
        let builder = with(&[]).with_endpoint(url);
        shown.push(format!("{builder:?}"));
        shown.push(format!("{0} {0:?}", error(builder)));
        for name in [
            "OTEL_TRACES_SAMPLER",
            "OTEL_TRACES_EXPORTER",
            "OTEL_SDK_DISABLED",
            "OTEL_RESOURCE_ATTRIBUTES",
            "OTEL_EXPORTER_OTLP_TIMEOUT",
            "OTEL_BSP_SCHEDULE_DELAY",
            "SPANWISE_BUDGET_BYTES",
        ] {
            shown.extend(lines(with(&[(name, url)])));
        }
        for sampler in ["traceidratio", "jaeger_remote", "xray"] {
            for argument in [
                url.to_owned(),
                format!("endpoint={url}"),
                format!("endpoint={url},pollingIntervalMs=x"),
                format!("hunter2={url}"),
                "hunter2".to_owned(),
                "api-key=hunter2".to_owned(),
                "pollingIntervalMs=hunter2,polling_interval=hunter2".to_owned(),
                "endpoint=http://user:hun,hunter2@h".to_owned(),
            ] {
                let sampler = ("OTEL_TRACES_SAMPLER", sampler);
                let reports = lines(with(&[sampler, ("OTEL_TRACES_SAMPLER_ARG", &argument)]));
                assert!(!reports.is_empty(), "{argument} is refused");
                shown.extend(reports);
            }
        }
        if let Ok(settings) = JaegerSettings::default().with_endpoint(url) {
            let builder = with(&[]).with_remote_sampling(settings);
            shown.push(format!("{builder:?} {:?}", error(builder.clone())));
        }
        if let Ok(settings) = XraySettings::default().with_endpoint(url) {
            let builder = with(&[]).with_remote_sampling(settings);
            shown.push(format!("{builder:?} {:?}", error(builder.clone())));
        }
    }
    for list in [
        "hunter2",
        "Authorization: Basic hunter2==",
        "a=b,x y=hunter2",
        "te=hunter2",
        "a=hunter2%0a",
        "hunter2 hunter2=b",
    ] {
        shown.push(format!("{0} {0:?}", error(with(&[("OTEL_EXPORTER_OTLP_HEADERS", list)]))));
    }
    let builder = with(&[]).with_header("Authorization: Bearer hunter2", "");
    shown.push(format!("{builder:?} {:?}", error(builder.clone())));
    for path in [PEM, "MIIhunter2", &PEM.replace('\n', "\\n")] {
        let variable = ("OTEL_EXPORTER_OTLP_CERTIFICATE", path);
        shown.push(format!("{0} {0:?}", error(with(&[variable]).with_endpoint("https://h"))));
    }
    let pem = with(&[]).with_endpoint("https://h").with_certificate_pem(PEM);
    shown.push(format!("{pem:?}"));
    if cfg!(feature = "tls") {
        for pem in [PEM, "-----BEGIN hunter2", "-----BEGIN CERTIFICATE-----\nhunter2\n"] {
            let builder = with(&[]).with_endpoint("https://h").with_certificate_pem(pem);
            let error = error(builder).to_string();
            assert!(error.starts_with("with_certificate_pem=`["), "{error}");
            shown.push(error);
        }
    }
    for text in shown {
        assert!(!text.contains("hunter2"), "{text}");
    }
}
