//! Without the feature `redaction`, settings that ask for rules are errors: spans would leave as they are.
#![cfg(not(feature = "redaction"))]

use spanwise_sdk::Spanwise;

fn error(variable: &'static str, path: &str) -> String {
    let path = path.to_owned();
    let builder = Spanwise::builder().with_diagnostics(|_| {});
    let built = builder.with_environment(move |name| (name == variable).then(|| path.clone()));
    built.build().map(drop).unwrap_err().to_string()
}

#[test]
fn a_variable_is_an_error_that_names_the_feature() {
    let error = error("SPANWISE_REDACTION_FILE", "/etc/shop/redaction.yaml");
    let begin = "SPANWISE_REDACTION_FILE=`/etc/shop/redaction.yaml`: it ";
    assert!(error.starts_with(begin) && error.contains("`redaction`"), "{error}");
}

#[cfg(feature = "config-file")]
#[test]
fn a_section_is_an_error_with_its_place() {
    let path = std::env::temp_dir().join(format!("no-redaction-{}.yaml", std::process::id()));
    for text in [
        "redaction: {presets: all}",
        "file_format: \"1.1\"\ntracer_provider:\ndistribution: {spanwise: {redaction: }}",
    ] {
        std::fs::write(&path, text).unwrap();
        let error = error("OTEL_CONFIG_FILE", &path.display().to_string());
        let end = "redaction: it needs the feature `redaction`: without it, spans would leave as they are";
        assert!(error.contains(end), "{error}");
    }
    std::fs::remove_file(&path).unwrap();
}
