//! The examples `tracing_axum` and `tracing_tonic`: without the harness of tests, because they run this program as their services.

#![allow(clippy::duplicate_mod, reason = "both examples have the module of their services")]

#[path = "../examples/tracing_axum.rs"]
mod tracing_axum;
#[path = "../examples/tracing_tonic.rs"]
mod tracing_tonic;

use std::error::Error;

fn main() -> Result<(), Box<dyn Error>> {
    match std::env::args().nth(1).as_deref() {
        Some("stock" | "shop") => tracing_axum::main(),
        Some("inventory" | "orders") => tracing_tonic::main(),
        _ => tracing_axum::run().and_then(|()| tracing_tonic::run()),
    }
}
