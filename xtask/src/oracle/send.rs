//! One request of known bytes, sent by the transport of Spanwise.

use crate::peers::block_on;
use spanwise::transport::{Delivery, Endpoint, Outcome, Protocol, Transport};

/// Sends `message` to the port.
///
/// # Errors
/// The transport does not build, or the request has another outcome than success.
pub(super) fn send(protocol: &str, port: u16, message: Vec<u8>) -> Result<Delivery, String> {
    let protocol: Protocol = protocol.parse().map_err(|_| format!("no protocol {protocol}"))?;
    let url = match protocol {
        Protocol::Grpc => format!("http://127.0.0.1:{port}"),
        _ => format!("http://127.0.0.1:{port}/v1/traces"),
    };
    let endpoint = Endpoint::parse("the peer", &url).map_err(|error| error.to_string())?;
    let transport = Transport::builder().with_protocol(protocol).with_endpoint(endpoint).build();
    let transport = transport.map_err(|error| error.to_string())?;
    let delivery = block_on(transport.send(message))?;
    match &delivery.outcome {
        Outcome::Accepted { .. } => Ok(delivery),
        Outcome::Failed(failure) => Err(format!("{failure}: {}", delivery.detail)),
    }
}
