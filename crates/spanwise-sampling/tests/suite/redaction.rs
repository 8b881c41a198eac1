//! Errors and debug texts: no secrets, one line, bounded.

use spanwise_sampling::{
    JaegerPoller, JaegerRemote, JaegerSettings, JaegerStrategy, JaegerStrategyError, RateLimited,
    Sampler, XrayError, XrayPoller, XrayRemote, XraySettings, trace_state::OtMember,
};

#[test]
fn credentials_in_a_url_are_redacted() {
    // A secret stands in front of an `@`, or behind a `?` or `#`.
    for (url, shown) in [
        ("http://me:hunter2@host:1/path", "http://[redacted]@host:1/path"),
        ("https://hunter2@host/path?key=hunter2", "https://[redacted]@host/path?[redacted]"),
        ("http://host/path#hunter2", "http://host/path#[redacted]"),
        ("http://me:hun/ter2/hunter2@host/path", "http://[redacted]@host/path"),
        ("http://me:hunter2?hunter2@host/hunter2", "http://[redacted]?[redacted]"),
        ("http://host/path?key=a@hunter2", "http://[redacted]?[redacted]"),
        ("http://host/?key=hunter2@hunter2#hunter2", "http://[redacted]?[redacted]"),
        ("http://host?key=a@hunter2/hunter2", "http://[redacted]?[redacted]"),
    ] {
        let jaeger = JaegerSettings::default().with_endpoint(url).unwrap();
        let xray = XraySettings::default().with_endpoint(url).unwrap();
        assert_eq!((jaeger.endpoint(), xray.endpoint()), (url, url));
        let remote = JaegerRemote::new(Sampler::always_off());
        let poller = JaegerPoller::new(&jaeger, "shop", remote, 1);
        assert!(poller.url().contains("hunter2"), "the request has the URL unchanged");
        let xray_poller = XrayPoller::new(&xray, "shop", XrayRemote::new(), 1);
        for text in [format!("{jaeger:?}"), format!("{xray:?}"), format!("{xray_poller:?}")] {
            assert!(text.contains(&format!("{shown:?}")) && !text.contains("hunter2"), "{text}");
        }
        let text = format!("{poller:?}");
        assert!(!text.contains("hunter2") && text.contains("[redacted]"), "{text}");

        // Errors redact the URL too, as a value and as a key without a value.
        for argument in [format!("endpoint={url}\0"), url.to_owned()] {
            let errors =
                [JaegerSettings::parse(&argument).err(), XraySettings::parse(&argument).err()];
            for error in errors {
                let text = format!("{0} {0:?}", error.unwrap());
                assert!(!text.contains("hunter2") && text.contains("[redacted]"), "{text}");
            }
        }
    }
}

#[test]
fn pieces_of_a_url_that_a_comma_cuts_are_redacted() {
    for argument in [
        "endpoint=http://me:pass,hunter2@host:1/path",
        "endpoint=http://me:pass,hunter2=x@host:1/path",
        "endpoint=http://host/path?key=pass,hunter2",
        "endpoint=http://host/path?key=pass,hunter2=hunter2",
        "pollingIntervalMs=http://me:hunter2@host",
        "initialSamplingRate=http://me@host?hunter2",
        "polling_interval=http://me:hunter2@host",
        "hunter2=http://host",
        "rate=hunter2",
    ] {
        let errors = [JaegerSettings::parse(argument).err(), XraySettings::parse(argument).err()];
        for error in errors {
            let text = format!("{0} {0:?}", error.unwrap());
            assert!(!text.contains("hunter2"), "{argument}: {text}");
        }
    }
}

#[test]
fn the_debug_text_of_an_x_ray_request_has_no_token() {
    let mut poller = XrayPoller::new(&XraySettings::default(), "shop", XrayRemote::new(), 1);
    assert!(poller.request(0, 1).is_some());
    poller.answered(0, 1, br#"{"SamplingRuleRecords":[],"NextToken":"hunter2"}"#).unwrap();
    let request = poller.request(0, 1).unwrap();
    assert!(request.body.contains("hunter2"), "the request has the token of the page");
    let shown = format!("{request:?} {poller:?}");
    assert!(!shown.contains("hunter2") && shown.contains("/GetSamplingRules"), "{shown}");
}

#[test]
fn the_debug_text_of_an_error_equals_its_display() {
    // `main` prints `Error: {e:?}` of the error that it returns (std, `Termination`).
    let errors: Vec<Box<dyn std::error::Error>> = vec![
        Box::new(Sampler::probability(7.0).unwrap_err()),
        Box::new(RateLimited::new(f64::NAN).unwrap_err()),
        Box::new(JaegerSettings::parse("rate=1").unwrap_err()),
        Box::new(OtMember::parse("th").unwrap_err()),
        Box::new(JaegerStrategy::parse(b"{").unwrap_err()),
        Box::new(JaegerStrategy::parse(b"{}").unwrap_err()),
        Box::new(JaegerStrategyError::TooManyOperations(3)),
        Box::new(XrayError::TooManyRules),
        Box::new(XrayError::Unprocessed(3)),
    ];
    for error in errors {
        assert_eq!(format!("{error:?}"), error.to_string());
        assert!(error.to_string().contains(' ') && !error.to_string().contains('\n'));
    }
}

#[test]
fn errors_show_values_bounded_and_without_control_characters() {
    let hostile = format!("\0\x1b[2J\u{9b}{}", "é".repeat(100_000));
    let errors = [
        JaegerSettings::parse(&format!("{hostile}=1")).unwrap_err(),
        JaegerSettings::parse(&format!("endpoint={hostile}")).unwrap_err(),
        JaegerSettings::parse(&format!("endpoint=http://{hostile}")).unwrap_err(),
        JaegerSettings::parse(&format!("pollingIntervalMs={hostile}")).unwrap_err(),
        JaegerSettings::parse(&format!("initialSamplingRate={hostile}")).unwrap_err(),
        XraySettings::parse(&format!("polling_interval={hostile}")).unwrap_err(),
        XraySettings::parse(&format!("endpoint=https://x@{hostile}")).unwrap_err(),
        XraySettings::parse(&hostile).unwrap_err(),
    ];
    for error in errors {
        for text in [error.to_string(), format!("{error:?}")] {
            assert!(text.len() < 1000 && !text.contains(char::is_control), "{text}");
        }
        let shown = error.to_string();
        assert!(shown.contains("\\u{1b}[2J") || shown.contains("[redacted]"), "{error}");
    }
    for url in ["http://host/\r\nx: y", "http://host\0", &format!("http://{}", "x".repeat(2048))] {
        assert!(JaegerSettings::default().with_endpoint(url).is_err());
        assert!(XraySettings::default().with_endpoint(url).is_err());
    }
    let longest = format!("http://{}", "x".repeat(2041));
    assert!(XraySettings::default().with_endpoint(&longest).is_ok());
    // The service's name is untrusted: its length in the URL is bounded.
    let remote = || JaegerRemote::new(Sampler::always_off());
    let poller = JaegerPoller::new(&JaegerSettings::default(), &hostile, remote(), 1);
    assert!(poller.url().len() < 4_000 && poller.url().is_ascii());
    let query = poller.url().split_once("service=").unwrap().1;
    let bytes = query.split('%').skip(1).map(|hex| u8::from_str_radix(&hex[..2], 16).unwrap());
    assert!(bytes.filter(|byte| *byte == 0xc3).count() > 500, "cut between characters");
}
