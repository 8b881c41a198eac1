//! Sends requests from a plain thread, without an async runtime.
//!
//! `cargo run -p spanwise-transport --example blocking [URL]`

use std::error::Error;
use std::time::{Duration, Instant};

use spanwise_receiver::Receiver;
use spanwise_transport::{BlockingTransport, Endpoint};

fn main() -> Result<(), Box<dyn Error>> {
    // Without an argument: a receiver of this process.
    let (receiver, _) = Receiver::collecting()?;
    let url = std::env::args().nth(1).unwrap_or_else(|| receiver.http_endpoint());
    let endpoint = Endpoint::parse_base("URL", &url)?;
    let transport = BlockingTransport::builder()
        .with_endpoint(endpoint)
        .with_attempt_observer(|failed| eprintln!("{failed}"))
        .build_blocking()?;
    // An empty request: any encoded `ExportTraceServiceRequest` does.
    let delivery = transport.send_until(Vec::new(), Instant::now() + Duration::from_secs(5));
    println!("{}: {delivery}", transport.endpoint());
    Ok(())
}
