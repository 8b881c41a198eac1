//! Start, shutdown, fork, and the end of the provider.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on must fail")]

mod common;

use common::{endpoint, get, provider};
use spanwise_admin::{AdminEndpoint, AdminError};
use std::io::ErrorKind;
use std::net::{TcpListener, TcpStream};

#[test]
fn a_port_that_is_taken_is_an_error_with_the_address() {
    let spanwise = provider();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let error = AdminEndpoint::builder().with_address(&*address).build(&spanwise).unwrap_err();
    assert!(matches!(error, AdminError::Bind { .. }), "{error:?}");
    assert!(error.to_string().contains(&address), "{error}");
}

#[test]
fn a_name_with_a_port_or_too_many_names_are_errors() {
    let spanwise = provider();
    let builder = || AdminEndpoint::builder().with_address("127.0.0.1:0");
    let error = builder().with_allowed_host("admin.example:80").build(&spanwise).unwrap_err();
    assert_eq!(
        error.to_string(),
        "with_allowed_host=`admin.example:80`: accepted is up to 16 host names without a port"
    );
    let many =
        (0..17).fold(builder(), |builder, number| builder.with_allowed_host(format!("h{number}")));
    assert!(many.build(&spanwise).is_err());
}

#[test]
fn a_name_that_is_allowed_is_served() {
    let spanwise = provider();
    let admin =
        AdminEndpoint::builder().with_address("127.0.0.1:0").with_allowed_host("admin.example");
    let admin = admin.build(&spanwise).unwrap();
    let request = b"GET /metrics HTTP/1.0\r\nHost: admin.example\r\n\r\n";
    assert!(common::exchange(admin.local_addr(), request).starts_with("HTTP/1.1 200 OK"));
}

#[test]
fn a_shutdown_closes_the_socket_and_open_connections() {
    let spanwise = provider();
    let admin = endpoint(&spanwise);
    let address = admin.local_addr();
    let mut open = TcpStream::connect(address).unwrap();
    open.set_read_timeout(Some(common::PATIENCE)).unwrap();
    assert!(get(address, "/metrics", "").0.starts_with("HTTP/1.1 200 OK"));
    admin.shutdown();
    let ended = std::io::Read::read(&mut open, &mut [0; 16]);
    // A timeout would be a connection that stays open.
    let is_closed = match &ended {
        Ok(bytes) => *bytes == 0,
        Err(error) => error.kind() == ErrorKind::ConnectionReset,
    };
    assert!(is_closed, "{ended:?}");
    // The port is free at once.
    drop(AdminEndpoint::builder().with_address(address.to_string()).build(&spanwise).unwrap());
}

#[test]
fn the_endpoint_does_not_keep_the_provider_alive() {
    let spanwise = provider();
    let admin = endpoint(&spanwise);
    drop(spanwise);
    for path in ["/metrics", "/debug/spanwise.json"] {
        let (head, body) = get(admin.local_addr(), path, "");
        assert!(head.starts_with("HTTP/1.1 503 Service Unavailable\r\n"), "{head}");
        assert_eq!(body, "the tracer provider was dropped\n");
    }
}

#[test]
fn a_provider_that_is_shut_down_shows_its_last_state() {
    let spanwise = provider();
    let admin = endpoint(&spanwise);
    spanwise.shutdown().unwrap();
    let (_, body) = get(admin.local_addr(), "/debug/spanwise.json", "");
    assert!(body.contains("\"state\":\"shut_down\""), "{body}");
}

#[test]
fn a_sampler_whose_description_panics_costs_one_answer() {
    use spanwise_sdk::sampling::{ComposableSampler, SamplingIntent, SamplingParameters};
    #[derive(Debug)]
    struct Panics;
    impl ComposableSampler for Panics {
        fn sampling_intent<'s>(&'s self, _: &SamplingParameters<'_>) -> SamplingIntent<'s> {
            SamplingIntent::DROP
        }

        #[allow(clippy::panic, reason = "the fault that the test injects")]
        fn description(&self) -> String {
            panic!("on purpose")
        }
    }
    let spanwise = provider();
    let admin = endpoint(&spanwise);
    spanwise.set_sampler(Panics);
    let (head, _) = get(admin.local_addr(), "/debug/spanwise.json", "");
    assert!(head.starts_with("HTTP/1.1 500 "), "{head}");
    assert!(get(admin.local_addr(), "/metrics", "").0.starts_with("HTTP/1.1 200 OK"));
}

/// In a process of its own, because a fork copies one thread of many.
#[cfg(unix)]
#[test]
fn a_forked_child_serves_nothing_and_drops_its_copy_at_once() {
    spanwise_testkit::in_own_process(
        "a_forked_child_serves_nothing_and_drops_its_copy_at_once",
        || {
            let spanwise = provider();
            let admin = endpoint(&spanwise);
            let view = spanwise.live_view();
            let address = admin.local_addr();
            let mut admin = Some(admin);
            spanwise_testkit::in_forked_child(|_| {
                assert!(view.snapshot().is_none() && view.metrics().is_none());
                drop(admin.take());
            });
            // The parent still serves.
            assert!(get(address, "/metrics", "").0.starts_with("HTTP/1.1 200 OK"));
        },
    );
}
