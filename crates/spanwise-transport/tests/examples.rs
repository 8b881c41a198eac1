//! The examples run to their end; each checks its own answer.
#![allow(clippy::unwrap_used, reason = "a test that cannot continue must fail")]

#[path = "../examples/connections.rs"]
mod connections;

#[test]
fn a_transport_has_as_many_connections_as_it_was_given() {
    connections::main().unwrap();
}
