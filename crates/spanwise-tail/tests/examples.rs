//! The examples run to their end; each checks its own answer.
#![allow(clippy::unwrap_used, reason = "a test that cannot continue must fail")]

#[path = "../examples/five_policies.rs"]
mod five_policies;

#[test]
fn errors_slow_and_important_traces_are_sampled_and_a_tenth_of_the_others() {
    five_policies::main().unwrap();
}
