//! The proxy: `with_proxy`, `HTTPS_PROXY`, `HTTP_PROXY` and `NO_PROXY`.

use crate::{Variables, error, lines, with};

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
fn without_the_feature_a_proxy_in_code_is_an_error_and_a_variable_is_reported_once() {
    let error = error(with(&[]).with_proxy("http://u:hunter2@proxy:3128"));
    let shown = format!("{error} {error:?}");
    assert!(shown.starts_with("with_proxy=`http://[redacted]@proxy:3128`"), "{shown}");
    assert!(shown.contains("features = [\"proxy\"]") && !shown.contains("hunter2"), "{shown}");
    let proxy = "ftp://u:hunter2@proxy";
    let reported = |set: Variables<'_>| lines(with(set).with_endpoint("http://c.example"));
    for name in ["HTTP_PROXY", "http_proxy"] {
        let lines = reported(&[(name, proxy), ("HTTPS_PROXY", proxy), ("ALL_PROXY", proxy)]);
        let [line] = &*lines else { panic!("{lines:?}") };
        assert!(line.starts_with(&format!("{name} has no effect: it needs the feature")), "{line}");
        assert!(line.contains("features = [\"proxy\"]") && !line.contains("hunter2"), "{line}");
    }
    // None of these would apply with the feature.
    for set in [
        &[("HTTPS_PROXY", proxy)][..],
        &[("HTTP_PROXY", proxy), ("NO_PROXY", "c.example")],
        &[("HTTP_PROXY", proxy), ("REQUEST_METHOD", "GET")],
        &[("NO_PROXY", "*")],
        &[("HTTP_PROXY", " ")],
    ] {
        assert_eq!(reported(set), [""; 0], "{set:?}");
    }
    assert_eq!(lines(with(&[("HTTP_PROXY", proxy)])), [""; 0], "the endpoint is on this machine");
}

#[test]
fn all_proxy_is_reported_where_it_would_apply() {
    for set in [&[("ALL_PROXY", "socks5://u:hunter2@p")], &[("all_proxy", "http://u:hunter2@p")]] {
        let lines = lines(with(set).with_endpoint("http://c.example"));
        let [line] = &*lines else { panic!("{lines:?}") };
        let begin = format!("{} has no effect: only HTTPS_PROXY and HTTP_PROXY", set[0].0);
        assert!(line.starts_with(&begin) && !line.contains("hunter2"), "{line}");
    }
    let excluded: Variables<'_> = &[("ALL_PROXY", "socks5://p"), ("no_proxy", "example")];
    assert_eq!(lines(with(excluded).with_endpoint("http://c.example")), [""; 0]);
    assert_eq!(lines(with(&[("ALL_PROXY", "socks5://p")])), [""; 0]);
}
