//! Pings that a Collector thinks too many: it closes the connection once, and not again at half the rate.

use crate::peers::{Corpus, Variables, block_on};
use prost::Message as _;
use spanwise::transport::{Channels, Endpoint, KeepAlive, Outcome, Protocol, Transport};
use spanwise_receiver::Receiver;
use spanwise_testkit::FaultProxy;
use spanwise_testkit::fault_proxy::Traffic;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

/// Sends the same request again and again to this port, with frequent pings in between.
///
/// # Errors
/// A request fails, or the connections are other than one that the Collector closed and one that stays.
pub(super) fn frequent(corpus: &Corpus, port: u16) -> Result<String, String> {
    let proxy = FaultProxy::start(SocketAddr::from((Ipv4Addr::LOCALHOST, port)));
    let proxy = proxy.map_err(|error| error.to_string())?;
    let endpoint = Endpoint::parse("the Collector", &proxy.endpoint());
    let transport = Transport::builder()
        .with_protocol(Protocol::Grpc)
        .with_endpoint(endpoint.map_err(|error| error.to_string())?)
        .with_channels(Channels::new(1).with_keep_alive(KeepAlive::frequent()))
        .build()
        .map_err(|error| error.to_string())?;
    let message = message(corpus)?;
    block_on(async {
        for round in 0..REQUESTS {
            if round > 0 {
                tokio::time::sleep(IDLE).await;
            }
            let delivery = transport.send(message.clone()).await;
            if !matches!(delivery.outcome, Outcome::Accepted { rejected: 0, .. }) {
                return Err(format!("request {round}: {:?}, {}", delivery.outcome, delivery.cause));
            }
        }
        Ok(())
    })??;
    match proxy.traffic() {
        Traffic { connections: 2, closed: 1, .. } => {
            let seconds = IDLE.as_secs();
            Ok(format!("{REQUESTS} requests {seconds} s apart: one GOAWAY, then one connection"))
        }
        other => Err(format!("{REQUESTS} requests in other connections than two: {other:?}")),
    }
}

/// A request with all spans, as the stock SDK encodes it.
fn message(corpus: &Corpus) -> Result<Vec<u8>, String> {
    let (receiver, _) = Receiver::collecting().map_err(|error| error.to_string())?;
    let endpoint = ("OTEL_EXPORTER_OTLP_ENDPOINT", receiver.http_endpoint());
    Ok(corpus.send("pings", Variables::from([endpoint]))?.expected.encode_to_vec())
}

const REQUESTS: u32 = 4;
/// The Collector accepts two pings between requests: this time has four at the first rate, and two at half of it.
const IDLE: Duration = Duration::from_secs(45);
