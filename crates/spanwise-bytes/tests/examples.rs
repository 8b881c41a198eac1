//! The example runs to its end.
#![allow(clippy::unwrap_used, reason = "a test that cannot continue must fail")]

#[path = "../examples/zero_copy.rs"]
mod zero_copy;

#[test]
fn a_body_in_pieces_arrives_whole() {
    zero_copy::main().unwrap();
}
