//! `SPANWISE_ADMIN_ADDRESS` in a program without the feature `admin`.

#![cfg(not(feature = "admin"))]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on must fail")]

use spanwise_testkit::rerun;

#[test]
fn an_address_without_the_feature_is_reported() {
    const CHILD: &str = "SPANWISE_TEST_CHILD";
    if std::env::var_os(CHILD).is_some() {
        return drop(spanwise::init().unwrap());
    }
    let mut command = rerun("an_address_without_the_feature_is_reported");
    command.env(CHILD, "1").env("SPANWISE_ADMIN_ADDRESS", "127.0.0.1:0");
    let output = command.env("OTEL_TRACES_EXPORTER", "none").output().unwrap();
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{text}");
    let line = text.lines().find(|line| line.contains("SPANWISE_ADMIN_ADDRESS")).unwrap();
    assert!(line.contains("the feature `admin`"), "{line}");
}
