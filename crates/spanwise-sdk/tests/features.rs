//! A choice whose feature is not compiled in is an error of `build` that names the feature.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on must fail")]

use spanwise_sdk::Spanwise;
use spanwise_transport::Outcome;

/// The error of a provider whose `OTEL_TRACES_SAMPLER` is `sampler`, if there is one.
fn error(sampler: &'static str) -> Option<String> {
    let lookup = move |name: &str| (name == "OTEL_TRACES_SAMPLER").then(|| sampler.to_owned());
    let builder = Spanwise::builder()
        .with_environment(lookup)
        .with_sink(|_| async { Outcome::Accepted { rejected: 0, message: None } });
    builder.build().err().map(|error| error.to_string())
}

#[test]
fn a_sampler_that_is_not_compiled_in_is_an_error_that_names_its_feature() {
    let cases = [
        ("jaeger_remote", "jaeger", cfg!(feature = "jaeger")),
        ("parentbased_jaeger_remote", "jaeger", cfg!(feature = "jaeger")),
        ("xray", "xray", cfg!(feature = "xray")),
        ("always_off", "none", true),
    ];
    for (sampler, feature, is_compiled_in) in cases {
        match error(sampler) {
            None => assert!(is_compiled_in, "{sampler}"),
            Some(error) => {
                assert!(!is_compiled_in, "{error}");
                for part in ["OTEL_TRACES_SAMPLER", &format!("features = [\"{feature}\"]")] {
                    assert!(error.contains(part), "{error}");
                }
            }
        }
    }
}
