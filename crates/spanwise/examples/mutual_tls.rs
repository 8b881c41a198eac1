//! A provider and a receiver that authenticate each other by certificates.
//!
//! A service reads its files instead, by `with_certificate_file` and `with_client_certificate_files`, or by
//! the variables `OTEL_EXPORTER_OTLP_CERTIFICATE`, `_CLIENT_CERTIFICATE` and `_CLIENT_KEY`. Files that change
//! are read again at the next connection.
//!
//! ```text
//! cargo run --example mutual_tls
//! ```

use spanwise::{SpanKind, Spanwise};
use spanwise_receiver::Receiver;
use spanwise_testkit::pki::{Authority, Template};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (servers, clients) = (Authority::new("servers")?, Authority::new("clients")?);
    let server = servers.issue(&Template::default())?;
    let client = clients.issue(&Template::client("shop.example"))?;

    let receiver = Receiver::builder()
        .with_tls_pem(server.certificate, server.key)
        .with_client_ca_pem(clients.certificate)
        .start()?;
    let endpoint = receiver.http_endpoint().replace("127.0.0.1", "localhost");

    let spanwise = Spanwise::builder()
        .with_endpoint(endpoint)
        .with_certificate_pem(servers.certificate)
        .with_client_certificate_pem(client.certificate, client.key)
        .build()?;
    spanwise.tracer("shop").root("checkout", SpanKind::Server).finish();
    println!("{}", spanwise.shutdown()?);
    println!("the receiver got {} span over mutual TLS", receiver.stats().spans);
    Ok(())
}
