//! The proxy: `with_proxy`, `HTTPS_PROXY`, `HTTP_PROXY` and `NO_PROXY`.

use crate::{Variables, error, with};

#[test]
#[cfg(feature = "proxy")]
fn an_unusable_proxy_is_an_error_where_it_is_used() {
    let bad = "ftp://u:hunter2@proxy";
    let at = |endpoint: &'static str| move |set: Variables<'_>| with(set).with_endpoint(endpoint);
    let (https, http) = (at("https://c.example"), at("http://c.example"));
    for (builder, setting) in [
        (https(&[("HTTPS_PROXY", bad)]), "HTTPS_PROXY"),
        (https(&[("https_proxy", bad)]), "https_proxy"),
        (http(&[("HTTP_PROXY", bad)]), "HTTP_PROXY"),
        (http(&[]).with_proxy(bad), "with_proxy"),
    ] {
        let error = error(builder);
        let shown = format!("{error} {error:?}");
        assert!(shown.starts_with(&format!("{setting}=`ftp://[redacted]@proxy`: ")), "{shown}");
        assert!(shown.contains("accepted is http://host:port"), "{shown}");
        assert!(!shown.contains("hunter2"), "{shown}");
    }
    for builder in [
        https(&[("HTTPS_PROXY", bad), ("NO_PROXY", "example")]),
        https(&[("HTTP_PROXY", bad)]),
        http(&[("HTTP_PROXY", bad), ("REQUEST_METHOD", "POST")]),
        with(&[("HTTP_PROXY", bad)]),
        with(&[("HTTP_PROXY", bad)]).with_endpoint("http://127.0.0.1:1"),
        with(&[("HTTP_PROXY", bad)]).with_endpoint("unix:/run/otel.sock"),
        http(&[("HTTP_PROXY", bad)]).with_proxy("http://proxy:3128"),
    ] {
        if cfg!(feature = "tls") {
            assert!(builder.build().is_ok());
        }
    }
}

#[test]
#[cfg(not(feature = "proxy"))]
fn without_the_feature_a_proxy_in_code_is_an_error_and_variables_have_no_effect() {
    let error = error(with(&[]).with_proxy("http://u:hunter2@proxy:3128"));
    let shown = format!("{error} {error:?}");
    assert!(shown.starts_with("with_proxy=`http://[redacted]@proxy:3128`"), "{shown}");
    assert!(shown.contains("features = [\"proxy\"]") && !shown.contains("hunter2"), "{shown}");
    let set: Variables<'_> = &[("HTTP_PROXY", "ftp://u:hunter2@proxy")];
    assert!(with(set).with_endpoint("http://c.example").build().is_ok());
}
